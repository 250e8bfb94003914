"""Batches of characters: random excerpts, or rows that read on where they stopped for models that remember."""

from pathlib import Path

import numpy as np

from experiments.language.config import Config
from tgnn.datasets import shakespeare, text
from tgnn.datasets.text import Characters


def load(file: Path | None, config: Config, data_dir: Path | None = None) -> Characters:
    """Tiny Shakespeare, or any text file, cut to the sizes of the config."""
    characters = shakespeare.load(data_dir) if file is None else text.load(file)
    train = characters.train[: config.train_characters]
    validation = characters.validation[: config.validation_characters]
    if min(len(train), len(validation)) <= config.context:
        raise ValueError(
            f"the text leaves {len(validation)} characters to validate and {len(train)} to train, but one sequence "
            f"takes {config.context + 1}; use a longer text or a shorter --context-length"
        )
    return Characters(train, validation, characters.vocabulary)


class Excerpts:
    """Batches as a function of the step: `[batch_size, context + 1]`, inputs and, one character later, targets."""

    def __init__(self, tokens: np.ndarray, config: Config, *, seed: int, read_on: bool):
        self.tokens, self.config, self.seed, self.read_on = tokens, config, seed, read_on

    def __call__(self, step: int) -> np.ndarray:
        rows, context = self.config.batch_size, self.config.context
        places = len(self.tokens) - context
        if self.read_on:
            start = np.random.default_rng(self.seed).integers(places, size=rows)
            start = (start + step * context) % places
        else:
            start = np.random.default_rng([self.seed, step]).integers(places, size=rows)
        return self.tokens[start[:, None] + np.arange(context + 1)]


def windows(tokens: np.ndarray, context: int, rows: int) -> np.ndarray:
    """A text as `[steps, rows, context + 1]`: every row reads on from step to step; what does not fit is left out."""
    rows = max(1, min(rows, (len(tokens) - 1) // context))
    steps = (len(tokens) - 1) // (rows * context)
    start = np.arange(steps)[:, None] * context + np.arange(rows) * steps * context
    return tokens[start[..., None] + np.arange(context + 1)]
