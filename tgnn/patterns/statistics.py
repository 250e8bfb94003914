"""What a pattern costs and how far it reaches in one layer."""

from typing import Any, NamedTuple

import numpy as np

from tgnn.checks import check_size
from tgnn.convert import as_layout
from tgnn.layouts import Layout
from tgnn.layouts.pairs import pair_keys


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

    Args:
      layout: concrete.
      block: size of the tiles of `tile_fill`; cut to the size of the graph.
      max_nodes: diameter and spectral gap, which take O(n_node * n_edge) time, are left out of larger graphs; they are
        not defined where senders are not the receivers.

    >>> from tgnn.layouts import Causal
    >>> statistics(Causal(4)).n_edge
    10
    """
    block = check_size("block", block, minimum=1)
    layout = as_layout(layout)
    keys = pair_keys(layout)
    pairs = layout.n_receivers * layout.n_senders
    small = layout.n_receivers == layout.n_senders and 2 <= layout.n_receivers <= max_nodes
    return Statistics(
        len(keys),
        len(keys) / max(layout.n_receivers, 1),
        len(keys) / max(pairs, 1),
        tile_fill(layout, keys, block),
        diameter(keys, layout.n_receivers) if small else None,
        spectral_gap(keys, layout.n_receivers) if small else None,
    )


def tile_fill(layout: Layout, keys: np.ndarray, block: int) -> float:
    """Edges per slot of the tiles that hold an edge; 1 where there is none."""
    if not len(keys):
        return 1.0
    block = min(block, max(layout.n_receivers, layout.n_senders))
    receivers, senders = np.divmod(keys, layout.n_senders)
    tiles = np.unique(receivers // block * layout.n_senders + senders // block)
    return len(keys) / (len(tiles) * block**2)


def diameter(keys: np.ndarray, n: int) -> int:
    """The longest of the shortest directed paths, over the pairs that a path joins."""
    from scipy.sparse.csgraph import shortest_path

    hops = shortest_path(square(keys, n), unweighted=True)
    return int(hops[np.isfinite(hops)].max())


def spectral_gap(keys: np.ndarray, n: int) -> float:
    """The second smallest eigenvalue of the normalised Laplacian of the undirected graph without loops."""
    from scipy.sparse.csgraph import laplacian
    from scipy.sparse.linalg import eigsh

    receivers, senders = np.divmod(keys, n)
    other = receivers != senders
    graph = square(np.unique(np.append(keys[other], (senders * n + receivers)[other])), n)
    matrix: Any = laplacian(graph, normed=True)
    if n <= 256:
        return float(np.linalg.eigvalsh(matrix.toarray())[1])
    start = np.random.default_rng(0).normal(size=n)  # so that the figure is the same every time
    smallest = eigsh(matrix.tocsc(), k=2, sigma=-1e-3, v0=start, return_eigenvectors=False)
    return float(np.sort(smallest)[1])


def square(keys: np.ndarray, n: int):
    """A SciPy matrix of ones at the pairs."""
    from scipy.sparse import csr_matrix

    return csr_matrix((np.ones(len(keys)), np.divmod(keys, n)), shape=(n, n))
