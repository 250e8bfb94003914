"""Sentences, trees and parts of them, packed into batches of one shape: a batch is a disjoint union of graphs."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments.common.packing.rows import Packing, Shuffled
from tgnn import patterns
from tgnn.recurrent.cells import schedule


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


class Bins:
    """Batches of examples: `rows` bins of `slots`, filled by size, so that hardly a slot is padding."""

    def __init__(self, size: Callable[[Any], int], lay_out: Callable[[list[list]], Any], rows: int, slots: int):
        self.size, self.lay_out, self.rows, self.slots = size, lay_out, rows, slots

    def packing(self, examples: Sequence[Any]) -> Packing:
        """Which of the examples share a bin."""
        return Packing(np.array([self.size(example) for example in examples]), self.slots)

    def in_turn(self, examples: Sequence[Any]) -> list[Any]:
        """Every example once, in batches: for evaluation."""
        return [self.batch(examples, filled) for filled in self.packing(examples).in_turn(self.rows)]

    def shuffled(self, examples: Sequence[Any]) -> Callable[[int], Callable[[int], Any]]:
        """seed -> step -> batch: for training."""
        packing = self.packing(examples)

        def of_seed(seed: int) -> Callable[[int], Any]:
            rows = Shuffled(packing, self.rows, seed)
            return lambda step: self.batch(examples, rows(step))

        return of_seed

    def batch(self, examples: Sequence[Any], filled: list[list[int]]) -> Any:
        """The batch of the examples with these numbers."""
        return self.lay_out([[examples[i] for i in members] for members in filled])
