"""Sizes of the runs of `feed_forward`."""

import dataclasses
from dataclasses import dataclass

from experiments.language.config import PRESETS as LANGUAGE
from experiments.language.config import Config as Language


@dataclass(frozen=True)
class Config:
    """One grid."""

    language: Language  # of the Transformer whose feed-forward layer is four times as wide as it is
    ratios: tuple[int, ...] = (0, 1, 2, 4, 8)  # of the hidden features to model_dim
    # peaks of the learning rate, of which each cell takes the one that validates best
    rates: tuple[float, ...] = (5e-3, 2e-2)


SMALL = Language(
    model_dim=48,
    num_layers=2,
    num_heads=2,
    context=32,
    window=32,
    batch_size=16,
    num_steps=200,
    warmup_steps=20,
    learning_rate=1e-2,
    evaluate_every=0,
    validation_characters=30_000,
)

PRESETS = {
    # seconds: for tests
    "smoke": Config(
        dataclasses.replace(
            SMALL,
            model_dim=16,
            context=16,
            window=16,
            batch_size=2,
            num_steps=4,
            warmup_steps=1,
            train_characters=4000,
            validation_characters=200,
        ),
        ratios=(0, 4),
        rates=(1e-2,),
    ),
    # one core
    "cpu": Config(SMALL),
    # an accelerator: nanoGPT's sizes for one; not run
    "full": Config(
        dataclasses.replace(LANGUAGE["full"], window=256, evaluate_every=0),
        rates=(3e-4, 1e-3, 3e-3),
    ),
}
