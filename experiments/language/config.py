"""Sizes of the runs of `language`. Other models than the Transformer take the width that gives them as many weights."""

from dataclasses import dataclass

from tgnn.nn.transformer import TransformerConfig

LEARNED = "learned"


@dataclass(frozen=True)
class Config:
    """One run: `batch_size` sequences of `context` characters a step."""

    model_dim: int  # of the Transformer
    num_layers: int
    num_heads: int
    context: int  # characters that the model sees at most, apart from memories
    window: int  # reach of windows, length of strides, buckets and segments in the sparse models
    batch_size: int
    num_steps: int
    warmup_steps: int
    learning_rate: float  # the peak; then half a cosine down to a tenth
    dropout_rate: float = 0.0
    weight_decay: float = 0.1  # of kernels and tables
    evaluate_every: int = 500
    train_characters: int | None = None  # the first ones only; None: all
    validation_characters: int | None = None
    positions: str = ""  # one of those that the model takes; "": the first of them, see POSITIONS in models.py
    stacked: bool = True  # blocks as one scan, compiled once; False: a list of them, of which a CPU is faster

    def transformer(self, vocab_size: int, **parts) -> TransformerConfig:
        """The sizes that the library asks for, with a table of positions where they are learned, as in nanoGPT."""
        sizes = {"model_dim": self.model_dim, "num_layers": self.num_layers, "num_heads": self.num_heads}
        sizes |= {"max_length": self.context if self.positions == LEARNED else None, "use_bias": False}
        sizes |= {"stacked": self.stacked}
        return TransformerConfig(vocab_size, **sizes | parts)


PRESETS = {
    # seconds: for tests
    "smoke": Config(
        model_dim=16,
        num_layers=1,
        num_heads=2,
        context=16,
        window=4,
        batch_size=4,
        num_steps=20,
        warmup_steps=5,
        learning_rate=1e-2,
        evaluate_every=10,
        train_characters=4000,
        validation_characters=600,
    ),
    # nanoGPT's setting for a laptop: validation loss 1.88 nats (github.com/karpathy/nanoGPT, README)
    "cpu": Config(
        model_dim=128,
        num_layers=4,
        num_heads=4,
        context=64,
        window=16,
        batch_size=12,
        num_steps=2000,
        warmup_steps=100,
        learning_rate=1e-3,
        stacked=False,
    ),
    # all models side by side, each with its best positions and rate: rank.py
    "rank": Config(
        model_dim=64,
        num_layers=2,
        num_heads=4,
        context=64,
        window=16,
        batch_size=8,
        num_steps=400,
        warmup_steps=40,
        learning_rate=3e-3,
        evaluate_every=0,
        validation_characters=65_536,  # half to choose by, half to report
    ),
    # an accelerator: nanoGPT's setting for one, 1.47 nats with its 10.7 million weights
    "full": Config(
        model_dim=384,
        num_layers=6,
        num_heads=6,
        context=256,
        window=64,
        batch_size=64,
        num_steps=5000,
        warmup_steps=100,
        learning_rate=1e-3,
        dropout_rate=0.2,
        evaluate_every=250,
    ),
}
