"""Pairs that are no edges, drawn without rejection: each has a number, and a number is turned into its pair.

Host side and in NumPy alone. Of the sorted edges e_0 < e_1 < ... (each pair of nodes as one integer), e_i - i pairs
before e_i are no edges. So the r-th of those that are none is r plus the number of edges with e_i - i <= r: one binary
search. A draw is a function of (seed, step), so that a run can be resumed anywhere.
"""

from dataclasses import dataclass
from functools import cached_property

import jraph
import numpy as np

from tgnn.errors import check_indices, check_size
from tgnn.graphs import Layout
from tgnn.graphs.host import distinct, pair_key
from tgnn.graphs.interop import as_layout, live_edges
from tgnn.sampling.drawing import generator
from tgnn.typing import ArrayLike


@dataclass(frozen=True, eq=False)
class NonEdges:
    """What a graph leaves out, ready to be drawn from. Build it with `NonEdges.of`; O(n_edge) memory.

    Attributes:
        keys: int64, sorted, each once: `receiver * n_senders + sender` of the edges; of unordered pairs the number of
            `larger * (larger - 1) / 2 + smaller`.
        start: int64 [n_receivers + 1], where the edges of each receiver begin; empty for unordered pairs.
        n_receivers: number of receivers.
        n_senders: number of senders.
        unordered: whether a pair and its reverse are one, and a node makes no pair with itself.
    """

    keys: np.ndarray
    start: np.ndarray
    n_receivers: int
    n_senders: int
    unordered: bool

    @classmethod
    def of(cls, graph: Layout | jraph.GraphsTuple, *, unordered: bool = False) -> "NonEdges":
        """Sorts the edges of a graph. O(n_edge log n_edge).

        Args:
            graph: any layout with concrete edges, or a graph; copies of an edge count once.
            unordered: draw unordered pairs of two different nodes, of which neither direction is an edge.

        Raises:
            ValueError: `unordered` on a bipartite layout, or the edges are traced.
        """
        layout = as_layout(graph)
        senders, receivers = live_edges(layout)
        n, m = layout.n_receivers, layout.n_senders
        if not unordered:
            keys = distinct(pair_key(senders, receivers, m))
            return cls(keys, np.searchsorted(keys, np.arange(n + 1, dtype=np.int64) * m), n, m, False)
        if n != m:
            raise ValueError(f"graph joins {m} senders to {n} receivers, which have no reverse; use unordered=False")
        low, high = np.minimum(senders, receivers), np.maximum(senders, receivers)
        keys = distinct(triangle(low, high)[low < high])
        return cls(keys, np.zeros(0, np.int64), n, m, True)

    @cached_property
    def ranks(self) -> np.ndarray:
        """Of every edge: the non-edges of its receiver before it, and `n_senders` for each receiver before: sorted."""
        owner = np.repeat(np.arange(self.n_receivers), np.diff(self.start))
        return self.keys - np.arange(len(self.keys)) + self.start[owner]

    def __len__(self) -> int:
        n = self.n_receivers
        return (n * (n - 1) // 2 if self.unordered else n * self.n_senders) - len(self.keys)


def sample_pairs(non_edges: NonEdges, num: int, *, seed: int, step: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Different pairs that are no edges, every set of them equally likely. O(num log n_edge).

    Args:
        non_edges: of a graph.
        num: how many.
        seed: of the run; 0 or more.
        step: of the draw; the same (seed, step) gives the same pairs.

    Returns:
        Senders and receivers, int32 [num] each; of unordered pairs the smaller node is the sender.

    Raises:
        ValueError: there are fewer such pairs, or an argument is no integer of at least 0.

    >>> from tgnn import EdgeList
    >>> most = EdgeList.from_edges([0, 1, 2], [1, 2, 2], n_receivers=3)
    >>> sorted(zip(*(x.tolist() for x in sample_pairs(NonEdges.of(most, unordered=True), 1, seed=0))))
    [(0, 2)]
    """
    num, count = check_size("num", num), len(non_edges)
    if num > count:
        raise ValueError(f"num is {num}, but only {count} pairs are no edges; ask for at most {count}")
    chosen = generator(seed, step).choice(count, num, replace=False) if num else np.zeros(0, np.int64)
    keys = chosen + np.searchsorted(non_edges.keys - np.arange(len(non_edges.keys)), chosen, side="right")
    if non_edges.unordered:
        low, high = from_triangle(keys)
        return low.astype(np.int32), high.astype(np.int32)
    receivers, senders = np.divmod(keys, max(non_edges.n_senders, 1))
    return senders.astype(np.int32), receivers.astype(np.int32)


def sample_senders(non_edges: NonEdges, receivers: ArrayLike, num: int = 1, *, seed: int, step: int = 0) -> np.ndarray:
    """For each receiver senders that have no edge to it: items that a user has not chosen, for BPR.

    Args:
        non_edges: of a graph, ordered.
        receivers: int [n] of any type, with repetitions.
        num: draws for each, with repetitions.
        seed: of the run; 0 or more.
        step: of the draw; the same (seed, step) gives the same senders.

    Returns:
        int32 [n, num], each of the free senders equally likely. O(n num log n_edge). A receiver without any edge gets
        any sender.

    Raises:
        ValueError: a receiver has an edge from every sender, or is none; the pairs are unordered.
    """
    if non_edges.unordered:
        raise ValueError("non_edges are unordered pairs, which have no receiver; build them with unordered=False")
    receivers = check_indices("receivers", receivers, non_edges.n_receivers).astype(np.int64)
    start, width = non_edges.start, non_edges.n_senders
    free = width - np.diff(start)[receivers]
    if (free == 0).any():
        full = int(receivers[free == 0][0])
        raise ValueError(f"receivers has node {full}, which has an edge from every sender; leave it out of the batch")
    draw = generator(seed, step).integers(0, free[:, None], (len(receivers), check_size("num", num)))
    base = receivers[:, None]
    passed = np.searchsorted(non_edges.ranks, base * width + draw, side="right") - start[base]
    return (draw + passed).astype(np.int32)


def triangle(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The number of an unordered pair low < high: (0, 1), (0, 2), (1, 2), (0, 3), ..."""
    high = high.astype(np.int64)
    return high * (high - 1) // 2 + low


def from_triangle(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of numbers, exact for all of 64 bits: a root in floating point, and a step where it was rounded."""
    high = ((1 + np.sqrt(1 + 8 * keys.astype(np.float64))) / 2).astype(np.int64)
    high -= high * (high - 1) // 2 > keys
    high += (high + 1) * high // 2 <= keys
    return keys - high * (high - 1) // 2, high
