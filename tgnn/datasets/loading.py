"""Graphs in batches of one shape, so that an epoch is one compiled program; a few shapes where batches differ much."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tgnn.datasets.graphs import Graphs, OfGraphs, disjoint_edges
from tgnn.errors import check_size

if TYPE_CHECKING:
    import jraph

    from tgnn.graphs.padding import Masks

SPREAD = 4.0  # standard deviations of a batch's size that fit into it: one batch of tens of thousands does not


class Room(NamedTuple):
    """Nodes, edges and pairs of nodes that a batch has room for."""

    n_node: int
    n_edge: int
    n_pair: int = 0

    def holding(self, *least: int) -> "Room":
        """This room, or in each number that is too small for a batch the next bucket."""
        from tgnn.graphs.padding import bucket  # the loaders themselves need NumPy only

        return Room(*(size if need <= size else bucket(need) for size, need in zip(self, least, strict=True)))


def room(graphs: Graphs, batch_size: int) -> Room:
    """What nearly every batch of so many graphs fits into: the mean and four standard deviations more."""
    counts = (graphs.n_node, graphs.n_edge, graphs.n_node.astype(np.int64) ** 2)

    def enough(sizes: np.ndarray) -> int:
        largest = np.sort(sizes)[-batch_size:].sum()  # never more than this
        size = min(sizes.mean() * batch_size + SPREAD * sizes.std() * batch_size**0.5, largest)
        return -(-int(size + 1) // 16) * 16  # a node more than needed belongs to the padding

    return Room(*map(enough, counts))


def shuffled_batches(
    graphs: Graphs | OfGraphs, batch_size: int, *, seed: int
) -> Callable[[int], tuple["jraph.GraphsTuple", "Masks"]]:
    r"""A function from the step to its batch, for `tgnn.train.loop.fit` and `tgnn.sampling.prefetch`.

    Args:
        graphs: a data set.
        batch_size: graphs of a batch, at most as many as there are.
        seed: of the order, a new one in each epoch of `len(graphs) // batch_size` steps, whose rest waits for the next.

    Returns:
        `step -> (graph, masks)`: the graphs as one `jraph.GraphsTuple` whose `globals` are the labels, and which of
        its nodes, edges and graphs are real. All batches have one shape, but for one of tens of thousands.

    Raises:
        ValueError: a batch size below 1 or above the number of graphs.

    >>> from tgnn.datasets.tu import parse_graphs
    >>> graphs = parse_graphs("text", "2\n2 0\n5 1 1\n5 1 0\n1 1\n9 0\n")
    >>> graph, masks = shuffled_batches(graphs, 2, seed=0)(0)
    >>> graph.nodes.shape, masks.graphs.tolist()
    ((16,), [True, True, False])
    """
    from tgnn.train.batches import batch_indices

    data = graphs.graphs if isinstance(graphs, OfGraphs) else graphs
    batch_indices(0, len(data), batch_size, seed=seed)  # refuses now what no step could do
    space = room(data, batch_size)
    return lambda step: joined(data.take(batch_indices(step, len(data), batch_size, seed=seed)), batch_size, space)


def batches_in_order(graphs: Graphs | OfGraphs, batch_size: int) -> Iterator[tuple["jraph.GraphsTuple", "Masks"]]:
    """All graphs once, in batches of the shape of `shuffled_batches`, the last one filled up: for evaluation."""
    data, batch_size = (
        graphs.graphs if isinstance(graphs, OfGraphs) else graphs,
        check_size("batch_size", batch_size, 1),
    )
    space = room(data, batch_size) if len(data) else Room(0, 0)
    starts = range(0, len(data), batch_size)
    return (joined(data[start : start + batch_size], batch_size, space) for start in starts)


def joined(part: Graphs, n_graph: int, space: Room) -> tuple["jraph.GraphsTuple", "Masks"]:
    """Graphs as one, with room for `n_graph` of them and one of padding."""
    import jraph

    from tgnn.graphs.padding import pad

    senders, receivers = disjoint_edges(part)
    whole = jraph.GraphsTuple(part.nodes, part.edges, receivers, senders, part.labels, part.n_node, part.n_edge)
    n_node, n_edge, _ = space.holding(len(part.nodes) + 1, len(part.edges), 0)
    return pad(whole, n_node, n_edge, n_graph + 1)
