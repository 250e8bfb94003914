"""Batches of characters: random excerpts, or rows that read on where they stopped for models that remember."""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.language.config import Config
from tgnn.datasets import shakespeare, text
from tgnn.datasets.files.archives import read_text


class Text(NamedTuple):
    """Characters as numbers."""

    train: np.ndarray  # int32 [n]
    scored: dict[str, np.ndarray]  # "validation", and "test" where there is such a text
    vocabulary: str

    @property
    def identity(self) -> dict[str, Any]:
        """What tells one text from another: a run goes on with no other."""
        sums = {"train": self.train, **self.scored}
        return {"vocabulary": self.vocabulary} | {
            f"{part}_sha256": hashlib.sha256(tokens.tobytes()).hexdigest() for part, tokens in sums.items()
        }


def load(file: Path | None, config: Config, data_dir: Path | None = None, test: Path | None = None) -> Text:
    """Tiny Shakespeare, or any text file, cut to the sizes of the config, and a second file that is only scored.

    Raises:
        ValueError: a text is shorter than a sequence, or the second one has characters that the first one has not.
    """
    characters = shakespeare.load(data_dir) if file is None else text.load(file)
    train = characters.train[: config.train_characters]
    scored = {"validation": characters.validation[: config.validation_characters]}
    if test is not None:
        if not test.is_file():
            raise ValueError(f"--test-file {test} is not a file; pass the path of a UTF-8 text")
        scored["test"] = text.encode(read_text(test).removeprefix(text.BOM), characters.vocabulary)
    if min(len(train), *map(len, scored.values())) <= config.context:
        left = " and ".join(f"{len(tokens)} characters for {part}" for part, tokens in scored.items())
        raise ValueError(
            f"the text leaves {left} and {len(train)} to train, but one sequence takes {config.context + 1}; "
            "use a longer text or a shorter --context-length"
        )
    return Text(train, scored, characters.vocabulary)


def halves(given: Text) -> Text:
    """The same text, of whose validation part the second half is kept for the end, as "test"."""
    tokens = given.scored["validation"]
    middle = len(tokens) // 2
    return given._replace(scored={"validation": tokens[:middle], "test": tokens[middle:]})


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
