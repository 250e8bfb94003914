"""Arcs over text: who looks at whom, word by word."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tgnn.graphs.interop import live_edges
from tgnn.plot.canvas import AS_WRITTEN, axes_of, check_labels
from tgnn.plot.graphs import layout_of
from tgnn.plot.shades import line_styles, strongest_last
from tgnn.plot.weighing import Weighed, chosen_heads, weighed

ARC = 25  # points of an arc


def arc_diagram(
    graph: Any,
    words: Sequence[str] | None = None,
    weights: Any = None,
    *,
    head: int | None = None,
    threshold: float | None = None,
    title: str = "",
    ax: Any = None,
) -> Any:
    """Draws edges between the words of a text as arcs: above from earlier senders, below from later ones.

    A loop is a ring above its word. Strong weights are wide and dark; without weights all edges look alike.

    Args:
        graph: a graph of one text, as for `draw_graph`; one of `tgnn.analysis.attention_of`; or weights as matrices.
        words: of the text, as they are written; default none.
        weights: of the edges of the graph, `[*edge_shape]` or `[*edge_shape, heads]`.
        head: whose weights are drawn; default the mean of all.
        threshold: edges of no more than this are left out; default 0.02, or half of what uniform attention gives where
            that is less; without weights none is left out.
        title: of the picture.
        ax: matplotlib axes; default a new figure's.

    Returns:
        The axes.

    Raises:
        ValueError: for words or weights that do not fit, and a bipartite graph.

    >>> import tgnn
    >>> len(arc_diagram(tgnn.Causal(3), ["a", "b", "c"]).collections)
    2
    """
    plain = weights is None and (hasattr(graph, "edge_shape") or hasattr(graph, "n_node"))
    edges = bare(graph) if plain else weighed(graph, weights)
    if edges.n_senders != edges.n_receivers:
        raise ValueError(
            f"graph joins {edges.n_receivers} receivers and {edges.n_senders} senders, but arcs are drawn over one "
            "text; use attention_graph for two"
        )
    n = edges.n_receivers
    words = check_labels("words", words, n)
    heads = chosen_heads(edges.num_heads, None if head is None else [head])
    strength = edges.weights[:, heads].mean(1)
    degree = np.bincount(edges.receivers, minlength=n)[edges.receivers]
    kept = strongest_last(strength, 0.0 if plain else threshold, 1 / np.maximum(degree, 1))
    ax = axes_of(ax, title)
    draw_arcs(ax, edges.senders[kept], edges.receivers[kept], strength[kept], 4.0 if plain else 1.0)
    later = edges.senders - edges.receivers  # room for all arcs, also those that are not drawn
    draw_words(ax, n, words, max(0, -later.min(initial=0)) / 2, later.max(initial=0) / 2)
    return ax


def bare(graph: Any) -> Weighed:
    """The edges of a graph, all with weight 1."""
    layout = layout_of(graph)
    senders, receivers = live_edges(layout)
    return Weighed(senders, receivers, np.ones((len(senders), 1)), layout.n_senders, layout.n_receivers)


def draw_arcs(ax: Any, senders: np.ndarray, receivers: np.ndarray, strength: np.ndarray, most: float) -> None:
    """Half circles between words, rings over a word for loops."""
    from matplotlib.collections import LineCollection

    if not len(senders):
        return
    loop = senders == receivers
    angle = np.where(loop[:, None], np.linspace(-np.pi, np.pi, ARC), np.linspace(0, np.pi, ARC))  # [n_edge, point]
    radius = np.where(loop, 0.3, abs(senders - receivers) / 2)[:, None]
    side = np.where(senders > receivers, -1, 1)[:, None]
    x = (senders + receivers)[:, None] / 2 + radius * np.cos(angle)
    y = side * (0.25 + radius * np.sin(angle) + 0.3 * loop[:, None])  # the words stand in between
    widths, colors = line_styles(strength, most)
    ax.add_collection(LineCollection(np.stack([x, y], -1), linewidths=widths, colors=colors))


def draw_words(ax: Any, n: int, words: list[str] | None, above: float, below: float) -> None:
    """The words in a row, upright where they are many or long, between arcs of these heights."""
    places = np.stack([np.arange(n), np.zeros(n)], 1)
    ax.scatter(*places.T, s=0 if words else 9, color="black", zorder=3)
    upright = words is not None and sum(map(len, words)) > 70
    for x, word in enumerate(words or []):
        style = {"rotation": 90 if upright else 0, "va": "center", "ha": "center", "fontsize": 7 if upright else 9}
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        ax.text(x, 0, word, bbox=box, **style, **AS_WRITTEN)
    ax.set_xlim(-0.8, max(n, 1) - 0.2)
    ax.set_ylim(-below - 0.8, above + 1.0)
    ax.set_axis_off()
