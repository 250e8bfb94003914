"""Attention weights: as a heat map, and as a bipartite graph."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tgnn.plot.canvas import AS_WRITTEN, UNKNOWN, axes_of, check_labels
from tgnn.plot.edges import draw_lines
from tgnn.plot.nodes import draw_nodes, two_rows
from tgnn.plot.shades import SHADES


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
        weights: `[n_receivers, n_senders]` in [0, 1]; NaN is drawn in red; the larger the darker.
        receivers: labels of the rows, as they are written.
        senders: labels of the columns.
        title: of the picture.
        ax: matplotlib axes; default a new figure's.

    Returns:
        The axes.

    Raises:
        ValueError: weights are no matrix, or labels do not fit.
    """
    weights, receivers, senders = check_weights(weights, receivers, senders)
    from matplotlib import colormaps

    ax = axes_of(ax, title)
    colors = colormaps[SHADES].with_extremes(bad=UNKNOWN)
    extent = (-0.5, max(weights.shape[1], 1) - 0.5, max(weights.shape[0], 1) - 0.5, -0.5)  # also where there is nothing
    style = {"vmin": 0, "vmax": 1, "aspect": "auto", "interpolation": "nearest", "extent": extent}
    picture = ax.imshow(np.ma.masked_invalid(weights), cmap=colors, **style)
    if senders is not None:
        ax.set_xticks(range(len(senders)), labels=senders, **AS_WRITTEN)
    if receivers is not None:
        ax.set_yticks(range(len(receivers)), labels=receivers, **AS_WRITTEN)
    ax.figure.colorbar(picture, ax=ax, label="attention weight")
    return ax


def attention_graph(
    weights: Any,
    receivers: Sequence[str] | None = None,
    senders: Sequence[str] | None = None,
    *,
    threshold: float | None = None,
    title: str = "",
    ax: Any = None,
) -> Any:
    """Draws attention weights as a bipartite graph, senders above receivers, the width of an edge its weight.

    Args:
        weights: `[n_receivers, n_senders]` in [0, 1]; edges of NaN and infinity are drawn as thin red lines.
        receivers: labels of the lower row, as they are written; left out where there are more than 60.
        senders: labels of the upper row.
        threshold: edges of no more than this are left out; default 0.02, or half of what uniform attention gives where
            that is less.
        title: of the picture.
        ax: matplotlib axes; default a new figure's.

    Returns:
        The axes.

    Raises:
        ValueError: weights are no matrix, or labels do not fit.
    """
    weights, receivers, senders = check_weights(weights, receivers, senders)
    ax = axes_of(ax, title)
    ax.set_axis_off()
    n_receivers, n_senders = weights.shape
    threshold = min(0.02, 0.5 / max(n_senders, 1)) if threshold is None else threshold
    upper, lower = two_rows(n_senders, n_receivers)
    known = np.isfinite(weights)
    lower_ends, upper_ends = np.nonzero(~known | (weights > threshold))
    strength, known = weights[lower_ends, upper_ends], known[lower_ends, upper_ends]
    draw_lines(ax, upper[upper_ends], lower[lower_ends], *line_styles(strength, known))
    draw_nodes(ax, upper, "senders", senders, None, 60.0, side=1)
    draw_nodes(ax, lower, "receivers", receivers, None, 60.0, side=-1)
    ax.set_ylim(-0.2, 1.2)
    return ax


def line_styles(strength: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Widths `[n_edge]` and colours `[n_edge, 4]`: light edges are thin and faint."""
    from matplotlib.colors import to_rgba

    colors = np.where(known[:, None], np.array([to_rgba("tab:blue")]), np.array([to_rgba(UNKNOWN)]))
    colors[known, 3] = np.clip(strength[known], 0.1, 1.0)
    return np.where(known, 5 * strength, 1.0), colors


def check_weights(
    weights: Any, receivers: Sequence[str] | None, senders: Sequence[str] | None
) -> tuple[np.ndarray, list[str] | None, list[str] | None]:
    """A matrix of floats with its labels, or a ValueError."""
    try:
        weights = np.asarray(weights, float)
    except (TypeError, ValueError):
        raise ValueError(
            f"weights must be a matrix of numbers, got {type(weights).__name__}; what edges of a layout weigh "
            "is drawn by tgnn.plot.weighted_graph(layout, weights)"
        ) from None
    if weights.ndim != 2:
        raise ValueError(
            f"weights has shape {weights.shape}, expected [n_receivers, n_senders]; choose or average heads"
        )
    n_receivers, n_senders = weights.shape
    return weights, check_labels("receivers", receivers, n_receivers), check_labels("senders", senders, n_senders)
