"""Sizes of the runs of `translate`."""

from dataclasses import dataclass

from tgnn.nn.transformer import TransformerConfig


@dataclass(frozen=True)
class Config:
    """One grid. A batch is `rows` disjoint unions of sentences, each with `slots` tokens on either side."""

    model_dim: int
    num_layers: int  # of the encoder, and again of the decoder
    num_heads: int
    hidden_dim: int
    rows: int  # a row of 64 slots holds about four sentences
    num_steps: int
    warmup_steps: int
    learning_rate: float  # the peak; then half a cosine down to 0
    corpus: str = "multi30k"  # or "toy", which needs no data
    vocab_size: int = 6000  # pieces of words, of both languages together
    slots: int = 64  # the longest sentence has 54 pieces
    window: int = 3  # tokens that one sees on either side, in window and union
    nearest: int = 1  # nodes that one sees a level and side, in partition and union
    dropout_rate: float = 0.1
    label_smoothing: float = 0.1
    weight_decay: float = 0.01
    evaluate_every: int = 0  # steps between looks at the validation sentences; 0 is at the end
    beam_size: int = 4
    length_penalty: float = 1.0
    train_sentences: int | None = None  # the first ones only; None: all
    test_sentences: int | None = None  # and of the validation's

    @property
    def model(self) -> TransformerConfig:
        """The sizes that the library asks for."""
        return TransformerConfig(
            vocab_size=self.vocab_size,
            model_dim=self.model_dim,
            num_layers=self.num_layers,
            num_heads=self.num_heads,
            hidden_dim=self.hidden_dim,
            stacked=False,  # a quarter faster on a CPU
        )


PRESETS = {
    # seconds: for tests
    "smoke": Config(
        model_dim=16,
        num_layers=1,
        num_heads=2,
        hidden_dim=32,
        rows=8,
        num_steps=20,
        warmup_steps=5,
        learning_rate=1e-2,
        corpus="toy",
        vocab_size=120,
        slots=24,
        evaluate_every=10,
        beam_size=2,
        train_sentences=400,
        test_sentences=24,
    ),
    # seven minutes of one core a run: all graphs side by side
    "quick": Config(
        model_dim=128,
        num_layers=2,
        num_heads=4,
        hidden_dim=256,
        rows=16,
        num_steps=1200,
        warmup_steps=120,
        learning_rate=3e-3,
        dropout_rate=0.0,
        evaluate_every=300,
    ),
    # forty minutes of one core a run
    "cpu": Config(
        model_dim=128,
        num_layers=3,
        num_heads=4,
        hidden_dim=256,
        rows=32,
        num_steps=2400,
        warmup_steps=240,
        learning_rate=3e-3,
        evaluate_every=400,
    ),
}
