"""Any text file as characters: the first 90 % to train on, the last 10 % to validate, and perhaps another to test."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from tgnn.datasets.checks import check_range
from tgnn.datasets.files.archives import read_text
from tgnn.datasets.files.download import local_path
from tgnn.datasets.files.lines import BOM
from tgnn.datasets.records import Part
from tgnn.typing import ArrayLike

_LONG = "which is more than fits in memory comfortably; cut it into parts and pass one"


def _symbols(characters: "Characters") -> int:
    return len(characters.vocabulary)


@dataclass(frozen=True, eq=False)
class Characters:
    """A text as numbers.

    Attributes:
        train: int32 [n] indices into the vocabulary.
        validation: int32 [n].
        vocabulary: the distinct characters of all parts in ascending order.
        test: int32 [n], or None where no text was given for it.
    """

    train: Annotated[np.ndarray, Part("train_character", below=_symbols, ndim=1)]
    validation: Annotated[np.ndarray, Part("validation_character", below=_symbols, ndim=1)]
    vocabulary: str
    test: Annotated[np.ndarray | None, Part("test_character", below=_symbols, ndim=1)] = None


def load(path: str | Path, train_fraction: float = 0.9, *, test: str | Path | None = None) -> Characters:
    """A UTF-8 file, plain or `.gz`, of at most 256 MiB; a byte order mark at its beginning is dropped.

    Args:
        path: the text to train on and to validate with.
        train_fraction: share of it to train on.
        test: another text, for the final number only.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not on this machine, not UTF-8, damaged, too long, or has fewer than two characters.
    """
    return from_text(_read("path", path), train_fraction, test=None if test is None else _read("test", test))


def from_text(text: str, train_fraction: float = 0.9, *, test: str | None = None) -> Characters:
    """Splits a text by position, after numbering its characters and those of the test text.

    Example:
        >>> characters = from_text("to be or not to be, that is")
        >>> decode(characters.validation, characters.vocabulary)
        ' is'

    Raises:
        ValueError: a part would be empty.
    """
    text = text.removeprefix(BOM)
    test = None if test is None else test.removeprefix(BOM)
    vocabulary = "".join(sorted({*text, *(test or "")}))
    border = int(train_fraction * len(text)) if 0 < train_fraction < 1 else 0
    if not 0 < border < len(text) or test == "":
        raise ValueError(
            f"train_fraction {train_fraction} of {len(text)} characters, or an empty test text, leaves a part empty; "
            "use a longer text or another fraction"
        )
    tokens = encode(text, vocabulary)
    return Characters(tokens[:border], tokens[border:], vocabulary, None if test is None else encode(test, vocabulary))


def encode(text: str, vocabulary: str) -> np.ndarray:
    """int32 [len(text)] indices into the vocabulary.

    Raises:
        ValueError: the text has a character that the vocabulary has not, or this has one twice.
    """
    number = {character: i for i, character in enumerate(vocabulary)}
    if len(number) != len(vocabulary):
        raise ValueError(f"vocabulary is {vocabulary!r}, which has a character twice; drop the second")
    unknown = set(text) - number.keys()
    if unknown:
        raise ValueError(
            f"text has {''.join(sorted(unknown))!r}, which are not in the vocabulary {vocabulary!r}; drop them"
        )
    return np.fromiter((number[character] for character in text), np.int32, len(text))


def decode(tokens: ArrayLike, vocabulary: str) -> str:
    """The text of indices into the vocabulary, [n] integers of any type.

    Example:
        >>> decode(np.array([1, 0, 1], np.uint8), "ab")
        'bab'

    Raises:
        ValueError: a token is outside of the vocabulary; -1, which is padding, is too.
    """
    tokens = np.asarray(tokens)
    remedy = f"pass indices into the vocabulary of {len(vocabulary)} characters"
    check_range("decode", "tokens", tokens, 0, len(vocabulary), remedy)
    return "".join(vocabulary[token] for token in tokens.reshape(-1).tolist())


def _read(name: str, path: str | Path) -> str:
    if not local_path(name, path).is_file():
        raise FileNotFoundError(f"{path} is not a file; pass the path of a UTF-8 text")
    return read_text(Path(path), remedy=_LONG)
