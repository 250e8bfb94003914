"""Pictures: a graph, its adjacency, attention as a heat map and as a graph, learning curves.

Every function draws on `ax` and returns it. Without one it makes a figure of its own, which pyplot does not know of, so
that nothing needs closing: `ax.figure.savefig("graph.png")`. Needs matplotlib, which is imported when drawing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tgnn.graphs import Dense, Layout
from tgnn.graphs.interop import as_layout, live_edges

MAX_LABELS = 60  # more than these cannot be read


def draw_graph(
    graph: Any,
    *,
    positions: np.ndarray | None = None,
    labels: Sequence[str] | None = None,
    sender_labels: Sequence[str] | None = None,
    colors: Any = None,
    node_size: float = 60.0,
    edge_width: float = 0.8,
    title: str = "",
    ax: Any = None,
) -> Any:
    """Draws nodes and edges: one set of nodes on a circle, or senders above receivers.

    Args:
        graph: a layout, a bool adjacency matrix `[n_receivers, n_senders]`, or a `jraph.GraphsTuple`. A graph
            whose senders are as many as its receivers is taken to have one set of nodes.
        positions: `[n, 2]`, places of the nodes of one set; default a circle.
        labels: of the receivers.
        sender_labels: of the senders, where they are a set of their own; with them a square graph is drawn bipartite.
        colors: of the receivers, anything that matplotlib's scatter takes, such as classes `[n]`.
        node_size: in square points.
        edge_width: in points.
        title: of the picture.
        ax: matplotlib axes; default a new figure's.

    Returns:
        The axes.

    Raises:
        ValueError: `positions` or labels do not fit the graph.

    Edges between nodes of one set are arrows unless both directions exist; a self-loop is a ring around its node.

    >>> import tgnn
    >>> len(draw_graph(tgnn.Causal(3)).patches)  # the edges 0 -> 1, 0 -> 2, 1 -> 2
    3
    """
    layout = _as_layout(graph)
    senders, receivers = live_edges(layout)
    ax = _axes(ax, title)
    ax.set_axis_off()
    if layout.n_receivers != layout.n_senders or sender_labels is not None:
        ends = _two_rows(layout.n_senders, layout.n_receivers)
        _lines(ax, ends[0][senders], ends[1][receivers], color="0.6", linewidths=edge_width)
        _nodes(ax, ends[0], "senders", sender_labels, None, node_size, shift=0.06)
        _nodes(ax, ends[1], "labels", labels, colors, node_size, shift=-0.06)
        ax.set_ylim(-0.2, 1.2)
        return ax
    places = _circle(layout.n_receivers) if positions is None else np.asarray(positions, float)
    if places.shape != (layout.n_receivers, 2):
        raise ValueError(
            f"positions has shape {places.shape} but the graph has {layout.n_receivers} nodes; pass [n, 2]"
        )
    ax.set_aspect("equal" if positions is None else "auto")
    _edges_of_one_set(ax, places, senders, receivers, node_size, edge_width)
    _nodes(ax, places, "labels", labels, colors, node_size)
    ax.margins(0.1)
    return ax


def draw_adjacency(graph: Any, *, title: str = "", ax: Any = None) -> Any:
    """Draws the matrix of a graph: receivers downwards, senders to the right, a dark square for each edge.

    Args:
        graph: as for `draw_graph`.
        title: of the picture.
        ax: matplotlib axes; default a new figure's.

    Returns:
        The axes.
    """
    ax = _axes(ax, title)
    matrix = np.asarray(_as_layout(graph).adjacency())
    extent = (-0.5, max(matrix.shape[1], 1) - 0.5, max(matrix.shape[0], 1) - 0.5, -0.5)  # also where there is nothing
    ax.imshow(matrix, cmap="Greys", vmin=0, vmax=1.3, interpolation="nearest", extent=extent)
    ax.set_xlabel("sender")
    ax.set_ylabel("receiver")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.yaxis.get_major_locator().set_params(integer=True)
    return ax


def alignment(
    weights: Any,
    receivers: Sequence[str] | None = None,
    senders: Sequence[str] | None = None,
    *,
    title: str = "",
    ax: Any = None,
) -> Any:
    """Draws attention weights as a heat map, such as phonemes (downwards) that look at letters (to the right).

    Args:
        weights: `[n_receivers, n_senders]` in [0, 1].
        receivers: labels of the rows.
        senders: labels of the columns.
        title: of the picture.
        ax: matplotlib axes; default a new figure's.

    Returns:
        The axes.

    Raises:
        ValueError: weights are no matrix, or labels do not fit.
    """
    weights = _matrix(weights, receivers, senders)
    ax = _axes(ax, title)
    picture = ax.imshow(weights, cmap="viridis", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    if senders is not None:
        ax.set_xticks(range(len(senders)), labels=list(senders))
    if receivers is not None:
        ax.set_yticks(range(len(receivers)), labels=list(receivers))
    ax.figure.colorbar(picture, ax=ax, label="attention weight")
    return ax


def attention_graph(
    weights: Any,
    receivers: Sequence[str] | None = None,
    senders: Sequence[str] | None = None,
    *,
    threshold: float = 0.02,
    title: str = "",
    ax: Any = None,
) -> Any:
    """Draws attention weights as a bipartite graph, senders above receivers, the width of an edge its weight.

    Args:
        weights: `[n_receivers, n_senders]` in [0, 1].
        receivers: labels of the lower row.
        senders: labels of the upper row.
        threshold: lighter edges are left out.
        title: of the picture.
        ax: matplotlib axes; default a new figure's.

    Returns:
        The axes.

    Raises:
        ValueError: weights are no matrix, or labels do not fit.
    """
    weights = _matrix(weights, receivers, senders)
    ax = _axes(ax, title)
    ax.set_axis_off()
    upper, lower = _two_rows(weights.shape[1], weights.shape[0])
    kept_receivers, kept_senders = np.nonzero(weights > threshold)
    strength = weights[kept_receivers, kept_senders]
    alpha = np.clip(strength, 0.1, 1)
    _lines(ax, upper[kept_senders], lower[kept_receivers], color="tab:blue", linewidths=5 * strength, alpha=alpha)
    _nodes(ax, upper, "senders", senders, None, 60.0, shift=0.06)
    _nodes(ax, lower, "receivers", receivers, None, 60.0, shift=-0.06)
    ax.set_ylim(-0.2, 1.2)
    return ax


def learning_curves(
    records: Sequence[Mapping[str, Any]],
    names: Sequence[str] = ("loss",),
    *,
    log: bool = False,
    ylabel: str = "",
    title: str = "",
    ax: Any = None,
) -> Any:
    """Draws metrics over steps.

    Args:
        records: dicts with "step", such as `tgnn.metrics_log.read_metrics` reads; those without a metric are skipped.
        names: of the metrics to draw, one line each.
        log: whether the vertical axis is logarithmic.
        ylabel: of the vertical axis.
        title: of the picture.
        ax: matplotlib axes; default a new figure's.

    Returns:
        The axes.

    Raises:
        ValueError: no record has any of the metrics.
    """
    curves = {name: [(r["step"], r[name]) for r in records if r.get(name) is not None] for name in names}
    curves = {name: np.array(points, float) for name, points in curves.items() if points}
    if not curves:
        raise ValueError(f"no record has any of the metrics {', '.join(names)}; log them first")
    ax = _axes(ax, title)
    for name, points in curves.items():
        ax.plot(*points.T, label=name.replace("_", " "), marker="." if len(points) < 30 else "")
    ax.set_yscale("log" if log else "linear")
    ax.set_xlabel("step")
    ax.set_ylabel(ylabel)
    ax.grid(alpha=0.3)
    ax.legend()
    return ax


def _axes(ax: Any, title: str) -> Any:
    if ax is None:
        from matplotlib.figure import Figure  # here, because nothing else needs matplotlib

        ax = Figure(layout="constrained").add_subplot()
    if title:
        ax.set_title(title)
    return ax


def _as_layout(graph: Any) -> Layout:
    if isinstance(graph, np.ndarray) or (hasattr(graph, "ndim") and not isinstance(graph, Layout)):
        matrix = np.asarray(graph)
        if matrix.ndim != 2:
            raise ValueError(f"graph has shape {matrix.shape} but an adjacency is [n_receivers, n_senders]")
        return Dense(matrix != 0)
    n_node = 0 if isinstance(graph, Layout) or not hasattr(graph, "n_node") else int(np.sum(graph.n_node))
    return as_layout(graph, n_node, n_node)


def _matrix(weights: Any, receivers: Sequence[str] | None, senders: Sequence[str] | None) -> np.ndarray:
    weights = np.asarray(weights, float)
    if weights.ndim != 2:
        raise ValueError(
            f"weights has shape {weights.shape}, expected [n_receivers, n_senders]; choose or average heads"
        )
    for name, labels, size in zip(("receivers", "senders"), (receivers, senders), weights.shape, strict=True):
        _check_labels(name, labels, size)
    return weights


def _check_labels(name: str, labels: Sequence[str] | None, size: int) -> None:
    if labels is not None and len(labels) != size:
        raise ValueError(
            f"{name} has {len(labels)} entries but the graph has {size} such nodes; pass one label per node"
        )


def _circle(n: int) -> np.ndarray:
    """Places from the top, clockwise: `[n, 2]`."""
    angle = np.pi / 2 - 2 * np.pi * np.arange(n) / max(n, 1)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _two_rows(n_senders: int, n_receivers: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the senders, above, and of the receivers, below, each spread over the whole width."""
    rows = []
    for n, height in ((n_senders, 1.0), (n_receivers, 0.0)):
        rows.append(np.stack([(np.arange(n) + 0.5) / max(n, 1), np.full(n, height)], axis=1))
    return rows[0], rows[1]


