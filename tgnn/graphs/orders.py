"""Orders of nodes in which neighbours stand near each other: found on the host, from arrays, chosen by what they fill.

Reverse Cuthill-McKee cuts a graph into layers, which are as long as the graph is wide; recursive bisection cuts it into
compact patches, whose neighbourhoods overlap most. Which is better is measured.
"""

from typing import TYPE_CHECKING

import numpy as np

from tgnn.errors import check_indices
from tgnn.graphs.host import distinct, pair_key
from tgnn.typing import ArrayLike

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

NAMES = "given", "cuthill-mckee", "bisection"
PIVOTS = 8  # from which distances are measured
TILE_COST = 24  # columns whose work takes as long as a tile takes beside its own, on CPU


def orders(
    senders: np.ndarray,
    receivers: np.ndarray,
    n_receivers: int,
    n_senders: int,
    size: int,
    points: ArrayLike | None = None,
) -> dict[str, np.ndarray]:
    """Candidates by their `NAMES`: each int [n_receivers], old numbers in their new order.

    Args:
      senders: int [n_edge].
      receivers: int [n_edge].
      n_receivers: number of receivers.
      n_senders: number of senders; as many as receivers are taken for the same nodes.
      size: of the parts that are to be compact.
      points: [n_receivers, dim], where the receivers are; default their hops from a few nodes.
    """
    graph = undirected(senders, receivers, n_receivers, n_senders)
    points = hops(graph)[:n_receivers] if points is None else check_points(points, n_receivers)
    near = layers(graph)
    found = np.arange(n_receivers), near[near < n_receivers], bisect(points, size)
    return dict(zip(NAMES, found, strict=True))


def best_order(senders: np.ndarray, receivers: np.ndarray, n_receivers: int, n_senders: int, size: int) -> np.ndarray:
    """The order whose windows of `size` receivers have the fewest senders: int [n_receivers]."""
    found = orders(senders, receivers, n_receivers, n_senders, size).values()
    return min(found, key=lambda order: count_columns(senders, receivers, order, size).sum())


def undirected(senders: np.ndarray, receivers: np.ndarray, n_receivers: int, n_senders: int) -> "csr_matrix":
    """A SciPy matrix of the edges in both directions; where the numbers differ, senders stand after the receivers."""
    from scipy.sparse import coo_matrix

    shift = 0 if n_receivers == n_senders else n_receivers
    size = max(n_receivers, shift + n_senders)
    ends = receivers, np.asarray(senders) + shift
    graph = coo_matrix((np.ones(len(senders)), ends), shape=(size, size)).tocsr()  # what its walks compute in
    return (graph + graph.T).tocsr()


def layers(graph: "csr_matrix") -> np.ndarray:
    """Reverse Cuthill-McKee: breadth first, which brings edges near the diagonal: int [n]. O(n_edge)."""
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    if not graph.shape[0]:  # of which SciPy asks the largest degree
        return np.zeros(0, np.int64)
    return reverse_cuthill_mckee(graph, symmetric_mode=True).astype(np.int64)


def hops(graph: "csr_matrix", pivots: int = PIVOTS) -> np.ndarray:
    """Where nodes are: hops from a few nodes, each the farthest from those before it, [n, pivots]. O(pivots * n_edge).

    Averaged over the neighbours, because whole hops are coarse in a graph of a few hops. Reference: Brandes and Pich,
    Eigensolver Methods for Progressive Multidimensional Scaling of Large Data, 2006; `bisect` finds the main axes
    itself, and of each part anew.
    """
    from scipy.sparse.csgraph import breadth_first_order

    n = graph.shape[0]
    found, nearest, pivot = np.zeros((n, pivots)), np.full(n, np.inf), 0
    for i in range(pivots if n else 0):
        found[:, i] = depths(*breadth_first_order(graph, pivot))
        nearest = np.minimum(nearest, found[:, i])
        pivot = int(nearest.argmax())
    degrees = np.diff(graph.indptr)[:, None]
    return np.where(degrees, (graph != 0) @ found / np.maximum(degrees, 1), found)


