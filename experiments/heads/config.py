"""Sizes of the runs of `heads`."""

import dataclasses
from dataclasses import dataclass

from experiments.language.config import PRESETS as LANGUAGE
from experiments.language.config import Config as Language


@dataclass(frozen=True)
class Config:
    """One grid."""

    language: Language  # its rate and its number of heads are those of the cell
    heads: tuple[int, ...] = (1, 2, 4, 8, 16)
    # peaks of the learning rate, of which each cell takes the one that validates best
    rates: tuple[float, ...] = (5e-3, 2e-2, 5e-2)


SMALL = Language(
    model_dim=32,
    num_layers=2,
    num_heads=4,
    context=32,
    window=16,
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
        Language(
            model_dim=16,
            num_layers=1,
            num_heads=2,
            context=16,
            window=4,
            batch_size=2,
            num_steps=4,
            warmup_steps=1,
            learning_rate=1e-2,
            train_characters=4000,
            validation_characters=200,
        ),
        heads=(1, 2),
        rates=(1e-2,),
    ),
    # one core
    "cpu": Config(SMALL),
    # an accelerator: nanoGPT's sizes for one, with all of the past in reach; not run
    "full": Config(
        dataclasses.replace(LANGUAGE["full"], window=256, evaluate_every=0),
        heads=(1, 2, 4, 8, 16),
        rates=(3e-4, 1e-3, 3e-3),
    ),
}
