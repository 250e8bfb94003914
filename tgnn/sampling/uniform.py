"""Uniform neighbours: at most k in-edges of each node, without replacement, hop by hop."""

from collections.abc import Sequence

import numpy as np

from tgnn.sampling.drawing import generator, subsets
from tgnn.sampling.hops import Drawn, Hops, build_hops
from tgnn.sampling.in_edges import InEdges, check_graph, row_slots
from tgnn.typing import ArrayLike


def sample_neighbors(
    graph: InEdges,
    seeds: ArrayLike,
    fanouts: Sequence[int | None],
    *,
    seed: int,
    step: int = 0,
    sizes: Sequence[int] | None = None,
) -> Hops:
    """The neighbourhoods from which the features of some nodes are computed, each thinned to at most k in-edges.

    Args:
        graph: what `in_edges_of` made, on one set of nodes.
        seeds: int `[n]`, the nodes whose features are asked for; of any integer type, perhaps none, perhaps twice.
        fanouts: the most in-edges of a node, first those of the seeds; None: all of them.
        seed: of the random numbers.
        step: the sample is a function of seed and step, and of nothing that was drawn before.
        sizes: the least sizes, as `Hops.sizes` tells them; None: the buckets of this sample.

    Returns:
        `Hops`. Its weights are `degree / kept`, with which a weighted sum over the sample is a sum over all neighbours
        on average; a mean needs none. With `fanouts` of None the numbers of the whole graph come out.

    Raises:
        ValueError: for a graph of two sets of nodes, seeds that are no nodes, or negative fanouts.

    Cost: O(n_edge of the sample · k); the whole graph is not looked at, but for 4 bytes a node that are never read.

    Reference: Hamilton, Ying and Leskovec, Inductive Representation Learning on Large Graphs, arXiv:1706.02216,
        algorithm 2, where neighbours are drawn anew for each layer; we draw without replacement.

    >>> import tgnn
    >>> from tgnn.sampling import in_edges_of
    >>> rows = in_edges_of(tgnn.EdgeList.from_edges([0, 1, 2], [1, 2, 3], n_receivers=4))
    >>> hops = sample_neighbors(rows, [3], [1, 1], seed=0)
    >>> hops.nodes[hops.nodes >= 0].tolist()
    [3, 2, 1]
    """
    rng, graph = generator(seed, step), check_graph(graph)
    return build_hops(graph.n_senders, seeds, fanouts, lambda nodes, k: draw_edges(graph, rng, nodes, k), sizes)


def draw_edges(graph: InEdges, rng: np.random.Generator, nodes: np.ndarray, k: int | None) -> Drawn:
    """At most k in-edges of each node, uniformly and without replacement."""
    starts, degrees = graph.first[nodes], graph.degrees(nodes)
    kept = degrees if k is None else np.minimum(degrees, k)
    row, slot = row_slots(starts, kept)
    thinned = np.flatnonzero(kept < degrees)
    if k and len(thinned):
        begin = (np.cumsum(kept) - kept)[thinned]
        slot[begin + np.arange(k)[:, None]] = starts[thinned] + subsets(rng, degrees[thinned], k)  # [k, thinned]
    weights = (degrees / np.maximum(kept, 1)).astype(np.float32)[row]
    return Drawn(row, graph.senders[slot], graph.edges[slot], weights)
