"""What a pattern costs and how far it reaches in one layer."""

from functools import singledispatch
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tgnn.errors import check_size
from tgnn.graphs import Layout
from tgnn.graphs.dense import DenseLike
from tgnn.graphs.host import distinct, pair_keys, rows_of
from tgnn.graphs.interop import as_layout

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MANY_PAIRS = 1 / 8  # share of the pairs from which on matrix products are faster than searching along edges


class Statistics(NamedTuple):
    """Of a graph; each pair counts once.

    Attributes:
        n_edge: number of edges.
        edges_per_receiver: their mean.
        density: share of the n_receivers * n_senders pairs.
        tile_fill: edges per slot in the tiles that hold one: 1 means that tiles waste nothing.
        diameter: how many layers the slowest message needs, between nodes that any message joins; None where unknown.
        spectral_gap: second smallest eigenvalue of the normalised Laplacian, edges taken as undirected and without
            loops: 0 in a disconnected graph, large in an expander; None where unknown.
    """

    n_edge: int
    edges_per_receiver: float
    density: float
    tile_fill: float
    diameter: int | None
    spectral_gap: float | None


def statistics(layout: Layout, *, block: int = 64, max_nodes: int = 2048) -> Statistics:
    """Edges, density, tile fill, diameter and spectral gap of any layout. Host side, needs SciPy.

    O(n_edge log n_edge), and for dense layouts (`Complete`, `Causal`, `Prefix`, `Dense`), which are counted in strips
    of the matrix, O(n_receivers * n_senders) time in O(block * n_senders) memory.

    Args:
        layout: concrete.
        block: size of the tiles of `tile_fill`; cut to the size of the graph.
        max_nodes: diameter and spectral gap, which take up to O(n_node ** 3 * log(diameter)) time, are left out of
            larger graphs; they are not defined where senders are not the receivers.

    >>> from tgnn.graphs import Causal
    >>> statistics(Causal(4)).n_edge
    10
    """
    block, max_nodes = check_size("block", block, minimum=1), check_size("max_nodes", max_nodes)
    layout = as_layout(layout)
    layout.require_concrete()
    block = min(block, max(layout.n_receivers, layout.n_senders, 1))
    n_edge, n_tile = count(layout, block)
    small = layout.n_receivers == layout.n_senders and 2 <= layout.n_receivers <= max_nodes
    keys = pair_keys(layout) if small else None
    return Statistics(
        n_edge,
        n_edge / max(layout.n_receivers, 1),
        n_edge / max(layout.n_receivers * layout.n_senders, 1),
        n_edge / (n_tile * block**2) if n_tile else 1.0,
        None if keys is None else diameter(keys, layout.n_receivers),
        None if keys is None else spectral_gap(keys, layout.n_receivers),
    )


@singledispatch
def count(layout: Layout, block: int) -> tuple[int, int]:
    """How many edges there are, and how many tiles hold one."""
    keys = pair_keys(layout)
    receivers, senders = np.divmod(keys, max(layout.n_senders, 1))
    return len(keys), len(distinct(receivers // block * layout.n_senders + senders // block))


@count.register
def _(layout: DenseLike, block: int):
    n_edge = n_tile = 0
    for start in range(0, layout.n_receivers if layout.n_senders else 0, block):
        strip = rows_of(layout, slice(start, start + block))
        n_edge += int(strip.sum())
        n_tile += int(np.logical_or.reduceat(strip.any(axis=0), np.arange(0, layout.n_senders, block)).sum())
    return n_edge, n_tile


def diameter(keys: np.ndarray, n: int) -> int:
    """The longest of the shortest directed paths, over the pairs that a path joins."""
    if len(keys) >= MANY_PAIRS * n**2:
        return dense_diameter(keys, n)
    from scipy.sparse.csgraph import shortest_path

    hops = shortest_path(square(keys, n), unweighted=True)
    return int(hops[np.isfinite(hops)].max())


def dense_diameter(keys: np.ndarray, n: int) -> int:
    """The same by O(log diameter) matrix products: the least number of steps after which no more pairs are joined."""
    one_step = np.eye(n, dtype=np.float32)
    one_step.ravel()[keys] = 1
    if one_step.sum() == n:
        return 0  # loops only
    powers = [one_step]  # who reaches whom in 1, 2, 4, ... steps or fewer
    while not np.array_equal(further := np.minimum(powers[-1] @ powers[-1], 1), powers[-1]):
        powers.append(further)
    steps, reached = 0, np.eye(n, dtype=np.float32)
    for exponent in reversed(range(len(powers))):  # the most steps that leave a pair unjoined
        if not np.array_equal(further := np.minimum(reached @ powers[exponent], 1), powers[-1]):
            steps, reached = steps + 2**exponent, further
    return steps + 1


def spectral_gap(keys: np.ndarray, n: int) -> float:
    """The second smallest eigenvalue of the normalised Laplacian of the undirected graph without loops."""
    from scipy.linalg import eigh
    from scipy.sparse.csgraph import laplacian
    from scipy.sparse.linalg import eigsh

    receivers, senders = np.divmod(keys, n)
    other = receivers != senders
    joined = distinct(np.append(keys[other], (senders * n + receivers)[other]))
    if len(joined) == n * (n - 1):
        return n / (n - 1)  # everybody is joined to everybody
    graph = square(joined, n)
    matrix: Any = laplacian(graph, normed=True)
    if n <= 256 or len(keys) >= MANY_PAIRS * n**2:
        return float(eigh(matrix.toarray(), eigvals_only=True, subset_by_index=(1, 1))[0])
    start = np.random.default_rng(0).normal(size=n)  # so that the figure is the same every time
    smallest = eigsh(matrix.tocsc(), k=2, sigma=-1e-3, v0=start, return_eigenvectors=False)
    return float(np.sort(smallest)[1])


def square(keys: np.ndarray, n: int) -> "csr_matrix":
    """A SciPy matrix of ones at the pairs."""
    from scipy.sparse import csr_matrix

    return csr_matrix((np.ones(len(keys)), np.divmod(keys, n)), shape=(n, n))
