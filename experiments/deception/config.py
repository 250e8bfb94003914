"""Sizes of the runs of `deception`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """One comparison. Sizes and steps are fixed beforehand, and the last step counts."""

    model_dim: int
    num_heads: int
    num_layers: int  # of the Transformer
    rows: int  # of a batch
    num_steps: int
    warmup_steps: int
    learning_rate: float
    dropout_rate: float = 0.3
    weight_decay: float = 1e-3
    slots: int = 64  # of a row; the longest sentence has 56 words
    min_count: int = 2  # words that occur less often are unknown
    lexicon_size: int = 300
    lexicon_min_count: int = 5
    penalties: tuple[float, ...] = (0.0, 0.1, 1.0)  # the last two are the paper's
    train_sentences: int | None = None
    test_sentences: int | None = None


PRESETS = {
    "smoke": Config(
        8, 2, 1, 4, num_steps=4, warmup_steps=2, learning_rate=1e-2, penalties=(0.0, 1.0), train_sentences=60,
        test_sentences=20, lexicon_size=20, lexicon_min_count=2,
    ),
    "cpu": Config(32, 4, 1, 16, num_steps=400, warmup_steps=40, learning_rate=4e-3),
    "full": Config(
        128, 4, 2, 32, num_steps=1000, warmup_steps=100, learning_rate=2e-3, penalties=(0.0, 0.01, 0.1, 1.0, 10.0)
    ),
}  # fmt: skip
