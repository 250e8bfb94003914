"""Graphs inside of graphs and beside them: induced parts, the largest component, line graphs, virtual nodes. Host side.

Features follow: each function says which nodes and which edges of the given graph its own are.
"""

from typing import NamedTuple

import jraph
import numpy as np

from tgnn.errors import as_index, check_indices
from tgnn.graphs.edge_list import EdgeList
from tgnn.graphs.host import stable_order
from tgnn.graphs.interop import as_layout, live_edges
from tgnn.graphs.layout import Layout
from tgnn.graphs.transforms import check_square
from tgnn.typing import ArrayLike


class Part(NamedTuple):
    """A part of a graph: `x[part.nodes]` are the features of its nodes, `edges[part.edges]` those of its edges."""

    layout: EdgeList
    nodes: np.ndarray  # their numbers in the given graph
    edges: np.ndarray  # positions among the given live edges


def induced(layout: Layout | jraph.GraphsTuple, nodes: ArrayLike) -> Part:
    """Some nodes and all edges between them.

    Args:
        layout: on one set of nodes.
        nodes: ints, each once, numbered 0, 1, ... in this order; or bool `[n]`.

    Returns:
        The `Part`, its edges in the given order.

    Raises:
        ValueError: for a bipartite layout, or nodes that do not exist or are given twice.

    >>> part = induced(EdgeList.from_edges([0, 1, 2], [1, 2, 0], n_receivers=3), [2, 1])
    >>> part.layout.senders.tolist(), part.layout.receivers.tolist(), part.edges.tolist()
    ([1], [0], [1])
    """
    layout = as_layout(layout)
    check_square(layout)
    n, (senders, receivers) = layout.n_receivers, live_edges(layout)
    if np.asarray(nodes).dtype == bool and np.shape(nodes) == (n,):
        nodes = np.flatnonzero(nodes)
    nodes = check_indices("nodes", nodes, n).reshape(-1)
    if len(np.unique(nodes)) != len(nodes):
        raise ValueError("nodes must be given once each; use numpy.unique(nodes)")
    number = np.full(n, -1)
    number[nodes] = np.arange(len(nodes))
    kept = np.flatnonzero((number[senders] >= 0) & (number[receivers] >= 0))
    ends = number[senders[kept]], number[receivers[kept]]
    return Part(EdgeList.from_edges(*ends, n_receivers=len(nodes)), nodes, kept)


def largest_component(layout: Layout | jraph.GraphsTuple) -> Part:
    """The largest set of nodes that paths join, whatever the directions of edges; of equal ones the first.

    Args:
        layout: on one set of nodes.

    Returns:
        The `Part`, its nodes in ascending order.

    >>> largest_component(EdgeList.from_edges([4, 1], [3, 3], n_receivers=5)).nodes.tolist()
    [1, 3, 4]
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    layout = as_layout(layout)
    check_square(layout)
    n, ends = layout.n_receivers, live_edges(layout)
    matrix = coo_matrix((np.ones(len(ends[0]), bool), ends), shape=(n, n))
    component = connected_components(matrix, directed=False)[1]
    return induced(layout, np.flatnonzero(component == np.bincount(component).argmax()) if n else np.zeros(0, int))


def line_graph(layout: Layout | jraph.GraphsTuple, *, backtracking: bool = True) -> tuple[EdgeList, np.ndarray]:
    """The graph whose nodes are the edges: u -> v sends to every v -> w.

    Args:
        layout: on one set of nodes; its live edges are numbered in the caller's order.
        backtracking: whether u -> v sends to v -> u.

    Returns:
        The `EdgeList` over edges, and for each of its edges the node v that both share: features of edges are now those
        of nodes, and `x[shared]` those of edges.

    Cost: one edge for each pair of an in-edge and an out-edge of a node.

    >>> lines, shared = line_graph(EdgeList.from_edges([0, 1, 1], [1, 2, 0], n_receivers=3))
    >>> lines.senders.tolist(), lines.receivers.tolist(), shared.tolist()
    ([0, 0, 2], [1, 2, 0], [1, 1, 0])
    """
    layout = as_layout(layout)
    check_square(layout)
    senders, receivers = live_edges(layout)
    n_edge = len(senders)
    by_sender = stable_order(senders)  # out-edges of each node, one node after the other
    count = np.bincount(senders, minlength=layout.n_receivers)
    first = np.cumsum(count) - count
    reps = count[receivers]  # how many edges go on where this one ends
    source = np.repeat(np.arange(n_edge), reps)
    place = np.arange(len(source)) - np.repeat(np.cumsum(reps) - reps, reps)
    target = by_sender[first[receivers[source]] + place]
    if not backtracking:
        onward = receivers[target] != senders[source]
        source, target = source[onward], target[onward]
    return EdgeList.from_edges(source, target, n_receivers=n_edge), receivers[source]


def virtual_nodes(
    layout: Layout | jraph.GraphsTuple, graph_ids: ArrayLike | None = None
) -> tuple[EdgeList, np.ndarray]:
    """A new node for each graph, joined to all of its nodes in both directions.

    Args:
        layout: on one set of nodes, of one or several graphs.
        graph_ids: int `[n]`, the graph of each node, -1 for padding, which gets no edge; default one graph.

    Returns:
        The `EdgeList` over n nodes and then one for each graph, the given live edges first; and the kind of each edge:
        0 a given one, 1 from a node to its virtual node, 2 back.

    Reference: Gilmer et al., Neural Message Passing for Quantum Chemistry, arXiv:1704.01212, section 5.2 (its master
        node has features of its own size; here it is a node as others are).

    >>> joined, kinds = virtual_nodes(EdgeList.from_edges([0], [1], n_receivers=2))
    >>> joined.senders.tolist(), joined.receivers.tolist(), kinds.tolist()
    ([0, 0, 1, 2, 2], [1, 2, 2, 0, 1], [0, 1, 1, 2, 2])
    """
    layout = as_layout(layout)
    check_square(layout)
    n, (senders, receivers) = layout.n_receivers, live_edges(layout)
    owner = np.zeros(n, int) if graph_ids is None else np.asarray(as_index("graph_ids", graph_ids))
    if owner.shape != (n,) or (n and owner.min() < -1):
        raise ValueError(
            f"graph_ids must have shape {(n,)} and be at least -1, got {owner.shape}; pass one for each node"
        )
    nodes = np.flatnonzero(owner >= 0)
    hubs = n + owner[nodes]
    total = n + (int(owner.max()) + 1 if n else int(graph_ids is None))
    ends = np.concatenate([senders, nodes, hubs]), np.concatenate([receivers, hubs, nodes])
    kinds = np.repeat([0, 1, 2], [len(senders), len(nodes), len(nodes)])
    return EdgeList.from_edges(*ends, n_receivers=total), kinds
