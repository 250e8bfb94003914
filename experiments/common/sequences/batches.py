"""Sentences, trees and parts of them, packed into batches of one shape: a batch is a disjoint union of graphs."""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments.pronounce.data import pack
from tgnn import patterns
from tgnn.recurrent.cells import schedule

CHUNK = 1024  # examples that are packed together: enough to fit well, few enough to stay shuffled


class Example(NamedTuple):
    """A tree, or a chain as a tree without branches; children stand before parents, so the last node is the root."""

    tokens: np.ndarray  # int [n_node], -1 where a node has no word
    children: np.ndarray  # int [n_node, arity], -1 = none
    labels: np.ndarray  # int [n_node], -1 = none


class Batch(NamedTuple):
    """A graph, its words, and its labels where the model is asked for them."""

    graph: Any
    tokens: np.ndarray
    labels: np.ndarray  # -1 = not asked


def sequence(tokens: Sequence[int], label: int) -> Example:
    """A sentence: a chain whose last node has the label."""
    children = np.arange(-1, len(tokens) - 1, dtype=np.int32)[:, None]
    labels = np.append(np.full(len(tokens) - 1, -1), label).astype(np.int32)
    return Example(np.asarray(tokens, np.int32), children, labels)


def at_root(example: Example) -> Example:
    """The same example, asked for the label of the whole only."""
    labels = np.where(np.arange(len(example.labels)) == len(example.labels) - 1, example.labels, -1)
    return example._replace(labels=labels)


def depth(example: Example) -> int:
    """Nodes on the longest way to the root."""
    below = np.zeros(len(example.tokens) + 1, int)  # the last one is the missing child -1
    for node, children in enumerate(example.children):
        below[node] = below[children].max() + 1
    return int(below.max())


def union(examples: Sequence[Example], n_node: int, *, width: int, n_step: int, arity: int) -> Batch:
    """Trees side by side, with the schedule on which a recurrent model computes them."""
    sizes = [len(example.tokens) for example in examples]
    starts = np.cumsum([0, *sizes])
    tokens, labels = np.full((2, n_node), -1, np.int32)
    children = np.full((n_node, arity), -1, np.int32)
    for example, start, size in zip(examples, starts, sizes, strict=False):
        here, own = slice(start, start + size), example.children
        tokens[here], labels[here] = example.tokens, example.labels
        children[here, : own.shape[1]] = np.where(own < 0, -1, own + start)
    layout = patterns.constituency(n_node, children)
    plan = schedule(layout, mask=np.arange(n_node) < starts[-1], width=width, n_step=n_step, arity=arity)
    return Batch(plan, tokens, labels)


class Packing:
    """Which examples share a batch: `rows` bins of `slots`, filled by size, so that hardly a slot is padding."""

    def __init__(self, examples: Sequence[Example], size: Callable[[Example], int], rows: int, slots: int):
        self.examples, self.rows, self.slots = examples, rows, slots
        self.sizes = np.array([size(example) for example in examples])

    def bins(self, order: np.ndarray) -> list[list[int]]:
        """The examples in bins, those that stand near each other in the order together."""
        filled = []
        for start in range(0, len(order), CHUNK):
            chunk = order[start : start + CHUNK]
            pairs = np.repeat(self.sizes[chunk][:, None], 2, axis=1)
            filled += [chunk[members].tolist() for members in pack(pairs, self.slots)]
        return filled

    def in_turn(self) -> Iterator[list[list[Example]]]:
        """Every example once, batch by batch: lists of bins."""
        filled = self.bins(np.arange(len(self.sizes)))
        for start in range(0, len(filled), self.rows):
            yield self.chosen(filled[start : start + self.rows])

    def chosen(self, bins: Sequence[Sequence[int]]) -> list[list[Example]]:
        return [[self.examples[i] for i in members] for members in bins]


class Shuffled:
    """The batches of a run as a function of the step alone, so that a run can be resumed anywhere."""

    def __init__(self, packing: Packing, lay_out: Callable[[list[list[Example]]], Batch], seed: int):
        self.packing, self.lay_out, self.seed = packing, lay_out, seed
        self.epoch = functools.lru_cache(maxsize=2)(self._epoch)
        # Epochs have about as many bins as this one; a fixed number makes the step tell the epoch.
        self.per_epoch = max(1, len(self.epoch(0)) // packing.rows)

    def __call__(self, step: int) -> Batch:
        epoch, index = divmod(step, self.per_epoch)
        filled, rows = self.epoch(epoch), self.packing.rows
        turn = itertools.islice(itertools.cycle(range(len(filled))), index * rows, (index + 1) * rows)
        return self.lay_out(self.packing.chosen([filled[i] for i in turn]))

    def _epoch(self, epoch: int) -> list[list[int]]:
        rng = np.random.default_rng([self.seed, epoch])
        filled = self.packing.bins(rng.permutation(len(self.packing.sizes)))
        return [filled[i] for i in rng.permutation(len(filled))]
