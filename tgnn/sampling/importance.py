"""Importance by random walks: the neighbours of a node are those that its walks visit most, weighted by how often."""

from collections.abc import Sequence

import numpy as np

from tgnn.errors import check_size
from tgnn.sampling.drawing import generator
from tgnn.sampling.hops import Drawn, Hops, build_hops
from tgnn.sampling.in_edges import InEdges, check_graph
from tgnn.sampling.walks import random_walks
from tgnn.typing import ArrayLike


def sample_important(
    graphs: InEdges | Sequence[InEdges],
    seeds: ArrayLike,
    fanouts: Sequence[int],
    *,
    num_walks: int = 10,
    walk_length: int = 2,
    restart: float = 0.5,
    seed: int,
    step: int = 0,
    sizes: Sequence[int] | None = None,
) -> Hops:
    """Neighbourhoods of the nodes that short random walks visit most.

    Args:
        graphs: what `in_edges_of` made, on one set of nodes; or several that a round of a walk follows in turn and that
            lead back to the first set: `(items that hear users, users that hear items)` walks from item to item.
        seeds: int `[n]`, the nodes whose features are asked for.
        fanouts: the most neighbours of a node, first those of the seeds.
        num_walks: from each node.
        walk_length: rounds of a walk.
        restart: how likely a walk begins again before a round.
        seed: of the random numbers, like `step`.
        step: see `sample_neighbors`.
        sizes: see `sample_neighbors`.

    Returns:
        `Hops`. Its weights are visits as a fraction of those of the node's kept neighbours: `layout.aggregate` with
        them is PinSage's importance pooling. Its edges are no edges of the graph, and their numbers are all -1. A node
        is no neighbour of itself, and one whose walks end at once has none.

    Raises:
        ValueError: for graphs that do not follow each other, or a restart that is no probability.

    Reference: Ying et al., Graph Convolutional Neural Networks for Web-Scale Recommender Systems, arXiv:1806.01973,
        section 3.2, where neighbours are given once; we may draw them anew in each step. Of neighbours that were
        visited equally often the one visited first comes first.
    """
    graphs = check_circle([graphs] if isinstance(graphs, InEdges) else list(graphs))
    num_walks, walk_length = check_size("num_walks", num_walks, 1), check_size("walk_length", walk_length, 1)
    if not 0.0 <= restart <= 1.0:
        raise ValueError(f"restart must be a probability in [0, 1], got {restart}")
    if any(k is None for k in fanouts):
        raise ValueError("fanouts must be numbers, got None; walks do not visit all nodes, so say how many are kept")
    rng = generator(seed, step)

    def draw(nodes, k):
        starts = np.repeat(nodes, num_walks)
        visited = random_walks(graphs, starts, walk_length, rng=rng, restart=restart)
        return most_visited(visited.reshape(walk_length, len(nodes), num_walks), nodes, k, graphs[0].n_receivers)

    return build_hops(graphs[0].n_receivers, seeds, fanouts, draw, sizes)


def most_visited(visited: np.ndarray, nodes: np.ndarray, k: int, n: int) -> Drawn:
    """The k most visited of each node, and their shares of the visits.

    Args:
        visited: int `[round, n_node, walk]`, -1 for nobody.
        nodes: int `[n_node]`, where the walks began.
        k: the most that are kept.
        n: number of nodes of the graph.
    """
    rounds, rows, walks = np.nonzero((visited >= 0) & (visited != nodes[:, None]))  # the first rounds first
    keys, first, visits = np.unique(rows * n + visited[rounds, rows, walks], return_index=True, return_counts=True)
    row, senders = np.divmod(keys, max(n, 1))
    order = np.lexsort((first, -visits, row))
    row, senders, visits = row[order], senders[order], visits[order]
    counts = np.bincount(row, minlength=len(nodes))
    rank = np.arange(len(row)) - (np.cumsum(counts) - counts)[row]
    row, senders, visits = (x[rank < k] for x in (row, senders, visits))
    total = np.bincount(row, weights=visits, minlength=len(nodes))
    return Drawn(row, senders, np.full(len(row), -1), (visits / total[row]).astype(np.float32))


def check_circle(graphs: list[InEdges]) -> list[InEdges]:
    """Graphs of which each begins where the one before ends, and the first where the last ends, or a ValueError."""
    if len(graphs) == 1:
        return [check_graph(graphs[0])]
    if not graphs or not all(isinstance(graph, InEdges) for graph in graphs):
        raise ValueError(
            "graphs must be InEdges, at least one of them; make each once with tgnn.sampling.in_edges_of(graph)"
        )
    for i, graph in enumerate(graphs):
        following = graphs[(i + 1) % len(graphs)]
        if graph.n_senders != following.n_receivers:
            raise ValueError(
                f"graphs[{i}] leads to {graph.n_senders} senders, but the next one begins at {following.n_receivers} "
                "receivers; give graphs that lead from set to set and back to the first"
            )
    return graphs
