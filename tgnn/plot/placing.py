"""Places of the nodes of a graph, found by NetworkX."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tgnn.graphs import Layout
from tgnn.graphs.interop import live_edges
from tgnn.plot.nodes import check_places, circle

SEED = 0  # the same picture every time


def spring(graph: Any) -> dict[int, np.ndarray]:
    """Joined nodes attract each other, all others repel (Fruchterman and Reingold)."""
    import networkx

    return networkx.spring_layout(graph, seed=SEED, iterations=100 if len(graph) < 500 else 20)


def kamada_kawai(graph: Any) -> dict[int, np.ndarray]:
    """Distances on the page are like those along the edges."""
    import networkx

    return networkx.kamada_kawai_layout(graph)


def spectral(graph: Any) -> dict[int, np.ndarray]:
    """The coordinates of the two slowest waves on the graph."""
    import networkx

    return networkx.spectral_layout(graph)


def piece_by_piece(graph: Any, way: Callable[[Any], dict[int, np.ndarray]]) -> dict[int, np.ndarray]:
    """A way for every piece of a graph, the largest first, in rows from left to right: none drives another away."""
    import networkx

    pieces = sorted(networkx.connected_components(graph), key=lambda piece: (-len(piece), min(piece)))
    width = sum(len(piece) ** 0.5 for piece in pieces[:1]) + 1
    found, x, y, height = {}, 0.0, 0.0, 0.0
    for piece in pieces:
        side = len(piece) ** 0.5
        if x + side > width:
            x, y, height = 0.0, y - height - 0.5, 0.0
        places = np.array([place for _, place in sorted(way(graph.subgraph(sorted(piece))).items())], float)
        places = (places - places.min(0)) / max(float(np.ptp(places, 0).max()), 1e-9) * side
        found |= {node: place + [x, y - side] for node, place in zip(sorted(piece), places, strict=True)}
        x, height = x + side + 0.5, max(height, side)
    return found


WAYS: dict[str, Callable[[Any], dict[int, np.ndarray]]] = {
    "spring": spring,
    "kamada_kawai": kamada_kawai,
    "spectral": spectral,
}


def places_of(layout: Layout, positions: Any) -> np.ndarray:
    """Places `[n, 2]`: those that are given, or found by NetworkX in a way that is named.

    Raises:
        ValueError: for another shape or another name.
    """
    n = layout.n_receivers
    if not isinstance(positions, str):
        return check_places(positions, n)
    if positions == "circle":
        return circle(n)
    if positions not in WAYS:
        raise ValueError(
            f"positions must be one of circle, {', '.join(WAYS)}, or an array [n, 2], got {positions!r}; choose one"
        )
    import networkx

    graph = networkx.Graph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from(zip(*(x.tolist() for x in live_edges(layout)), strict=True))
    graph.remove_edges_from(list(networkx.selfloop_edges(graph)))
    found = piece_by_piece(graph, WAYS[positions])
    return np.array([found[i] for i in range(n)], float).reshape(n, 2)
