"""Attention on a graph: the stronger a weight, the wider and darker its edge."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tgnn.graphs import EdgeList
from tgnn.plot.canvas import axes_of, check_labels
from tgnn.plot.edges import BEND, draw_lines
from tgnn.plot.nodes import circle, draw_nodes
from tgnn.plot.placing import places_of
from tgnn.plot.shades import line_styles, strongest_last
from tgnn.plot.weighing import Weighed, chosen_heads, weighed


def weighted_graph(
    graph: Any,
    weights: Any = None,
    *,
    head: int | None = None,
    positions: Any = "spring",
    labels: Sequence[str] | None = None,
    colors: Any = "0.5",
    node_size: float | None = None,
    threshold: float | None = None,
    most: float | None = None,
    title: str = "",
    ax: Any = None,
) -> Any:
    """Draws attention on a graph: the stronger a weight, the wider and darker its edge.

    An edge is bent to the right of its direction, so that both directions are seen; a loop is a ring around its node.
    Those below the threshold are faint straight lines.

    Args:
        graph: one of `tgnn.analysis.attention_of`; a graph as for `draw_graph`; or weights as matrices.
        weights: of the edges of the graph, `[*edge_shape]` or `[*edge_shape, heads]`.
        head: whose weights are drawn; default the mean of all.
        positions: as for `draw_graph`; "circle" is one too.
        labels: of the nodes, as they are written; left out where there are more than 60.
        colors: as for `draw_graph`.
        node_size: in square points; default smaller where there are many.
        threshold: edges of no more than this are left out; see `arc_diagram`.
        most: the weight that is drawn darkest; default the largest.
        title: of the picture.
        ax: matplotlib axes; default a new figure's.

    Returns:
        The axes.

    Raises:
        ValueError: for weights, positions or labels that do not fit, and a bipartite graph.

    >>> import tgnn
    >>> weights = np.full((4, 4), 0.25)
    >>> weighted_graph(tgnn.Complete(4), weights, labels="abcd", positions="circle").get_title()
    ''
    """
    edges = weighed(graph, weights)
    if edges.n_senders != edges.n_receivers:
        raise ValueError(
            f"graph joins {edges.n_receivers} receivers and {edges.n_senders} senders, but nodes of one kind are "
            "drawn; use attention_graph for two"
        )
    n = edges.n_receivers
    labels = check_labels("labels", labels, n)
    places = places_of_edges(edges, positions)
    strength = edges.weights[:, chosen_heads(edges.num_heads, None if head is None else [head])].mean(1)
    degree = np.bincount(edges.receivers, minlength=n)[edges.receivers]
    kept = strongest_last(strength, threshold, 1 / np.maximum(degree, 1))
    known = strength[np.isfinite(strength)]
    most = float(known.max(initial=0.0)) or 1.0 if most is None else most
    ax = axes_of(ax, title)
    ax.set_axis_off()
    size = node_size if node_size is not None else 60.0 if labels else float(np.clip(1000 / max(n, 1), 3, 40))
    draw_lines(ax, places[edges.senders], places[edges.receivers], 0.3, FAINT)
    draw_weights(ax, places, edges.senders[kept], edges.receivers[kept], line_styles(strength[kept], most), size)
    draw_nodes(ax, places, "labels", labels, colors, size)
    ax.set_aspect("equal" if isinstance(positions, str) else "auto")
    ax.margins(0.08)
    return ax


FAINT = "0.85"  # edges below the threshold


def places_of_edges(edges: Weighed, positions: Any) -> np.ndarray:
    """Places of the nodes between which there are edges."""
    if isinstance(positions, str) and positions == "circle":
        return circle(edges.n_receivers)
    return places_of(EdgeList.from_edges(edges.senders, edges.receivers, n_receivers=edges.n_receivers), positions)


def draw_weights(
    ax: Any,
    places: np.ndarray,
    senders: np.ndarray,
    receivers: np.ndarray,
    styles: tuple[np.ndarray, np.ndarray],
    size: float,
) -> None:
    """Bent lines, and rings for loops."""
    widths, colors = styles
    loop = senders == receivers
    ends = places[senders[~loop]], places[receivers[~loop]]
    draw_lines(ax, *ends, widths[~loop], colors[~loop], bend=np.full((~loop).sum(), BEND))
    ring: dict[str, Any] = {"facecolors": "none", "edgecolors": colors[loop], "linewidths": widths[loop]}
    ax.scatter(*places[senders[loop]].T, s=3 * size, zorder=1, **ring)
