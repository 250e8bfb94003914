"""Batches of small graphs: a disjoint union, padded to a few sizes so that few programs are compiled."""

from typing import NamedTuple

import numpy as np

import tgnn
from tgnn.datasets.graphs import Graphs, disjoint_edges, take_graphs
from tgnn.graphs.padding import bucket


class Batch(NamedTuple):
    """Several graphs as one layout; a pytree. Padding is dead: no edge, no graph and no label sees it."""

    layout: tgnn.EdgeList
    readout: tgnn.EdgeList  # from the nodes to their graph
    nodes: np.ndarray  # [n_node, ...], -1 or 0 in padding
    edges: np.ndarray  # [n_edge, ...], likewise, in the caller's order
    labels: np.ndarray  # [n_graph]
    graphs: np.ndarray  # int32 [n_graph], their numbers in the data set, -1 for padding
    pairs: tgnn.EdgeList | None = None  # the complete graph on the nodes of each graph

    @property
    def mask(self) -> np.ndarray:
        """Bool [n_graph], True where there is a graph."""
        return self.graphs >= 0


def union(graphs: Graphs, index: np.ndarray, n_graph: int | None = None, *, pairs: bool = False) -> Batch:
    """The disjoint union of the graphs numbered `index`, nodes and edges padded to the next bucket (`tgnn.pad`'s).

    Args:
        graphs: a data set.
        index: int [at most n_graph].
        n_graph: graphs of the batch, padding included; default none.
        pairs: whether to list all pairs of nodes of a graph, for attention between them.

    Raises:
        ValueError: there are more graphs than `n_graph`.
    """
    n_graph = len(index) if n_graph is None else n_graph
    if len(index) > n_graph:
        raise ValueError(f"index names {len(index)} graphs but n_graph is {n_graph}; ask for fewer, or raise n_graph")
    part = take_graphs(graphs, index)
    n_node, n_edge = bucket(len(part.nodes)), bucket(len(part.edges))
    senders, receivers = disjoint_edges(part)
    owner = np.repeat(np.arange(len(index)), part.n_node)
    return Batch(
        layout=tgnn.EdgeList.from_edges(senders, receivers, n_receivers=n_node, pad_to=n_edge),
        readout=tgnn.EdgeList.from_edges(
            np.arange(len(owner)), owner, n_receivers=n_graph, n_senders=n_node, pad_to=n_node
        ),
        nodes=lengthen(part.nodes, n_node),
        edges=lengthen(part.edges, n_edge),
        labels=lengthen(part.labels, n_graph),
        graphs=lengthen(np.asarray(index, np.int32), n_graph),
        pairs=complete(part.n_node, n_node) if pairs else None,
    )


def complete(sizes: np.ndarray, n_node: int) -> tgnn.EdgeList:
    """All pairs of nodes of each graph. As a list: one dense layout would hold the pairs of different graphs too."""
    first = np.repeat(np.cumsum(sizes) - sizes, sizes)  # of each node, the first node of its graph
    receivers = np.repeat(np.arange(len(first)), np.repeat(sizes, sizes))
    within = np.arange(len(receivers)) - np.repeat(np.cumsum(sizes**2) - sizes**2, sizes**2)
    senders = first[receivers] + within % np.repeat(sizes, sizes**2)
    return tgnn.EdgeList.from_edges(senders, receivers, n_receivers=n_node, pad_to=bucket(len(receivers)))


def lengthen(x: np.ndarray, size: int) -> np.ndarray:
    """Rows of padding at the end: -1 for integers, which is no token and no class, and 0 for other numbers."""
    widths = [(0, size - len(x))] + [(0, 0)] * (x.ndim - 1)
    return np.pad(x, widths, constant_values=-1 if np.issubdtype(x.dtype, np.integer) else 0)


def in_order(graphs: Graphs, batch_size: int, **options: bool) -> list[Batch]:
    """All graphs in batches, the last one padded: for evaluation."""
    count = len(graphs.labels)
    starts = range(0, count, batch_size)
    return [union(graphs, np.arange(start, min(start + batch_size, count)), batch_size, **options) for start in starts]
