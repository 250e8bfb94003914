"""Whole subgraphs: the nodes that random walks meet and all edges between them; and what that does to a sum."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from tgnn.errors import check_size
from tgnn.graphs.edge_list import EdgeList
from tgnn.sampling.drawing import below, generator
from tgnn.sampling.hops import check_sizes, first_appearance, fit, padded
from tgnn.sampling.in_edges import InEdges, check_graph, check_nodes, row_slots
from tgnn.sampling.walks import random_walks
from tgnn.typing import Array, ArrayLike


class Subgraph(NamedTuple):
    """Some nodes and all edges between them, a pytree of static shapes.

    Attributes:
        layout: between the nodes; the padding has no edge.
        nodes: int32 `[n_node]`: the number of each node in the graph, -1 in the padding.
        edges: int32 `[n_edge]`: the number of each edge in the graph, -1 where there is none.
    """

    layout: EdgeList
    nodes: Array
    edges: Array

    @property
    def sizes(self) -> tuple[int, int]:
        """Nodes and edges, padding included."""
        return len(self.nodes), len(self.edges)


def induced_subgraph(graph: InEdges, nodes: ArrayLike, *, sizes: Sequence[int] | None = None) -> Subgraph:
    """Some nodes, each once in the order of first appearance, and all edges between them. O(their in-edges).

    Args:
        graph: what `in_edges_of` made, on one set of nodes.
        nodes: int `[n]`.
        sizes: the least numbers of nodes and edges; None: the buckets of these.

    >>> import tgnn
    >>> from tgnn.sampling import in_edges_of
    >>> rows = in_edges_of(tgnn.EdgeList.from_edges([0, 1, 2], [1, 2, 0], n_receivers=3))
    >>> part = induced_subgraph(rows, [2, 1])
    >>> part.nodes[:2].tolist(), part.edges[:1].tolist()
    ([2, 1], [1])
    """
    least = check_sizes(sizes, 2)
    nodes = first_appearance(check_nodes("nodes", nodes, check_graph(graph).n_senders))[0]
    place = np.zeros(graph.n_senders, np.int32)  # one more than each node's number, 0 for none
    place[nodes] = np.arange(1, len(nodes) + 1)
    row, slot = row_slots(graph.first[nodes], graph.degrees(nodes))
    sender = place[graph.senders[slot]] - 1
    inside = sender >= 0
    n_node = fit(len(nodes), least[0])
    size = fit(int(inside.sum()), least[1])
    layout = EdgeList.from_edges(sender[inside], row[inside], n_receivers=n_node, pad_to=size)
    return Subgraph(layout, padded(nodes, n_node), padded(graph.edges[slot[inside]], size))


def sample_subgraph(
    graph: InEdges,
    num_roots: int,
    walk_length: int,
    *,
    seed: int,
    step: int = 0,
    sizes: Sequence[int] | None = None,
) -> Subgraph:
    """The nodes that random walks from random roots meet, with all edges between them: GraphSAINT's best sampler.

    Args:
        graph: what `in_edges_of` made, on one set of nodes.
        num_roots: walks, whose roots are drawn with replacement.
        walk_length: edges of a walk.
        seed: of the random numbers, like `step`.
        step: see `sample_neighbors`.
        sizes: the least numbers of nodes and edges; None: the buckets of these.

    Raises:
        ValueError: for a graph of two sets of nodes or without nodes.

    Reference: Zeng et al., GraphSAINT: Graph Sampling Based Inductive Learning Method, arXiv:1907.04931, algorithm 2.
    """
    num_roots, walk_length = check_size("num_roots", num_roots), check_size("walk_length", walk_length)
    if not check_graph(graph).n_receivers:
        raise ValueError("graph has no node, and no walk can begin; give a graph with nodes")
    rng = generator(seed, step)
    roots = below(rng, np.full(num_roots, graph.n_receivers))
    visited = random_walks([graph], roots, walk_length, rng=rng)
    nodes = np.concatenate([roots, visited.ravel()])
    return induced_subgraph(graph, nodes[nodes >= 0], sizes=sizes)


def saint_weights(graph: InEdges, parts: Iterable[Subgraph]) -> tuple[np.ndarray, np.ndarray]:
    """What makes sums over subgraphs right on average, counted in some of them.

    Args:
        graph: that the parts are of.
        parts: subgraphs of the sampler that will be used, such as `sample_subgraph(..., step=i)` for 50 steps.

    Returns:
        float32 `[n_edge]`, in the caller's order: multiplies each message; how often the receiver was there, for each
        time that the edge was.
        float32 `[n_node]`: multiplies the loss of each node; the sum over a part is then on average the mean over the
        graph. 0 for nodes that no part had.

    Reference: GraphSAINT, section 3.2: the inverses of its alpha and lambda. An edge
        that was never there has no estimate, and weighs 1.
    """
    node_count, edge_count, number = np.zeros(graph.n_receivers), np.zeros(graph.n_edge), 0
    for part in parts:
        node_count[part.nodes[part.nodes >= 0]] += 1
        edge_count[part.edges[part.edges >= 0]] += 1
        number += 1
    if not number:
        raise ValueError("parts is empty; give the subgraphs of some steps, 50 for example")
    receivers = np.zeros(graph.n_edge, np.int64)  # of a masked edge it does not matter
    receivers[graph.edges] = np.repeat(np.arange(graph.n_receivers), graph.degrees())
    messages = np.where(edge_count > 0, node_count[receivers] / np.maximum(edge_count, 1), 1.0)
    loss = np.where(node_count > 0, number / np.maximum(node_count, 1) / graph.n_receivers, 0.0)
    return messages.astype(np.float32), loss.astype(np.float32)
