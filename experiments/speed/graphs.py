"""Graphs of the sizes and degree spreads that papers report, edges sorted by receiver, self-loops included."""

from pathlib import Path
from typing import NamedTuple

import numpy as np


class Graph(NamedTuple):
    """Edges of a graph of `n` nodes."""

    n: int
    senders: np.ndarray
    receivers: np.ndarray


def make(name: str, data_dir: Path | None = None) -> Graph:
    """A graph by name; Cora itself where its data is at hand, everything else synthetic."""
    if name == "cora" and data_dir is not None and (data_dir / "planetoid_cora").is_dir():
        from tgnn.datasets import planetoid

        graph = planetoid.load("cora", data_dir)
        return with_loops(len(graph.labels), graph.senders, graph.receivers)
    if name == "mol":
        return molecules(128)
    n, edges, exponent, shift = SIZES[name]
    return power_law(n, edges, exponent, shift)


# Nodes, edges with self-loops, and the two numbers of the law of in-degrees `(rank + shift) ** -exponent`.
SIZES = {
    "tiny": (101, 500, 0.6, 10.0),
    "cora": (2_708, 13_264, 0.6, 10.0),
    "arxiv": (169_343, 1_335_586, 0.75, 12.5),  # largest in-degree near 2,354
    "products": (2_449_029, 64_308_169, 0.6, 30.0),
}


def power_law(n: int, n_edge: int, exponent: float = 0.75, shift: float = 12.5) -> Graph:
    """In-degrees by a power law, out-degrees by a flatter one."""
    rng = np.random.default_rng(0)
    receivers, senders = (
        rng.permutation(n)[draw(rng, n, n_edge - n, *law)] for law in ((exponent, shift), (0.6, 30.0))
    )
    return with_loops(n, senders, receivers)


def draw(rng, n: int, count: int, exponent: float, shift: float) -> np.ndarray:
    """Ranks below `n` with probabilities proportional to `(rank + shift) ** -exponent`."""
    total = np.cumsum((np.arange(n) + shift) ** -exponent)
    return np.searchsorted(total, rng.random(count) * total[-1], side="right").clip(max=n - 1)


def molecules(count: int, seed: int = 0) -> Graph:
    """A batch of `count` molecules of about 23 atoms: chains with branches and a ring bond, 9,344 edges for 128."""
    ends, sizes = bonds_of_molecules(count, seed), sizes_of_molecules(count, seed)
    first = np.cumsum(sizes) - sizes
    return with_loops(sizes.sum(), *np.concatenate([x + start for x, start in zip(ends, first, strict=True)], axis=1))


def bonds_of_molecules(count: int, seed: int = 0) -> list[np.ndarray]:
    """Senders and receivers of each molecule, both directions: [2, n_edge]."""
    rng, found = np.random.default_rng(seed), []
    for size in sizes_of_molecules(count, seed):
        parent = np.maximum(np.arange(size - 1) - rng.integers(0, 3, size - 1), 0)
        ends = np.concatenate([np.stack([parent, np.arange(1, size)]), rng.integers(0, size, (2, 3))], axis=1)
        found.append(np.concatenate([ends, ends[::-1]], axis=1))
    return found


def sizes_of_molecules(count: int, seed: int = 0) -> np.ndarray:
    """Numbers of atoms: 23 on average, from 14 to 32."""
    spread = np.random.default_rng(seed + 1).integers(0, 10, -(-count // 2))
    return np.concatenate([23 - spread, 23 + spread])[:count]


def with_loops(n: int, senders, receivers) -> Graph:
    """The edges and one loop per node, sorted by receiver."""
    senders, receivers = np.append(senders, np.arange(n)), np.append(receivers, np.arange(n))
    order = np.lexsort((senders, receivers))
    return Graph(int(n), senders[order].astype(np.int32), receivers[order].astype(np.int32))
