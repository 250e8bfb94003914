"""Sizes of the runs of `pronounce`."""

from dataclasses import dataclass

from tgnn.datasets.cmudict import LETTERS, PHONEMES
from tgnn.nn.transformer import TransformerConfig

START = len(PHONEMES)  # the token before the first phoneme
END = START + 1  # the token after the last one


@dataclass(frozen=True)
class Config:
    """One run. A batch is `rows` disjoint unions of words, each with `slots` nodes on either side."""

    model_dim: int
    num_layers: int  # of the encoder, and again of the decoder
    num_heads: int
    hidden_dim: int
    rows: int  # a row of 32 slots holds about four words
    num_steps: int
    warmup_steps: int
    learning_rate: float  # the peak; then half a cosine down to 0
    slots: int = 32  # the longest word has 28 letters
    dropout_rate: float = 0.0
    label_smoothing: float = 0.0
    weight_decay: float = 0.01
    evaluate_every: int = 100  # steps between looks at the validation words
    evaluate_words: int = 512
    train_words: int | None = None  # the first ones only; None: all
    test_words: int | None = None
    architecture: str = "transformer"  # or "rotary", or "rnn", "bahdanau", "luong" at as many weights

    @property
    def model(self) -> TransformerConfig:
        """The sizes that the library asks for."""
        return TransformerConfig(
            vocab_size=len(PHONEMES) + 2,
            source_vocab_size=len(LETTERS),
            model_dim=self.model_dim,
            num_layers=self.num_layers,
            num_heads=self.num_heads,
            hidden_dim=self.hidden_dim,
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
        evaluate_every=10,
        evaluate_words=32,
        train_words=500,
        test_words=64,
    ),
    # a few minutes on 2 cores: the one of quickstart
    "quick": Config(
        model_dim=128,
        num_layers=2,
        num_heads=4,
        hidden_dim=512,
        rows=32,
        num_steps=2400,
        warmup_steps=200,
        learning_rate=2e-3,
        evaluate_every=300,
    ),
    # all architectures side by side, a few minutes each on 2 cores
    "history": Config(
        model_dim=80,
        num_layers=3,
        num_heads=4,
        hidden_dim=320,
        rows=32,
        num_steps=1600,
        warmup_steps=100,
        learning_rate=3e-3,
        evaluate_every=400,
        test_words=2000,
    ),
    # an hour of one core
    "cpu": Config(
        model_dim=128,
        num_layers=3,
        num_heads=4,
        hidden_dim=512,
        rows=64,
        num_steps=4000,
        warmup_steps=400,
        learning_rate=2e-3,
        dropout_rate=0.05,
        evaluate_every=500,
    ),
    # an accelerator: the size of Yolchuyeva, Németh and Gyires-Tóth, arXiv:2004.06338, who report
    # 5.2 % and 22.1 % (not confirmed)
    "full": Config(
        model_dim=256,
        num_layers=4,
        num_heads=4,
        hidden_dim=1024,
        rows=256,
        num_steps=20_000,
        warmup_steps=1000,
        learning_rate=1e-3,
        dropout_rate=0.15,
        label_smoothing=0.1,
        evaluate_every=1000,
    ),
}
