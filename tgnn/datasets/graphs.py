"""Many graphs, one after another in flat arrays: what ZINC, ESOL and the TU sets load into."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from tgnn.datasets.records import ITEM, Collection, Part
from tgnn.typing import ArrayLike

if TYPE_CHECKING:
    import jraph


def _own_nodes(graphs: "Graphs") -> np.ndarray:
    """Of each edge, the number of nodes of its graph."""
    return np.repeat(graphs.n_node, np.asarray(graphs.n_edge).astype(np.int64))


@dataclass(frozen=True, eq=False)
class Graphs(Collection):
    r"""Graphs stored end to end; senders and receivers are numbered from 0 within their own graph.

    `len(graphs)` is their number, `graphs[i]` one of them as a `jraph.GraphsTuple` with its label as `globals`, and
    `graphs[index]` a selection: `tgnn.batch(list(graphs[:32]))` is a batch.

    Example:
        >>> from tgnn.datasets.tu import parse_graphs
        >>> graphs = parse_graphs("text", "2\n2 0\n5 1 1\n5 1 0\n1 1\n9 0\n")
        >>> len(graphs), graphs[0].senders.tolist(), graphs[1:].nodes.tolist()
        (2, [1, 0], [1])

    Attributes:
        nodes: [sum of n_node, ...] node features.
        edges: [sum of n_edge, ...] edge features; both directions of an undirected edge are listed.
        senders: int32 [sum of n_edge].
        receivers: int32 [sum of n_edge].
        n_node: int32 [n_graph].
        n_edge: int32 [n_graph].
        labels: [n_graph] class or value of each graph.
    """

    nodes: Annotated[np.ndarray, Part("n_node")]
    edges: Annotated[np.ndarray, Part("n_edge")]
    senders: Annotated[np.ndarray, Part("n_edge", below=_own_nodes, ndim=1)]
    receivers: Annotated[np.ndarray, Part("n_edge", below=_own_nodes, ndim=1)]
    n_node: Annotated[np.ndarray, Part(ITEM, ndim=1)]
    n_edge: Annotated[np.ndarray, Part(ITEM, ndim=1)]
    labels: Annotated[np.ndarray, Part(ITEM, ndim=1)]

    def _item(self, i: int) -> "jraph.GraphsTuple":
        import jraph  # the loaders themselves need NumPy only

        index = np.array([i])
        node, edge = self._rows("n_node", index), self._rows("n_edge", index)
        return jraph.GraphsTuple(
            nodes=self.nodes[node],
            edges=self.edges[edge],
            senders=self.senders[edge].astype(np.int32),
            receivers=self.receivers[edge].astype(np.int32),
            n_node=self.n_node[index].astype(np.int32),
            n_edge=self.n_edge[index].astype(np.int32),
            globals=self.labels[index],
        )


class OfGraphs:
    """Base of data sets that are `graphs` and what is known of them: they count and give their graphs."""

    graphs: Graphs

    def __len__(self) -> int:
        """Number of graphs."""
        return len(self.graphs)

    def __iter__(self) -> Iterator["jraph.GraphsTuple"]:
        """The graphs in order."""
        return iter(self.graphs)

    def __getitem__(self, index: Any) -> Any:
        """As `Graphs`: one graph, or a selection."""
        return self.graphs[index]


def take_graphs(graphs: Graphs, index: ArrayLike) -> Graphs:
    """The graphs numbered `index`, in that order, as a new collection: for splits, folds and batches.

    Args:
        graphs: a collection.
        index: integers of any type in [0, n_graph), or a bool mask [n_graph].

    Raises:
        ValueError: a number that no graph has, or a mask of another length.
    """
    return graphs.take(index)


def disjoint_edges(graphs: Graphs) -> tuple[np.ndarray, np.ndarray]:
    r"""Senders and receivers numbered over all nodes: the collection as one graph without edges between its parts.

    Returns:
        int32 [n_edge] and int32 [n_edge], whatever integers the collection holds.

    Example:
        >>> from tgnn.datasets.tu import parse_graphs
        >>> graphs = parse_graphs("text", "2\n2 0\n5 1 1\n5 1 0\n2 1\n9 1 1\n9 0\n")
        >>> [ends.tolist() for ends in disjoint_edges(graphs)]
        [[1, 0, 3], [0, 1, 2]]
    """
    n_node = np.asarray(graphs.n_node).astype(np.int64)
    offset = np.repeat(np.cumsum(n_node) - n_node, np.asarray(graphs.n_edge).astype(np.int64))
    senders, receivers = (np.asarray(x).astype(np.int64) + offset for x in (graphs.senders, graphs.receivers))
    return senders.astype(np.int32), receivers.astype(np.int32)
