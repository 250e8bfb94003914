"""The graphs over the source that are compared: `GRAPHS[name](n, config)` is that of one sentence of n tokens.

Some have spans as nodes of their own behind the tokens. Every token sees itself in each of them.
"""

import functools
from collections.abc import Callable

import numpy as np

import tgnn
from experiments.translate.config import Config
from tgnn import patterns
from tgnn.graphs import EdgeList
from tgnn.graphs.layout import Layout
from tgnn.patterns.partition import spans


def window(n: int, config: Config) -> Layout:
    """The nearest tokens on either side."""
    return patterns.window(n, config.window, config.window)


def partition(n: int, config: Config) -> Layout:
    """BP-Transformer's: near tokens, and ever longer spans of far ones (Ye et al., arXiv:1911.04070)."""
    return patterns.binary_partition(n, config.nearest)


def union(n: int, config: Config) -> Layout:
    """The window, and the binary partition for what lies beyond."""
    senders, receivers = window(n, config).pairs()
    return EdgeList.from_edges(senders, receivers, n_receivers=len(spans(n))) | partition(n, config)


GRAPHS: dict[str, Callable[[int, Config], Layout]] = {
    "complete": lambda n, config: tgnn.Complete(n),
    "window": window,
    "partition": partition,
    "union": union,
    "chain": lambda n, config: patterns.window(n, 1, 1),
    "alone": lambda n, config: patterns.window(n, 0),
}


@functools.lru_cache(maxsize=1024)  # a few dozen lengths in all of a corpus
def edges(name: str, n: int, config: Config) -> np.ndarray:
    """Bool `[n_node, n_node]`, receivers downwards: the edges of one sentence."""
    layout = GRAPHS[name](n, config)
    found = np.zeros((layout.n_receivers, layout.n_senders), bool)
    senders, receivers = layout.pairs()
    found[receivers, senders] = True
    return found


@functools.lru_cache(maxsize=1024)
def places(n: int, n_node: int) -> np.ndarray:
    """Int32 `[n_node]`: where each node stands in its sentence, a span in its middle."""
    first, behind = spans(n)[:n_node].T
    return ((first + behind - 1) // 2).astype(np.int32)


def edges_per_token(name: str, lengths: np.ndarray, config: Config) -> float:
    """Edges of all kinds over tokens, the mean over a corpus: what a sparse execution would cost."""
    return sum(int(edges(name, int(n), config).sum()) for n in lengths) / float(lengths.sum())
