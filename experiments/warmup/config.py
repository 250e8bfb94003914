"""Sizes of the runs of `warmup`."""

from dataclasses import dataclass
from typing import Literal

from experiments.language.config import Config as TextConfig

Arrangement = Literal["pre", "post", "sandwich", "gated", "dlcl"]
Start = Literal["none", "tenth", "compressive"]  # the last as in the Compressive Transformer
ARRANGEMENTS: tuple[Arrangement, ...] = ("pre", "post", "sandwich", "gated", "dlcl")


@dataclass(frozen=True)
class Config:
    """A deep and narrow language model, trained in every arrangement with and without warm-up at every rate."""

    model_dim: int = 32
    num_layers: int = 6
    num_heads: int = 2
    context: int = 32  # characters
    batch_size: int = 8  # excerpts a step
    num_steps: int = 200
    learning_rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2)  # peaks
    compressive_rates: tuple[float, ...] = (3e-3,)  # peaks of the Compressive Transformer's schedule
    arrangements: tuple[Arrangement, ...] = ARRANGEMENTS
    depths: tuple[int, ...] = (2, 6, 12)  # of the networks whose gradients are looked at before the first step
    gradient_batch: int = 16  # excerpts of that look
    train_characters: int | None = None  # the first ones only; None: all
    validation_characters: int | None = 5_000

    @property
    def cells(self) -> list[tuple[Start, float]]:
        """The start and the peak rate of every run."""
        rates: dict[Start, tuple[float, ...]] = {
            "none": self.learning_rates,
            "tenth": self.learning_rates,
            "compressive": self.compressive_rates,
        }
        return [(start, rate) for start, each in rates.items() for rate in each]

    @property
    def text(self) -> TextConfig:
        """The same sizes as `experiments.language` has them, for its batches and its model."""
        return TextConfig(
            model_dim=self.model_dim,
            num_layers=self.num_layers,
            num_heads=self.num_heads,
            context=self.context,
            window=self.context,
            batch_size=self.batch_size,
            num_steps=self.num_steps,
            warmup_steps=0,
            learning_rate=max(self.learning_rates),
            train_characters=self.train_characters,
            validation_characters=self.validation_characters,
        )


PRESETS = {
    # seconds: for tests
    "smoke": Config(
        model_dim=8,
        num_layers=2,
        num_heads=2,
        context=16,
        batch_size=2,
        num_steps=20,
        learning_rates=(1e-2,),
        compressive_rates=(),
        arrangements=("post",),
        depths=(2,),
        gradient_batch=2,
        train_characters=4000,
        validation_characters=600,
    ),
    # a quarter of an hour of one core for three seeds
    "cpu": Config(),
    # an accelerator: deeper, wider, longer, more rates; not run
    "full": Config(
        model_dim=256,
        num_layers=24,
        num_heads=8,
        context=256,
        batch_size=32,
        num_steps=5000,
        learning_rates=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
        compressive_rates=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
        depths=(2, 6, 12, 24, 48),
        validation_characters=None,
    ),
}
