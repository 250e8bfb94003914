"""Universal Dependencies, English Web Treebank: sentences of blogs, mails and reviews as dependency trees.

12,544 train sentences (204,577 words) and 2,001 validation ones (25,147). The structural probe of Hewitt & Manning
reaches about 80 UUAS on another treebank (PTB).

Source: github.com/UniversalDependencies/UD_English-EWT. Licence: CC BY-SA 4.0. Citation: Silveira et al., "A Gold
Standard Dependency Corpus for English", LREC 2014.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from tgnn.datasets.checks import check
from tgnn.datasets.files.archives import read_text
from tgnn.datasets.files.checksums import SHA256
from tgnn.datasets.files.download import fetch, find, require
from tgnn.datasets.files.lines import integer, split_lines
from tgnn.datasets.records import Part
from tgnn.datasets.splits import check_split

_URL = "https://raw.githubusercontent.com/UniversalDependencies/UD_English-EWT/15d613d8447b3478787d4c278730a1e48a945efb"
_FILES = {"train": "train", "validation": "dev", "test": "test"}


@dataclass(frozen=True, eq=False)
class Sentence:
    """A dependency tree; the edge from a word to its head is `(word, heads[word])`.

    Attributes:
        words: [n] as written.
        heads: int32 [n], the word that each depends on, -1 for the root.
        relations: [n] such as "nsubj", of each word to its head.
        tags: [n] universal parts of speech, such as "NOUN".
    """

    words: Annotated[tuple[str, ...], Part("word")]
    heads: Annotated[np.ndarray, Part("word", low=-1, below=lambda sentence: len(sentence.words), ndim=1)]
    relations: Annotated[tuple[str, ...], Part("word")]
    tags: Annotated[tuple[str, ...], Part("word")]


def load(split: str = "train", data_dir: str | Path | None = None) -> list[Sentence]:
    """One split, from `ud_ewt/en_ewt-ud-{train,dev,test}.conllu`, plain or with `.gz`.

    Raises:
        FileNotFoundError: the file is nowhere, and could not be downloaded, as the test file never is.
        ValueError: an unknown split, or a damaged or changed file.
    """
    file = f"en_ewt-ud-{_FILES[check_split(split)]}.conllu"
    path = find(f"ud_ewt/{file}.gz", data_dir)
    if path is None and split == "test":
        path = require(f"ud_ewt/{file}", f"save {_URL}/{file} there", data_dir)
    path = path or fetch(f"{_URL}/{file}", f"ud_ewt/{file}", SHA256[f"ud_ewt/{file}"], data_dir)
    return parse_conllu(str(path), read_text(path))


def parse_conllu(name: str, text: str) -> list[Sentence]:
    r"""Sentences in the CoNLL-U format; ranges (1-2) and empty nodes (1.1), which are no words, are skipped.

    Example:
        >>> text = "1 Go go VERB _ _ 0 root _ _\n2 on on ADV _ _ 1 advmod _ _\n".replace(" ", "\t")
        >>> [(sentence.words, sentence.heads.tolist()) for sentence in parse_conllu("text", text)]
        [(('Go', 'on'), [-1, 0])]

    Raises:
        ValueError: a line is none of the format, or a sentence is no tree; the message names the line.
    """
    sentences, rows = [], []
    for number, line in enumerate([*split_lines(text), ""], start=1):
        try:
            if line.strip(" \t"):
                rows += [] if line.startswith("#") else _row(line)
            elif rows:
                sentences.append(_sentence(f"{name}, the sentence before line {number},", rows))
                rows = []
        except ValueError as error:
            raise ValueError(f"{name}, line {number}: {error}; get it again") from error
    if not sentences:
        raise ValueError(f"{name} holds no sentence; get it again")
    return sentences


def _row(line: str) -> list[tuple[int, str, str, int, str]]:
    """Number, word, part of speech, head and relation; nothing for what is no word."""
    fields = line.split("\t")
    if len(fields) != 10:
        raise ValueError(f"{len(fields)} fields, expected the 10 of CoNLL-U")
    number, word, _, tag, _, _, head, relation, *_ = fields
    if "-" in number or "." in number:
        return []
    return [(integer(number), word, tag, integer(head), relation)]


def _sentence(name: str, rows: list[tuple[int, str, str, int, str]]) -> Sentence:
    numbers, words, tags, heads, relations = zip(*rows, strict=True)
    sentence = Sentence(words, np.array(heads, np.int64).astype(np.int32) - 1, relations, tags)
    if numbers != tuple(range(1, len(rows) + 1)):
        raise ValueError(f"{name} has words numbered {numbers}, expected 1 to {len(rows)}")
    check(name, sentence, "correct its heads")
    reached, n_root = sentence.heads, int((sentence.heads < 0).sum())
    for _ in range(len(rows).bit_length()):  # each turn doubles the steps of every way up, which ends at the root
        reached = np.where(reached < 0, -1, reached[reached])
    if n_root != 1 or (reached >= 0).any():
        raise ValueError(f"{name} is no tree: {n_root} roots, or words that depend on themselves")
    return sentence