def _lines(ax: Any, starts: np.ndarray, ends: np.ndarray, **style: Any) -> None:
    from matplotlib.collections import LineCollection

    ax.add_collection(LineCollection(np.stack([starts, ends], axis=1), zorder=1, **style))


def _edges_of_one_set(
    ax: Any, places: np.ndarray, senders: np.ndarray, receivers: np.ndarray, node_size: float, edge_width: float
) -> None:
    edges = set(zip(senders.tolist(), receivers.tolist(), strict=True))
    mutual = np.array([(s, r) for s, r in edges if s < r and (r, s) in edges], int).reshape(-1, 2)
    _lines(ax, places[mutual[:, 0]], places[mutual[:, 1]], color="0.6", linewidths=edge_width)
    loops = places[[s for s, r in edges if s == r]]
    ax.scatter(*loops.T, s=4 * node_size, facecolors="none", edgecolors="0.6", linewidths=edge_width, zorder=1)
    arrow = {"arrowstyle": "-|>", "color": "0.6", "linewidth": edge_width, "mutation_scale": 8}
    from matplotlib.patches import FancyArrowPatch

    for sender, receiver in sorted(edges):
        if sender != receiver and (receiver, sender) not in edges:
            ax.add_patch(FancyArrowPatch(places[sender], places[receiver], shrinkA=4, shrinkB=5, zorder=1, **arrow))


def _nodes(ax: Any, places: np.ndarray, name: str, labels: Any, colors: Any, size: float, shift: float = 0.0) -> None:
    """Points with their labels in them, above or below (`shift`), or outside of the circle where they are words."""
    _check_labels(name, labels, len(places))
    shade = {"color": "tab:blue"} if colors is None else {"c": colors, "cmap": "tab10"}
    ax.scatter(*places.T, s=size, zorder=2, **shade)
    if labels is None or len(places) > MAX_LABELS:
        return
    words = not shift and max(len(str(label)) for label in labels) > 2
    align = {"ha": "center", "va": "bottom" if shift > 0 else "top" if shift < 0 else "center", "zorder": 3}
    for (x, y), label in zip(places, labels, strict=True):
        if words:
            align["ha"] = "left" if x > 0.1 else "right" if x < -0.1 else "center"
        place = (1.14 * x, 1.14 * y) if words else (x, y + shift)
        ax.text(*place, label, color="black" if shift or words else "white", fontsize=10 if shift else 7, **align)
