"""Word vectors: GloVe's of 50 dimensions by name, or any file in GloVe's text format, however large."""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from tgnn.datasets import glove

GLOVE = "glove_50d"


def of_words(name: Path, words: Sequence[str], data_dir: str | Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The vectors of some words, as `read` gives them: from a file, or by the name "glove_50d".

    Raises:
        FileNotFoundError: there is no such file, or `tgnn.datasets.glove` has not been put into the data folder.
        ValueError: it is damaged, or has none of the words.
    """
    if str(name) != GLOVE:
        return read(name, words)
    found = glove.load({form for word in words for form in (word, word.lower())}, data_dir)
    return chosen(dict(zip(found.words, found.table, strict=True)), words, str(name))


def read(path: Path, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The vectors of some words.

    Args:
        path: text, or `.gz` of it; a first line of two integers, as word2vec and fastText write it, is skipped.
        words: a word that is missing as it is gets the vector of its small letters.

    Returns:
        float32 [len(words), dim], zeros where there is none, and bool [len(words)], whether there is one.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line is malformed or of another size than the first, or no word is found.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file; pass a text file of word vectors, such as glove.840B.300d.txt")
    wanted = {form for word in words for form in (word, word.lower())}
    return chosen({word: vector for word, vector in lines(path, wanted)}, words, str(path))


def chosen(found: Mapping[str, np.ndarray], words: Sequence[str], name: str) -> tuple[np.ndarray, np.ndarray]:
    """The vector of each word as it is, or of its small letters; and whether there is one."""
    known = [found.get(word, found.get(word.lower())) for word in words]
    if all(vector is None for vector in known):
        raise ValueError(f"{name} has none of the {len(words)} words; pass vectors of English words")
    dim = next(len(vector) for vector in known if vector is not None)
    table = np.stack([np.zeros(dim, np.float32) if vector is None else vector for vector in known])
    return table, np.array([vector is not None for vector in known])


def lines(path: Path, wanted: set[str]) -> Iterator[tuple[str, np.ndarray]]:
    """The words that are wanted, with their vectors; the size of every line is checked."""
    dim = None
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            fields = line.rstrip().split(" ")
            if number == 1 and len(fields) == 2 and all(field.isdecimal() for field in fields):
                continue
            dim = len(fields) - 1 if dim is None else dim
            word = fields[: len(fields) - dim]  # of several parts in a few lines of GloVe, such as ". . ."
            if dim == 0 or not word or (len(word) > 1 and is_number(word[-1])):
                raise ValueError(
                    f"{path}, line {number} has {len(fields) - 1} numbers, expected {dim or 'some'}, as on the first "
                    "line; get the file again"
                )
            if " ".join(word) in wanted:
                yield " ".join(word), numbers(fields[len(word) :], path, number)


def numbers(fields: Sequence[str], path: Path, number: int) -> np.ndarray:
    """The vector of a line, or a ValueError."""
    try:
        vector = np.array(fields, np.float32)
    except ValueError:
        raise ValueError(f"{path}, line {number} holds {fields[:3]}, expected numbers; get the file again") from None
    if not np.isfinite(vector).all():
        raise ValueError(f"{path}, line {number} holds a number that is not finite; get the file again")
    return vector


def is_number(field: str) -> bool:
    """Whether a field reads as a number."""
    try:
        float(field)
    except ValueError:
        return False
    return True
