"""Many graphs, one after another in flat arrays: what ZINC, ESOL and the TU sets load into."""

from typing import NamedTuple

import numpy as np


class Graphs(NamedTuple):
    """Graphs stored end to end; senders and receivers are numbered from 0 within their own graph.

    Attributes:
        nodes: [sum of n_node, ...] node features.
        edges: [sum of n_edge, ...] edge features; both directions of an undirected edge are listed.
        senders: int32 [sum of n_edge].
        receivers: int32 [sum of n_edge].
        n_node: int32 [n_graph].
        n_edge: int32 [n_graph].
        labels: [n_graph] class or value of each graph.
    """

    nodes: np.ndarray
    edges: np.ndarray
    senders: np.ndarray
    receivers: np.ndarray
    n_node: np.ndarray
    n_edge: np.ndarray
    labels: np.ndarray


def take_graphs(graphs: Graphs, index) -> Graphs:
    """The graphs numbered `index`, in that order, as a new collection: for splits, folds and batches."""
    index = np.asarray(index)
    node, edge = _spread(graphs.n_node, index), _spread(graphs.n_edge, index)
    return Graphs(
        graphs.nodes[node],
        graphs.edges[edge],
        graphs.senders[edge],
        graphs.receivers[edge],
        graphs.n_node[index],
        graphs.n_edge[index],
        graphs.labels[index],
    )


def disjoint_edges(graphs: Graphs) -> tuple[np.ndarray, np.ndarray]:
    """Senders and receivers numbered over all nodes: the collection as one graph without edges between its parts."""
    offset = np.repeat(np.cumsum(graphs.n_node) - graphs.n_node, graphs.n_edge).astype(np.int32)
    return graphs.senders + offset, graphs.receivers + offset


def check_graphs(name: str, graphs: Graphs) -> Graphs:
    """`graphs` if its parts fit together.

    Raises:
        ValueError: sizes disagree or are negative, an edge joins a node that its graph does not have, or labels are not
            finite numbers.
    """
    n_node, n_edge = graphs.n_node, graphs.n_edge
    if graphs.labels.ndim != 1 or not np.isfinite(graphs.labels).all():
        raise ValueError(
            f"{name} has labels that are not one finite number for each graph; it is damaged: get it again"
        )
    if any(sizes.ndim != 1 or (sizes < 0).any() for sizes in (n_node, n_edge)):
        raise ValueError(f"{name} has numbers of nodes or edges that cannot be; it is damaged: get it again")
    sizes = len(n_node) == len(n_edge) == len(graphs.labels) and n_node.sum() == len(graphs.nodes)
    if not (sizes and n_edge.sum() == len(graphs.edges) == len(graphs.senders) == len(graphs.receivers)):
        raise ValueError(f"{name} has parts whose sizes disagree; it is damaged: get it again")
    limit = np.repeat(n_node, n_edge)
    for ends in (graphs.senders, graphs.receivers):
        if ((ends < 0) | (ends >= limit)).any():
            raise ValueError(f"{name} has an edge to a node outside its graph; it is damaged: get it again")
    return graphs


def _spread(sizes: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Positions of the entries of the parts numbered `index`."""
    lengths = sizes[index]
    starts = (np.cumsum(sizes) - sizes)[index]
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(starts, lengths) + within
