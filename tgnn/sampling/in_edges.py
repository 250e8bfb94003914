"""The in-edges of every node side by side (compressed rows): what samplers read. NumPy, on the host."""

from typing import NamedTuple

import numpy as np

from tgnn.errors import check_indices
from tgnn.graphs.host import stable_order
from tgnn.graphs.interop import as_layout
from tgnn.typing import ArrayLike, Graph


class InEdges(NamedTuple):
    """The live edges of a graph, sorted by receiver; those of one receiver in the caller's order.

    Attributes:
        first: int64 `[n_receivers + 1]`: where the in-edges of each node begin, and at last their number.
        senders: int32 `[live edges]`.
        edges: int32 `[live edges]`: the number of each edge in the caller's order, for arrays per edge; of layouts with
            more axes of edges the number of its slot, row by row.
        n_senders: number of senders.
        n_edge: rows of an array per edge: all edges, masked ones included.
    """

    first: np.ndarray
    senders: np.ndarray
    edges: np.ndarray
    n_senders: int
    n_edge: int

    @property
    def n_receivers(self) -> int:
        """Number of receivers."""
        return len(self.first) - 1

    def degrees(self, nodes: np.ndarray | slice = slice(None)) -> np.ndarray:
        """The in-degrees of some nodes, or of all: int64."""
        return np.diff(self.first)[nodes] if isinstance(nodes, slice) else self.first[nodes + 1] - self.first[nodes]


def in_edges_of(graph: Graph) -> InEdges:
    """The in-edges of each node of a graph. Made once; O(n_edge) where the order of the receivers is known.

    Args:
        graph: a layout or a graph, outside jit. Masked edges are left out; duplicates stay.

    >>> import tgnn
    >>> rows = in_edges_of(tgnn.EdgeList.from_edges([0, 1, 1], [2, 2, 0], n_receivers=3))
    >>> rows.first.tolist(), rows.senders.tolist(), rows.edges.tolist()
    ([0, 1, 1, 3], [1, 0, 1], [2, 0, 1])
    """
    layout = as_layout(graph)
    layout.require_concrete()
    edges = layout.to_edges()
    senders, receivers, live = edges.slots()
    receivers = np.where(live, receivers, edges.n_receivers)
    order = stable_order(receivers) if edges.order is None else np.asarray(edges.order)
    order = order[live[order]]  # a mask may have changed since the edges were sorted
    counts = np.bincount(receivers[live], minlength=edges.n_receivers)
    first = np.append(0, np.cumsum(counts)).astype(np.int64)
    number = order if edges.edge_shape == layout.edge_shape else np.flatnonzero(layout.on_edges(layout.live))[order]
    slots = layout.count_all_slots()  # of no list were the dead ones listed
    return InEdges(first, senders[order].astype(np.int32), number.astype(np.int32), edges.n_senders, slots)


def check_graph(graph: InEdges) -> InEdges:
    """In-edges on one set of nodes, or a ValueError."""
    if not isinstance(graph, InEdges):
        raise ValueError(
            f"graph must be InEdges, got {type(graph).__name__}; make them once with tgnn.sampling.in_edges_of(graph)"
        )
    if graph.n_receivers != graph.n_senders:
        raise ValueError(
            f"graph joins {graph.n_senders} senders to {graph.n_receivers} receivers, but a sample is of one set of "
            "nodes; number both sets one after the other"
        )
    return graph


def check_nodes(name: str, nodes: ArrayLike, limit: int) -> np.ndarray:
    """Numbers of nodes of any integer type as int64 `[n]`, or a ValueError."""
    return check_indices(name, nodes, limit).astype(np.int64)


def row_slots(starts: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The row of each slot, and its position: `counts[i]` positions from `starts[i]` on, row after row.

    >>> [x.tolist() for x in row_slots(np.array([5, 0]), np.array([2, 1]))]
    [[0, 0, 1], [5, 6, 0]]
    """
    row = np.repeat(np.arange(len(counts)), counts)
    shift = starts - (np.cumsum(counts) - counts)
    return row, np.arange(len(row)) + shift[row]
