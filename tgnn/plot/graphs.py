"""Graphs: nodes and edges, and the matrix of who sees whom."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tgnn.graphs import Dense, Layout
from tgnn.graphs.interop import as_layout, from_scipy, live_edges
from tgnn.plot.canvas import axes_of
from tgnn.plot.edges import GREY, draw_bipartite_edges, draw_edges_of_one_set, styled_edges
from tgnn.plot.nodes import circle, draw_nodes, two_rows
from tgnn.plot.placing import places_of


def draw_graph(
    graph: Any,
    *,
    positions: np.ndarray | str | None = None,
    labels: Sequence[str] | None = None,
    sender_labels: Sequence[str] | None = None,
    colors: Any = None,
    node_size: float = 60.0,
    edge_width: Any = 0.8,
    edge_color: Any = GREY,
    title: str = "",
    ax: Any = None,
) -> Any:
    """Draws nodes and edges: one set of nodes on a circle or at their places, or senders above receivers.

    Args:
        graph: a layout, an adjacency matrix `[n_receivers, n_senders]` (not zero: an edge), or a `jraph.GraphsTuple`. A
            graph whose senders are as many as its receivers is taken to have one set of nodes.
        positions: `[n, 2]`, places of the nodes of one set, drawn as they are; or how NetworkX finds them: "spring",
            "kamada_kawai" or "spectral"; default a circle.
        labels: of the receivers, as they are written; left out where there are more than 60.
        sender_labels: of the senders, where they are a set of their own; with them a square graph is drawn bipartite.
        colors: of the receivers, anything that matplotlib's scatter takes, or classes `[n]`, numbers or names.
        node_size: in square points.
        edge_width: in points: one, or one for each edge in the caller's order, `[n_edge]`; for layouts with slots also
            `[*edge_shape]`.
        edge_color: a colour (a string or a tuple), or one for each edge likewise: a list of colours, or numbers, which
            the colour map viridis spreads from the least to the largest.
        title: of the picture.
        ax: matplotlib axes; default a new figure's.

    Returns:
        The axes.

    Raises:
        ValueError: `positions`, labels, widths or colours do not fit the graph.

    Edges between nodes of one set are arrows; where both directions exist and look alike they are one line. A self-loop
    is a ring around its node. Further copies of an edge are bent, those of a loop wider.

    >>> import tgnn
    >>> len(draw_graph(tgnn.Causal(3)).patches)  # the edges 0 -> 1, 0 -> 2, 1 -> 2
    3
    """
    layout = layout_of(graph)
    edges = styled_edges(layout, edge_width, edge_color)
    bipartite = layout.n_receivers != layout.n_senders or sender_labels is not None
    if bipartite and positions is not None:
        raise ValueError("positions are of one set of nodes, but senders and receivers are drawn in two rows; omit it")
    places = None if positions is None else places_of(layout, positions)
    ax = axes_of(ax, title)
    ax.set_axis_off()
    if bipartite:
        upper, lower = two_rows(layout.n_senders, layout.n_receivers)
        draw_bipartite_edges(ax, upper, lower, edges)
        draw_nodes(ax, upper, "sender_labels", sender_labels, None, node_size, side=1)
        draw_nodes(ax, lower, "labels", labels, colors, node_size, side=-1)
        ax.set_ylim(-0.2, 1.2)
        return ax
    ax.set_aspect("equal" if places is None else "auto")
    places = circle(layout.n_receivers) if places is None else places
    draw_edges_of_one_set(ax, places, edges, node_size)
    draw_nodes(ax, places, "labels", labels, colors, node_size)
    ax.margins(0.1)
    return ax


def draw_adjacency(graph: Any, *, title: str = "", ax: Any = None) -> Any:
    """Draws the matrix of a graph: receivers downwards, senders to the right, a dark square where there is an edge.

    Args:
        graph: as for `draw_graph`.
        title: of the picture.
        ax: matplotlib axes; default a new figure's.

    Returns:
        The axes.
    """
    layout = layout_of(graph)
    senders, receivers = live_edges(layout)
    matrix = np.zeros((layout.n_receivers, layout.n_senders), bool)
    matrix[receivers, senders] = True
    ax = axes_of(ax, title)
    extent = (-0.5, max(matrix.shape[1], 1) - 0.5, max(matrix.shape[0], 1) - 0.5, -0.5)  # also where there is nothing
    ax.imshow(matrix, cmap="Greys", vmin=0, vmax=1.3, interpolation="nearest", extent=extent)
    ax.set_xlabel("sender")
    ax.set_ylabel("receiver")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.yaxis.get_major_locator().set_params(integer=True)
    return ax


def layout_of(graph: Any) -> Layout:
    """What `draw_graph` takes, as a layout."""
    if hasattr(graph, "tocoo"):
        return from_scipy(graph)
    if isinstance(graph, list | np.ndarray) or (hasattr(graph, "ndim") and not isinstance(graph, Layout)):
        matrix = np.asarray(graph)
        if matrix.ndim != 2 or matrix.dtype.kind not in "biuf":
            raise ValueError(
                f"graph has shape {matrix.shape} and type {matrix.dtype}, but an adjacency is a matrix of numbers or "
                "bools [n_receivers, n_senders]; pass that, or a layout"
            )
        return Dense(matrix != 0)
    n_node = 0 if isinstance(graph, Layout) or not hasattr(graph, "n_node") else int(np.sum(graph.n_node))
    return as_layout(graph, n_node, n_node)
