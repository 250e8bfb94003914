"""Pairs of sentences as graphs: several side by side in a row of slots, so that hardly a slot is padding.

Sentences share rows in the same way whatever the graph, spans counted always: all graphs see the same batches.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.common.packing.rows import Packing, Shuffled
from experiments.translate import graphs
from experiments.translate.config import Config
from experiments.translate.toy import toy
from experiments.translate.vocabulary import END, START, Vocabulary
from tgnn.datasets import multi30k
from tgnn.datasets.multi30k import Translations
from tgnn.patterns.partition import spans


class Pair(NamedTuple):
    """A sentence and its translation, int32 ids."""

    source: np.ndarray
    target: np.ndarray


class Corpus(NamedTuple):
    """What is read; `texts` are the sentences of the pairs."""

    vocabulary: Vocabulary
    pairs: dict[str, list[Pair]]  # of "train", "validation" and "test"
    texts: dict[str, Translations]


class Batch(NamedTuple):
    """Ints `[rows, slots]`; -1 is padding. Nodes of the source are its slots and, behind them, as many for spans."""

    source: np.ndarray  # [rows, n_node], -1 in spans too
    source_segments: np.ndarray  # [rows, n_node], which sentence of the row; -1 in spans, which the target does not see
    source_positions: np.ndarray  # [rows, n_node]
    edges: np.ndarray  # bool [rows, n_node, n_node], the encoder's graph, receivers first
    given: np.ndarray  # START, then the target: what the decoder is given
    targets: np.ndarray  # the target, then END: what it is to say
    target_segments: np.ndarray
    target_positions: np.ndarray


def load(config: Config, data_dir: Path | None) -> Corpus:
    """As many sentences as the config wants."""
    limits = {"train": config.train_sentences, "validation": config.test_sentences, "test": config.test_sentences}
    if config.corpus == "toy":
        texts = {split: toy(limit or 1000, seed) for seed, (split, limit) in enumerate(limits.items())}
    else:
        texts = {split: first(multi30k.load(split, data_dir=data_dir), limit) for split, limit in limits.items()}
    vocabulary = Vocabulary(texts["train"].english + texts["train"].german, config.vocab_size)
    return Corpus(vocabulary, {split: pairs(vocabulary, part) for split, part in texts.items()}, texts)


def first(texts: Translations, limit: int | None) -> Translations:
    """The first ones of a split."""
    return Translations(texts.english[:limit], texts.german[:limit])


def pairs(vocabulary: Vocabulary, texts: Translations) -> list[Pair]:
    """Both sides in ids."""
    return [Pair(*both) for both in zip(vocabulary.ids(texts.english), vocabulary.ids(texts.german), strict=True)]


def packing(examples: Sequence[Pair], slots: int) -> Packing:
    """Which sentences share a row: there is room for tokens, for the translation with its END, and for spans."""
    sizes = [(len(x.source), len(x.target) + 1, len(spans(len(x.source))) - len(x.source)) for x in examples]
    return Packing(np.array(sizes).reshape(-1, 3), slots)


def lay_out(examples: Sequence[Pair], rows: Sequence[Sequence[int]], slots: int, graph: str, config: Config) -> Batch:
    """Writes the sentences of each row one after the other."""
    has_spans = len(graphs.edges(graph, 3, config)) > 3
    n_node = slots * (1 + has_spans)
    batch = Batch(
        *np.full((3, len(rows), n_node), -1, np.int32),
        np.zeros((len(rows), n_node, n_node), bool),
        *np.full((4, len(rows), slots), -1, np.int32),
    )
    for row, members in enumerate(rows):
        token = span = word = 0
        for segment, member in enumerate(members):
            source, target = examples[member]
            edges = graphs.edges(graph, len(source), config)
            n, n_span = len(source), len(edges) - len(source)
            nodes = np.concatenate([token + np.arange(n), slots + span + np.arange(n_span)])
            batch.source[row, nodes[:n]] = source
            batch.source_segments[row, nodes[:n]] = segment
            batch.source_positions[row, nodes] = graphs.places(n, len(edges))
            batch.edges[row, nodes[:, None], nodes] = edges
            there = slice(word, word + len(target) + 1)
            batch.given[row, there] = [START, *target]
            batch.targets[row, there] = [*target, END]
            batch.target_segments[row, there] = segment
            batch.target_positions[row, there] = np.arange(len(target) + 1)
            token, span, word = token + n, span + n_span, there.stop
    return batch


class Batches:
    """The batches of a run: `batches(step)` is a function of the step alone, so that a run can be resumed anywhere."""

    def __init__(self, examples: Sequence[Pair], graph: str, config: Config, *, seed: int):
        self.examples, self.graph, self.config = examples, graph, config
        self.shuffled = Shuffled(packing(examples, config.slots), config.rows, seed)
        self.per_epoch = self.shuffled.per_epoch

    def __call__(self, step: int) -> Batch:
        return lay_out(self.examples, self.shuffled(step), self.config.slots, self.graph, self.config)


def in_turn(examples: Sequence[Pair], graph: str, config: Config):
    """Every sentence once, in batches of one shape."""
    for rows in packing(examples, config.slots).in_turn(config.rows):
        empty: list[list[int]] = [[]] * (config.rows - len(rows))
        yield lay_out(examples, rows + empty, config.slots, graph, config)