def depths(reached: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """Hops from the root of a tree, of nodes outside of it one more than of any other. O(n * log(depth)).

    Args:
      reached: the nodes of the tree, the root first.
      parents: of every node; negative for the root.
    """
    root = reached[0]
    above = np.full(len(parents), root)
    above[reached[1:]] = parents[reached[1:]]
    hops = np.ones(len(parents), np.int64)
    hops[root] = 0
    while (above != root).any():  # each step doubles how far one jumps
        hops, above = hops + hops[above], above[above]
    outside = np.ones(len(parents), bool)
    outside[reached] = False
    return np.where(outside, hops.max(initial=0) + 1, hops)


def bisect(points: np.ndarray, size: int) -> np.ndarray:
    """Halves the nodes along their longest axis, and the halves again, down to parts of `size`: int [n], their order.

    All parts are cut at once. O(n * (log(n) + dim ** 2) * log(n / size)). Halves are multiples of `size`, so that
    windows of as many receivers are parts; those of `2 * size` are two parts that were one.

    Reference: Simon, Partitioning of Unstructured Problems for Parallel Processing, 1991 (recursive coordinate
    bisection, along the principal axis).

    >>> bisect(np.array([[0.0], [7.0], [1.0], [9.0]]), 2).tolist()
    [0, 2, 1, 3]
    """
    order, starts = np.arange(len(points)), np.zeros(min(len(points), 1), np.int64)
    while len(starts):
        lengths = np.diff(starts, append=len(points))
        cut = lengths > size
        if not cut.any():
            break
        part = np.repeat(np.arange(len(starts)), lengths)
        x = points[order]
        x = x - (np.add.reduceat(x, starts) / lengths[:, None])[part]
        spread = np.add.reduceat(x[:, :, None] * x[:, None, :], starts)  # [part, dim, dim]
        axis = np.linalg.eigh(spread)[1][:, :, -1]
        along = np.where(cut[part], (x * axis[part]).sum(1), 0.0)  # finished parts stay
        order = order[np.lexsort((along, part))]
        half = size * np.maximum(np.rint(lengths / size / 2).astype(np.int64), 1)
        starts = np.sort(np.append(starts, (starts + half)[cut]))
    return order


def count_columns(senders: np.ndarray, receivers: np.ndarray, order: np.ndarray, size: int) -> np.ndarray:
    """How many senders each window of `size` receivers of this order has: int [n_window]."""
    n_senders = int(senders.max(initial=0)) + 1
    windows = (np.argsort(order) // size)[receivers]
    keys = distinct(pair_key(senders, windows, n_senders))
    return np.bincount(keys // n_senders, minlength=-(-len(order) // size))


def tile_width(count: np.ndarray) -> int:
    """How many senders a tile should have, by how many its windows have: the fewest slots, and not too many tiles."""
    widths = np.arange(1, 9) * 64
    tiles = -(-count[:, None] // widths)
    return int(widths[(tiles * (widths + TILE_COST)).sum(0).argmin()])


def count_work(senders: np.ndarray, receivers: np.ndarray, order: np.ndarray, size: int) -> int:
    """The slots of `RowWindows` with windows of `size` receivers of this order, and those that tiles cost beside."""
    count = count_columns(senders, receivers, order, size)
    width = tile_width(count)
    return int((-(-count // width)).sum()) * size * (width + TILE_COST)


def check_points(points: ArrayLike, n: int) -> np.ndarray:
    """Finite coordinates of n nodes, or a ValueError."""
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or len(points) != n or not np.isfinite(points).all():
        raise ValueError(
            f"points must be finite numbers [{n}, dim], one row for each node, got shape {points.shape}"
            + ("; leave it out to bisect by hops" if points.ndim == 2 else "; add an axis")
        )
    return points


def check_order(order: ArrayLike, n: int) -> np.ndarray:
    """A permutation of n nodes, or a ValueError."""
    order = check_indices("order", order, n).astype(np.int64)
    if len(order) != n or (np.bincount(order, minlength=n) != 1).any():
        raise ValueError(
            f"order must hold each of the {n} receivers once, got {len(order)} numbers, "
            f"{len(np.unique(order))} of them different; tgnn.reorder returns such a permutation"
        )
    return order
