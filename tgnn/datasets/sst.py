"""Stanford Sentiment Treebank: sentences of film reviews as binary trees, with a sentiment on every phrase.

8,544 train, 1,101 validation, 2,210 test sentences; labels 0 (very negative) to 4 (very positive). The root labels of
the training set are 1,092 / 2,218 / 1,624 / 2,322 / 1,288. The binary task drops roots labelled 2.

Source: nlp.stanford.edu/sentiment/trainDevTestTrees_PTB.zip. Licence: none stated, distributed for research; nothing is
bundled. Citation: Socher et al., "Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank",
EMNLP 2013.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from tgnn.datasets.checks import check
from tgnn.datasets.files.archives import decode_text, read_text, read_zip
from tgnn.datasets.files.checksums import SHA256
from tgnn.datasets.files.download import fetch, find
from tgnn.datasets.files.lines import BOM, numbered_lines
from tgnn.datasets.records import Part
from tgnn.datasets.splits import check_split

_URL = "https://nlp.stanford.edu/sentiment/trainDevTestTrees_PTB.zip"
_ZIP = "sst_trees/trainDevTestTrees_PTB.zip"
_FILES = {"train": "train.txt", "validation": "dev.txt", "test": "test.txt"}
_TOKEN = re.compile(r"[()]|[^ \t()]+")


@dataclass(frozen=True, eq=False)
class Tree:
    """A sentence; nodes are numbered children first, left before right, so that the root is the last.

    Attributes:
        children: int32 [n_node, 2], -1 at leaves.
        labels: int32 [n_node], 0 to 4.
        words: one word a node, "" at inner nodes.
    """

    children: Annotated[np.ndarray, Part("node", low=-1, below=lambda tree: len(tree.labels), ndim=2)]
    labels: Annotated[np.ndarray, Part("node", below=5, ndim=1)]
    words: Annotated[tuple[str, ...], Part("node")]


def load(split: str = "train", data_dir: str | Path | None = None) -> list[Tree]:
    """One split, from `sst_trees/{train,dev,test}.txt.gz` or `.txt`, else from Stanford's zip file.

    Raises:
        FileNotFoundError: neither is anywhere, and the download failed.
        ValueError: an unknown split, or a damaged or changed file.
    """
    file = _FILES[check_split(split)]
    path = find(f"sst_trees/{file}.gz", data_dir) or find(f"sst_trees/{file}", data_dir)
    if path is None:
        path = fetch(_URL, _ZIP, SHA256[_ZIP], data_dir)
        text = decode_text(f"{path}, {file}", read_zip(path, f"trees/{file}"))
    else:
        text = read_text(path)
    trees = []
    for number, line in numbered_lines(text):
        try:
            trees.append(parse_tree(line))
        except ValueError as error:
            raise ValueError(f"{path}, {file}, line {number}: {error}") from error
    if not trees:
        raise ValueError(f"{path}, {file} holds no tree; get it again")
    return trees


def parse_tree(line: str) -> Tree:
    """A tree in brackets.

    Example:
        >>> tree = parse_tree("(3 (2 a) (4 gem))")
        >>> tree.words, tree.children.tolist(), tree.labels.tolist()
        (('a', 'gem', ''), [[-1, -1], [-1, -1], [0, 1]], [2, 4, 3])

    Raises:
        ValueError: the brackets do not close, a label is not 0 to 4, or a node has neither one word nor two children.
    """
    children, labels, words = [], [], []
    pending: list[list] = [[]]  # of each open bracket what it holds so far: label, then words (str) or nodes (int)
    for token in _TOKEN.findall(line.removeprefix(BOM).rstrip("\r\n")):
        if token == "(":
            pending.append([])
        elif token != ")":
            pending[-1].append(token)
        else:
            label, *parts = pending.pop() if len(pending) > 1 and pending[-1] else [""]
            is_leaf = bool(parts) and all(isinstance(part, str) for part in parts)  # one word has a space: "8 1/2"
            if label not in tuple("01234") or not (is_leaf or [type(part) for part in parts] == [int, int]):
                raise ValueError(
                    f"a bracket holds {[label, *parts]}, expected a label 0 to 4, then a word or two brackets"
                )
            pending[-1].append(len(labels))
            children.append((-1, -1) if is_leaf else tuple(parts))
            labels.append(int(label))
            words.append(" ".join(parts) if is_leaf else "")
    if len(pending) != 1 or pending[0] != [len(labels) - 1]:
        raise ValueError(f"{line[:40]!r} is not one tree in balanced brackets; get the file again")
    tree = Tree(np.array(children, np.int32), np.array(labels, np.int32), tuple(words))
    return check(repr(line[:40]), tree, "get the file again")


def vocabulary(trees: Iterable[Tree], min_count: int = 1) -> tuple[str, ...]:
    """The words that occur at least min_count times, in alphabetical order."""
    count: dict[str, int] = {}
    for tree in trees:
        for word in filter(None, tree.words):
            count[word] = count.get(word, 0) + 1
    return tuple(sorted(word for word, times in count.items() if times >= min_count))
