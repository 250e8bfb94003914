"""Random walks against the edges, many at once: from a node to one of those that it hears."""

from collections.abc import Sequence

import numpy as np

from tgnn.sampling.drawing import below
from tgnn.sampling.in_edges import InEdges


def random_walks(
    graphs: Sequence[InEdges], starts: np.ndarray, length: int, *, rng: np.random.Generator, restart: float = 0.0
) -> np.ndarray:
    """Where walks are after each round: int64 `[length, n]`, -1 once a walk has ended at a node without in-edges.

    Args:
        graphs: one round goes along one edge of each in turn; a user hears items and an item users, for example.
        starts: int `[n]`, a walk from each.
        length: rounds.
        rng: random numbers.
        restart: how likely a walk begins again before a round, but for the first one; one that has ended begins again
            in the next round, too.
    """
    at, visited = starts, np.empty((length, len(starts)), np.int64)
    for i in range(length):
        if restart and i:
            at = np.where((rng.random(len(at)) < restart) | (at < 0), starts, at)
        for graph in graphs:
            at = walk_on(graph, at, rng)
        visited[i] = at
    return visited


def walk_on(graph: InEdges, nodes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random sender of each node: int64 `[n]`, -1 where there is none."""
    inside = np.maximum(nodes, 0)
    degrees = np.where(nodes < 0, 0, graph.degrees(inside)) if graph.n_receivers else np.zeros(len(nodes), np.int64)
    slots = below(rng, degrees)
    found, ended = np.full(len(nodes), -1), degrees == 0
    found[~ended] = graph.senders[graph.first[nodes[~ended]] + slots[~ended]]
    return found
