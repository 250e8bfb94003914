"""Sentences of film reviews with two classes, and the words that tell the classes apart."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.common.sentences.examples import Bins
from experiments.deception.config import Config
from tgnn.datasets import sst

UNKNOWN, END = 0, 1  # ids; the end of a sentence is a node that attention may always go to


class Sentence(NamedTuple):
    """Words and a class."""

    words: tuple[str, ...]
    label: int  # 1 is positive


class Example(NamedTuple):
    """A sentence in ids, with its end."""

    tokens: np.ndarray  # int32 [n]
    label: int


class Batch(NamedTuple):
    """Sentences side by side in rows."""

    tokens: np.ndarray  # int32 [rows, slots]
    segments: np.ndarray  # int32 [rows, slots], which sentence of the row a slot is of, -1 = none
    labels: np.ndarray  # int32 [rows, members], -1 = none


class Reviews(NamedTuple):
    """Training sentences and those of the "dev" split."""

    train: list[Example]
    test: list[Example]
    vocab_size: int
    lexicon: np.ndarray  # bool [vocab_size]
    words: list[str]  # of the lexicon, the strongest first


def load(config: Config, data_dir: Path | None) -> Reviews:
    """The binary task of SST: whole sentences that are not neutral."""
    train, test = (sentences(split, data_dir) for split in ("train", "validation"))
    train, test = some(train, config.train_sentences), some(test, config.test_sentences)
    count = Counter(word for sentence in train for word in sentence.words)
    known = sorted(word for word, times in count.items() if times >= config.min_count)
    number = {word: i + 2 for i, word in enumerate(known)}
    words = [word for word in telling(train, config.lexicon_min_count) if word in number][: config.lexicon_size]
    lexicon = np.zeros(len(known) + 2, bool)
    lexicon[[number[word] for word in words]] = True
    parts = [[to_ids(sentence, number) for sentence in part] for part in (train, test)]
    return Reviews(*parts, len(lexicon), lexicon, words)


def sentences(split: str, data_dir: Path | None) -> list[Sentence]:
    """Whole sentences in small letters."""
    trees = [tree for tree in sst.load(split, data_dir) if tree.labels[-1] != 2]
    return [Sentence(tuple(word.lower() for word in x.words if word), int(x.labels[-1] > 2)) for x in trees]


def some(part: list[Sentence], size: int | None) -> list[Sentence]:
    """Sentences drawn at random, the same in all runs; the files begin with one class."""
    return part if size is None else [part[i] for i in np.random.default_rng(0).permutation(len(part))[:size]]


def telling(train: Sequence[Sentence], min_count: int) -> list[str]:
    """Words by how surely they tell the class: log-odds of a sentence having them, in standard errors."""
    counts = [Counter(word for x in train if x.label == label for word in set(x.words)) for label in (0, 1)]
    totals = [sum(x.label == label for x in train) for label in (0, 1)]

    def strength(word: str) -> float:
        has = np.array([count[word] + 0.5 for count in counts])
        lacks = np.array([total + 1 for total in totals]) - has
        return float(abs(np.subtract(*np.log(has / lacks))) / np.sqrt((1 / has + 1 / lacks).sum()))

    frequent = [word for word, times in (counts[0] + counts[1]).items() if times >= min_count]
    return sorted(frequent, key=lambda word: (-strength(word), word))


def to_ids(sentence: Sentence, number: dict[str, int]) -> Example:
    """A sentence in ids."""
    return Example(np.array([*(number.get(word, UNKNOWN) for word in sentence.words), END], np.int32), sentence.label)


def bins(config: Config) -> Bins:
    """Rows of sentences."""
    members = config.slots // 2  # a sentence has a word and its end

    def lay_out(filled: list[list[Example]]) -> Batch:
        tokens, segments = np.full((config.rows, config.slots), END), np.full((config.rows, config.slots), -1)
        labels = np.full((config.rows, members), -1)
        for row, examples in enumerate(filled):
            start = 0
            for segment, example in enumerate(examples):
                here = slice(start, start + len(example.tokens))
                tokens[row, here], segments[row, here], labels[row, segment] = example.tokens, segment, example.label
                start = here.stop
        return Batch(*(x.astype(np.int32) for x in (tokens, segments, labels)))

    return Bins(lambda example: len(example.tokens), lay_out, config.rows, config.slots)
