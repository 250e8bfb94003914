"""The Stanford Sentiment Treebank as examples: whole trees with a label on every node, or each phrase as a sentence."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.common.parts import load_parts
from experiments.common.sentences.examples import Example, sequence
from experiments.sentiment.config import Config, Dataset
from experiments.sentiment.vectors import of_words
from tgnn.datasets import sst
from tgnn.datasets.sst import Tree

UNKNOWN = 0  # the id of words outside the vocabulary
CLASSES = {"fine": 5, "binary": 2}
RELABEL = {"fine": np.arange(5), "binary": np.array([0, 0, -1, 1, 1])}  # -1: neutral phrases have no label


class Sentiment(NamedTuple):
    """Examples and words."""

    train: list[Example]
    held_out: list[Example]  # sentences of the training split that are not trained on
    parts: dict[str, list[Example]]  # what is scored: "validation" (the "dev" split), and "test" where there is one
    words: tuple[str, ...]  # id 0 is UNKNOWN, and word i has the id i + 1
    num_classes: int
    vectors: np.ndarray | None  # [len(words) + 1, dim], NaN where a word has none


def load(
    config: Config, dataset: Dataset, *, trees: bool, vectors: Path | None = None, data_dir: Path | None = None
) -> Sentiment:
    """The data set as trees, or as sentences.

    Args:
        config: how much of it.
        dataset: five classes, or two, without the sentences that are neutral.
        trees: labels of all nodes in their tree; else every different phrase of the training trees is a sentence.
        vectors: a file of word vectors, or "glove_50d".
        data_dir: see `tgnn.datasets.sst.load`.
    """
    relabel = RELABEL[dataset]

    def trees_of(split: str) -> list[Tree]:
        limit = config.train_examples if split == "train" else config.test_examples
        return [tree for tree in load_split(split, data_dir) if relabel[tree.labels[-1]] >= 0][:limit]

    splits = load_parts(trees_of)
    whole = splits.pop("train")
    scored = [tree for part in splits.values() for tree in part]
    order = np.random.default_rng(0).permutation(len(whole))  # the same for all models and seeds
    held_out, train = ([whole[i] for i in part] for part in np.split(order, [config.held_out]))
    words, table = vocabulary(
        [lower(tree) for tree in train], [lower(tree) for tree in held_out + scored], config, vectors, data_dir
    )
    number = {word: i + 1 for i, word in enumerate(words)}
    convert = as_tree if trees else as_sentence
    sentences = {name: [convert(tree, number, relabel) for tree in part] for name, part in splits.items()}
    learn = [as_tree(tree, number, relabel) for tree in train] if trees else phrases(train, number, relabel)
    kept = [convert(tree, number, relabel) for tree in held_out]
    return Sentiment(learn, kept, sentences, words, CLASSES[dataset], table)


@cache
def load_split(split: str, data_dir: Path | None) -> list[Tree]:
    """A split, parsed once in a process: it takes seconds."""
    return sst.load(split, data_dir)


def lower(tree: Tree) -> Tree:
    """The same tree in small letters."""
    return replace(tree, words=tuple(word.lower() for word in tree.words))


def vocabulary(
    train: Sequence[Tree], others: Sequence[Tree], config: Config, file: Path | None, data_dir: Path | None = None
) -> tuple[tuple[str, ...], np.ndarray | None]:
    """Words that training knows, and with a file also those that have a vector in it."""
    frequent = sst.vocabulary(train, config.min_count)
    if file is None:
        return frequent, None
    words = sst.vocabulary([*train, *others])
    table, known = of_words(file, words, data_dir)
    kept = known | np.isin(words, frequent)
    words = tuple(word for word, keep in zip(words, kept, strict=True) if keep)
    table = np.where(known[:, None], table, np.nan)[kept]
    return words, np.concatenate([np.full_like(table[:1], np.nan), table])


def ids(tree: Tree, number: dict[str, int]) -> np.ndarray:
    """The word of each node, -1 at inner nodes."""
    return np.array([number.get(word.lower(), UNKNOWN) if word else -1 for word in tree.words], np.int32)


def as_tree(tree: Tree, number: dict[str, int], relabel: np.ndarray) -> Example:
    """The tree with all its labels."""
    return Example(ids(tree, number), tree.children, relabel[tree.labels].astype(np.int32))


def as_sentence(tree: Tree, number: dict[str, int], relabel: np.ndarray) -> Example:
    """The words of the tree, with the label of its root."""
    tokens = ids(tree, number)
    return sequence(tokens[tokens >= 0], relabel[tree.labels[-1]])


def phrases(trees: Sequence[Tree], number: dict[str, int], relabel: np.ndarray) -> list[Example]:
    """Every different phrase of the trees with its label, as a sentence."""
    found: dict[tuple[int, ...], int] = {}
    for tree in trees:
        tokens, spans = ids(tree, number), []
        for token, (left, right), label in zip(tokens.tolist(), tree.children, relabel[tree.labels], strict=True):
            spans.append((token,) if left < 0 else spans[left] + spans[right])
            if label >= 0:
                found[spans[-1]] = int(label)
    return [sequence(words, label) for words, label in found.items()]
