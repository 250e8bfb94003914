"""Every head of a layer in a panel of its own, all alike so that they can be compared."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tgnn.graphs import EdgeList
from tgnn.plot.arcs import arc_diagram
from tgnn.plot.canvas import AS_WRITTEN, check_labels
from tgnn.plot.shades import NOTHING, SHADES
from tgnn.plot.weighing import Weighed, chosen_heads, weighed
from tgnn.plot.weighted import places_of_edges, weighted_graph


def small_multiples(count: int, columns: int | None, size: tuple[float, float]) -> tuple[Any, list[Any]]:
    """A figure with so many axes, `size` inches each."""
    from tgnn.plot.picture import Picture

    columns = min(count, 4 if columns is None else columns)
    rows = -(-count // columns)
    figure = Picture(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[count:]:
        ax.set_axis_off()
    return figure, list(axes[:count])


def heads(
    graph: Any,
    weights: Any = None,
    *,
    kind: str = "graph",
    words: Sequence[str] | None = None,
    positions: Any = "spring",
    heads: Sequence[int] | None = None,
    threshold: float | None = None,
    columns: int | None = None,
    title: str = "",
    **options: Any,
) -> Any:
    """Draws every head of a layer in a panel of its own; all share places, scale and threshold.

    Args:
        graph: one of `tgnn.analysis.attention_of`; a graph as for `draw_graph`; or weights as matrices.
        weights: of the edges of the graph, `[*edge_shape, heads]`.
        kind: "graph" for `weighted_graph`, "arcs" for `arc_diagram`, or "matrix".
        words: labels of the nodes.
        positions: for "graph"; found once.
        heads: which are drawn; default all.
        threshold: as for `weighted_graph`.
        columns: panels in a row; default 4, for arcs 2.
        title: of the whole.
        **options: of `weighted_graph` or `arc_diagram`.

    Returns:
        A figure, which pyplot does not know of; a notebook shows it.

    Raises:
        ValueError: for heads or kinds that do not exist, and as the panels.

    >>> import tgnn
    >>> len(heads(tgnn.Complete(4), np.full((4, 4, 3), 0.25), kind="matrix").axes)
    4
    """
    if kind not in PANELS:
        raise ValueError(f"kind must be one of {', '.join(PANELS)}, got {kind!r}; choose how a head is drawn")
    edges = weighed(graph, weights)
    chosen = chosen_heads(edges.num_heads, heads)
    draw, size, most_columns = PANELS[kind]
    figure, axes = small_multiples(len(chosen), most_columns if columns is None else columns, size)
    draw(figure, axes, edges, chosen, words, {"threshold": threshold, "positions": positions, **options})
    for ax, head in zip(axes, chosen, strict=True):
        ax.set_title(f"head {head}", fontsize=9)
    if title:
        figure.suptitle(title, **AS_WRITTEN)
    return figure


def listed(edges: Weighed) -> tuple[Any, np.ndarray]:
    """The edges as a layout, with their weights."""
    sizes = {"n_receivers": edges.n_receivers, "n_senders": edges.n_senders}
    return EdgeList.from_edges(edges.senders, edges.receivers, **sizes), edges.weights


def draw_graphs(
    figure: Any, axes: list[Any], edges: Weighed, chosen: list[int], words: Any, options: dict[str, Any]
) -> None:
    """Panels of `weighted_graph`."""
    named = isinstance(options["positions"], str)
    shared = options | {"labels": words, "positions": places_of_edges(edges, options["positions"])}
    shared.setdefault("most", float(np.nanmax(edges.weights[:, chosen], initial=0.0)) or 1.0)
    for ax, head in zip(axes, chosen, strict=True):
        weighted_graph(*listed(edges), head=head, ax=ax, **shared)
        ax.set_aspect("equal" if named else "auto")


def draw_all_arcs(
    figure: Any, axes: list[Any], edges: Weighed, chosen: list[int], words: Any, options: dict[str, Any]
) -> None:
    """Panels of `arc_diagram`."""
    del options["positions"]
    for ax, head in zip(axes, chosen, strict=True):
        layout, weights = listed(edges)
        arc_diagram(layout, words, weights, head=head, ax=ax, **options)


def draw_matrices(
    figure: Any, axes: list[Any], edges: Weighed, chosen: list[int], words: Any, options: dict[str, Any]
) -> None:
    """Heat maps with one scale: grey where there is no edge."""
    from matplotlib import colormaps

    labels = check_labels("words", words, edges.n_senders) if words is not None else None
    colors = colormaps[SHADES].with_extremes(bad=NOTHING)
    shown = None
    for i, (ax, head) in enumerate(zip(axes, chosen, strict=True)):
        shown = ax.imshow(
            np.ma.masked_invalid(edges.matrix(head)), cmap=colors, vmin=0, vmax=1, interpolation="nearest"
        )
        ax.set_xticks([])
        ax.set_yticks([])
        if labels and len(labels) <= 30:
            ax.set_xticks(range(len(labels)), labels=labels, rotation=90, fontsize=6, **AS_WRITTEN)
            if i == 0 and edges.n_receivers == edges.n_senders:
                ax.set_yticks(range(len(labels)), labels=labels, fontsize=6, **AS_WRITTEN)
    figure.colorbar(shown, ax=axes, label="attention weight", shrink=0.8)


PANELS: dict[str, tuple[Callable[..., None], tuple[float, float], int]] = {
    "graph": (draw_graphs, (3.2, 3.2), 4),
    "arcs": (draw_all_arcs, (5.5, 2.6), 2),
    "matrix": (draw_matrices, (2.6, 2.6), 4),
}
