"""Batches of small graphs: a disjoint union, padded by `tgnn.pad` to one size, so that one program is compiled."""

from typing import NamedTuple

import jraph
import numpy as np

import tgnn
from tgnn.datasets.graphs import Graphs, disjoint_edges, take_graphs
from tgnn.datasets.loading import Room, room


class Batch(NamedTuple):
    """Several graphs as one layout; a pytree. Padding is dead: no edge, no graph and no label sees it."""

    layout: tgnn.EdgeList
    readout: tgnn.EdgeList  # from the nodes to their graph; those of the padding belong to a graph of its own
    nodes: np.ndarray  # [n_node, ...], -1 or 0 in padding
    edges: np.ndarray  # [n_edge, ...], likewise, in the caller's order
    labels: np.ndarray  # [n_graph]
    graphs: np.ndarray  # int32 [n_graph], their numbers in the data set, -1 for padding
    pairs: tgnn.EdgeList | None = None  # the complete graph on the nodes of each graph

    @property
    def mask(self) -> np.ndarray:
        """Bool [n_graph], True where there is a graph."""
        return self.graphs >= 0

    @property
    def n_graph(self) -> int:
        """Graphs that may have a label: one less than the readout has."""
        return len(self.graphs)


def union(
    graphs: Graphs, index: np.ndarray, n_graph: int | None = None, *, room: Room | None = None, pairs: bool = False
) -> Batch:
    """The disjoint union of the graphs numbered `index`, nodes and edges padded.

    Args:
        graphs: a data set.
        index: int [at most n_graph].
        n_graph: graphs of the batch, padding included; default none.
        room: to what is padded; where it is too small, or by default, the next bucket.
        pairs: whether to list all pairs of nodes of a graph, for attention between them.

    Raises:
        ValueError: there are more graphs than `n_graph`.
    """
    n_graph = len(index) if n_graph is None else n_graph
    if len(index) > n_graph:
        raise ValueError(f"index names {len(index)} graphs but n_graph is {n_graph}; ask for fewer, or raise n_graph")
    part = take_graphs(graphs, index)
    senders, receivers = disjoint_edges(part)
    n_pair = int((part.n_node.astype(np.int64) ** 2).sum())
    n_node, n_edge, n_pair = (room or Room(0, 0)).holding(len(part.nodes) + 1, len(part.edges), n_pair if pairs else 0)
    whole = jraph.GraphsTuple(part.nodes, part.edges, receivers, senders, None, part.n_node, part.n_edge)
    padded, masks = tgnn.pad(whole, n_node, n_edge, n_graph + 1)
    return Batch(
        # Sorted here, on the host; `EdgeList.from_graph` would leave that to every call.
        layout=tgnn.EdgeList.from_edges(padded.senders, padded.receivers, n_receivers=n_node, mask=masks.edges),
        readout=tgnn.readout(padded),
        nodes=lengthen(part.nodes, n_node),
        edges=lengthen(part.edges, n_edge),
        labels=lengthen(part.labels, n_graph),
        graphs=lengthen(np.asarray(index, np.int32), n_graph),
        pairs=complete(part.n_node, n_node, n_pair) if pairs else None,
    )


def complete(sizes: np.ndarray, n_node: int, n_pair: int) -> tgnn.EdgeList:
    """All pairs of nodes of each graph. As a list: one dense layout would hold the pairs of different graphs too."""
    first = np.repeat(np.cumsum(sizes) - sizes, sizes)  # of each node, the first node of its graph
    receivers = np.repeat(np.arange(len(first)), np.repeat(sizes, sizes))
    within = np.arange(len(receivers)) - np.repeat(np.cumsum(sizes**2) - sizes**2, sizes**2)
    senders = first[receivers] + within % np.repeat(sizes, sizes**2)
    return tgnn.EdgeList.from_edges(senders, receivers, n_receivers=n_node, pad_to=n_pair)


def lengthen(x: np.ndarray, size: int) -> np.ndarray:
    """Rows of padding at the end: -1 for integers, which is no token and no class, and 0 for other numbers."""
    widths = [(0, size - len(x))] + [(0, 0)] * (x.ndim - 1)
    return np.pad(x, widths, constant_values=-1 if np.issubdtype(x.dtype, np.integer) else 0)


def in_order(graphs: Graphs, batch_size: int, **options: bool) -> list[Batch]:
    """All graphs in batches, the last one padded: for evaluation."""
    count, space = len(graphs.labels), room(graphs, batch_size)
    starts = range(0, count, batch_size)
    return [
        union(graphs, np.arange(start, min(start + batch_size, count)), batch_size, room=space, **options)
        for start in starts
    ]
