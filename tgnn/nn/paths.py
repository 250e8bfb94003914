"""Shortest paths between the nodes of a graph, and the edges along them."""

from typing import NamedTuple

import jraph
import numpy as np

from tgnn.errors import check_size
from tgnn.graphs import Layout
from tgnn.graphs.interop import as_layout, edge_slots, live_edges
from tgnn.graphs.transforms import check_square


def shortest_paths(
    layout: Layout | jraph.GraphsTuple, *, max_distance: int | None = None, unreachable: int = -1
) -> np.ndarray:
    """The number of edges on the shortest directed path from each sender to each receiver.

    Args:
        layout: concrete, one set of nodes.
        max_distance: longer distances become this one; default none.
        unreachable: the entry of pairs that no path joins.

    Returns:
        int32 `[n_receivers, n_senders]`, 0 on the diagonal. O(n_node * n_edge) time, O(n_node ** 2) memory.

    Reference: Ying et al., Do Transformers Really Perform Bad for Graph Representation?, arXiv:2106.05234, section
        3.1.2.

    >>> from tgnn import EdgeList
    >>> shortest_paths(EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)).tolist()
    [[0, -1, -1], [1, 0, -1], [2, 1, 0]]
    """
    layout = as_layout(layout)
    return _capped(_search(layout)[0], max_distance, unreachable)


class ShortestPaths(NamedTuple):
    """One shortest path for each pair of nodes.

    Attributes:
        distances: int32 [n_receivers, n_senders], as `shortest_paths` gives it.
        edges: int32 [n_receivers, n_senders, length]: the path's edges from the sender on, as positions in the caller's
            order of the layout; -1 beyond its end.
    """

    distances: np.ndarray
    edges: np.ndarray


def shortest_path_edges(
    layout: Layout | jraph.GraphsTuple, length: int, *, max_distance: int | None = None, unreachable: int = -1
) -> ShortestPaths:
    """The first `length` edges of one shortest path from each sender to each receiver; of several copies the first.

    Args:
        layout: concrete, one set of nodes, with edges along one axis: an `EdgeList`.
        length: how many edges of a path are listed.
        max_distance: as for `shortest_paths`.
        unreachable: as for `shortest_paths`.

    Returns:
        `ShortestPaths`. O(n_node ** 2 * length) memory.
    """
    layout = as_layout(layout)
    length, n = check_size("length", length), layout.n_receivers
    hops, before = _search(layout)
    senders, receivers, live = edge_slots(layout)
    number = np.full((n, n), -1, np.int32)  # of the edge from the second to the first
    backwards = np.flatnonzero(live)[::-1]  # so that the first copy is written last
    number[receivers[backwards], senders[backwards]] = backwards
    paths = np.full((n, n, length), -1, np.int32)
    starts = np.broadcast_to(np.arange(n)[None, :], (n, n))
    here = np.broadcast_to(np.arange(n)[:, None], (n, n))
    # From the receivers back to the senders, all pairs at once: the last edge of a path of d edges has place d - 1.
    while True:
        on_path = before[starts, here] >= 0
        if not on_path.any():
            return ShortestPaths(_capped(hops, max_distance, unreachable), paths)
        previous = np.where(on_path, before[starts, here], here)
        place = np.where(on_path, hops[here, starts], 0).astype(int) - 1
        listed = on_path & (place < length)
        paths[(*np.nonzero(listed), place[listed])] = number[here[listed], previous[listed]]
        here = previous


def _search(layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Distances [receiver, sender], inf where there is no path, and the node before each on its path [start, node]."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import shortest_path

    check_square(layout)
    senders, receivers = live_edges(layout)
    n = layout.n_receivers
    if n == 0:
        return np.zeros((0, 0)), np.zeros((0, 0), int)
    matrix = csr_matrix((np.ones(len(senders)), (senders, receivers)), shape=(n, n))
    hops, before = shortest_path(matrix, method="D", unweighted=True, return_predecessors=True)
    return hops.T, before


def _capped(hops: np.ndarray, max_distance: int | None, unreachable: int) -> np.ndarray:
    known = np.isfinite(hops)
    near = np.where(known, hops, 0)
    near = near if max_distance is None else np.minimum(near, check_size("max_distance", max_distance))
    return np.where(known, near, unreachable).astype(np.int32)
