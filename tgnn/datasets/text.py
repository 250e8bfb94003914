"""Any text file as characters: the first 90 % to train on, the last 10 % to validate."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from tgnn.datasets.files.archives import read_text


class Characters(NamedTuple):
    """A text as numbers.

    Attributes:
        train: int32 [n] indices into the vocabulary.
        validation: int32 [n].
        vocabulary: the distinct characters in ascending order.
    """

    train: np.ndarray
    validation: np.ndarray
    vocabulary: str


def load(path: str | Path, train_fraction: float = 0.9) -> Characters:
    """A UTF-8 file, plain or `.gz`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not UTF-8, damaged, or has fewer than two characters.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} is not a file; pass the path of a UTF-8 text")
    return from_text(read_text(Path(path)), train_fraction)


def from_text(text: str, train_fraction: float = 0.9) -> Characters:
    """Splits a text by position, after numbering its characters.

    Example:
        >>> characters = from_text("to be or not to be, that is")
        >>> decode(characters.validation, characters.vocabulary)
        ' is'

    Raises:
        ValueError: a part would be empty.
    """
    vocabulary = "".join(sorted(set(text)))
    border = int(train_fraction * len(text))
    if not 0 < border < len(text):
        raise ValueError(
            f"train_fraction {train_fraction} of {len(text)} characters leaves a part empty; "
            "use a longer text or another fraction"
        )
    tokens = encode(text, vocabulary)
    return Characters(tokens[:border], tokens[border:], vocabulary)


def encode(text: str, vocabulary: str) -> np.ndarray:
    """int32 [len(text)] indices into the vocabulary.

    Raises:
        ValueError: the text has a character that the vocabulary has not.
    """
    number = {character: i for i, character in enumerate(vocabulary)}
    unknown = set(text) - number.keys()
    if unknown:
        raise ValueError(
            f"text has {''.join(sorted(unknown))!r}, which are not in the vocabulary {vocabulary!r}; drop them"
        )
    return np.fromiter((number[character] for character in text), np.int32, len(text))


def decode(tokens, vocabulary: str) -> str:
    """The text of indices into the vocabulary."""
    return "".join(vocabulary[int(token)] for token in tokens)
