"""SICK's pairs of sentences, each pair as a forest of two trees."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from experiments.common.parts import load_parts
from experiments.relatedness.config import Config
from tgnn.datasets import sick

Name = Literal["tree_lstm", "lstm"]
UNKNOWN = 0


class Pair(NamedTuple):
    """An `Example` of two trees, one after the other, and how related they are."""

    tokens: np.ndarray
    children: np.ndarray
    labels: np.ndarray  # none
    first_root: int  # the other root is the last node
    relatedness: float  # 1 to 5


class Relatedness(NamedTuple):
    """Pairs and the number of words."""

    train: list[Pair]
    held_out: list[Pair]
    parts: dict[str, list[Pair]]  # what is scored: "validation" (the "trial" split), and "test" where there is one
    vocab_size: int


def load(config: Config, model: Name, data_dir: Path | None = None) -> Relatedness:
    """The training split without the held-out pairs, the held-out pairs, and what is scored."""
    splits = load_parts(lambda split: sick.load(split, data_dir))
    train = splits.pop("train")
    order = np.random.default_rng(0).permutation(len(train.relatedness))[: config.train_examples]
    learn = order[config.held_out :]
    count = Counter(word.lower() for i in learn for words in (train.first[i], train.second[i]) for word in words)
    words = sorted(word for word, times in count.items() if times >= config.min_count)
    number = {word: i + 1 for i, word in enumerate(words)}

    def pairs(data: sick.Sick, chosen) -> list[Pair]:
        return [pair(data.first[i], data.second[i], float(data.relatedness[i]), number, model) for i in chosen]

    parts = {name: pairs(part, range(len(part.relatedness))[: config.test_examples]) for name, part in splits.items()}
    return Relatedness(pairs(train, learn), pairs(train, order[: config.held_out]), parts, len(words) + 1)


def pair(first: Sequence[str], second: Sequence[str], relatedness: float, number: dict[str, int], model: Name) -> Pair:
    """Two sentences as trees."""
    build = {"tree_lstm": balanced, "lstm": chain}[model]
    trees = [build([number.get(word.lower(), UNKNOWN) for word in words]) for words in (first, second)]
    start = len(trees[0][0])
    children = np.concatenate([trees[0][1], np.where(trees[1][1] < 0, -1, trees[1][1] + start)])
    tokens = np.concatenate([trees[0][0], trees[1][0]])
    return Pair(tokens, children, np.full(len(tokens), -1, np.int32), start - 1, relatedness)


def chain(words: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Each word sees the one before."""
    return np.array(words, np.int32), np.arange(-1, len(words) - 1, dtype=np.int32)[:, None]


def balanced(words: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Words in pairs, pairs in fours: a tree without a parser. Children stand before parents."""
    tokens, children = list(words), [(-1, -1)] * len(words)
    level = list(range(len(words)))
    while len(level) > 1:
        above = []
        for left, right in zip(level[::2], level[1::2], strict=False):
            above.append(len(tokens))
            tokens.append(-1)
            children.append((left, right))
        level = above + level[2 * len(above) :]
    return np.array(tokens, np.int32), np.array(children, np.int32).reshape(-1, 2)
