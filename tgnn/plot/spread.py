"""Curves of several runs each: their mean as a line, their spread as a band."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tgnn.plot.canvas import AS_WRITTEN, axes_of
from tgnn.plot.shades import curve_style


def spread_curves(
    x: Sequence[float],
    runs: Mapping[str, Any],
    *,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
    ax: Any = None,
) -> Any:
    """Draws a quality against a quantity, such as that of a network against the heads that were removed.

    Args:
        x: where the curves were measured.
        runs: by name `[runs, len(x)]`, or `[len(x)]` of one run. The band is a standard deviation to either side.
        xlabel: of the horizontal axis.
        ylabel: of the vertical axis.
        title: of the picture.
        ax: matplotlib axes; default a new figure's.

    Returns:
        The axes.

    Raises:
        ValueError: for no curve, and for one with another number of points.
    """
    if not runs:
        raise ValueError("runs is empty; give one array for each curve")
    curves = {name: np.atleast_2d(np.asarray(values, float)) for name, values in runs.items()}
    for name, values in curves.items():
        if values.ndim != 2 or values.shape[1] != len(x):
            raise ValueError(f"runs[{name!r}] has shape {values.shape}, expected [runs, {len(x)}], one for each x")
    ax = axes_of(ax, title)
    for i, (name, values) in enumerate(curves.items()):
        mean = values.mean(0)
        (line,) = ax.plot(x, mean, label=name, **curve_style(i))
        if len(values) > 1:
            spread = values.std(0, ddof=1)
            ax.fill_between(x, mean - spread, mean + spread, color=line.get_color(), alpha=0.2, linewidth=0)
    ax.set_xlabel(xlabel, **AS_WRITTEN)
    ax.set_ylabel(ylabel, **AS_WRITTEN)
    ax.grid(alpha=0.3)
    for text in ax.legend().get_texts():
        text.set(**AS_WRITTEN)
    return ax


def pruning_curves(
    removed: Sequence[int],
    runs: Mapping[str, Any],
    *,
    total: int,
    whole: float | None = None,
    ylabel: str = "quality",
    title: str = "",
    ax: Any = None,
) -> Any:
    """Draws what is left of a network's quality when parts of it are removed, in one order or another.

    Args:
        removed: how many parts are gone, `[k]`.
        runs: by order, such as "least important first" and "random": `[runs, k]`, or `[k]` of one run.
        total: how many parts there are.
        whole: the quality of the whole network, drawn as a level line.
        ylabel: of the vertical axis.
        title: of the picture.
        ax: matplotlib axes; default a new figure's.

    Returns:
        The axes.

    Raises:
        ValueError: as `spread_curves`, and for more parts than there are.

    >>> pruning_curves([0, 6, 12], {"random": [0.9, 0.7, 0.1]}, total=12, whole=0.9).get_xlabel()
    'removed, of 12 (%)'
    """
    if len(removed) and not 0 <= min(removed) <= max(removed) <= total:
        raise ValueError(f"removed goes from {min(removed)} to {max(removed)}, but there are {total}; count again")
    share = [100 * count / max(total, 1) for count in removed]
    ax = axes_of(ax, title)
    if whole is not None:
        ax.axhline(whole, color="0.5", linewidth=1, linestyle=":", label="whole network")
    return spread_curves(share, runs, xlabel=f"removed, of {total} (%)", ylabel=ylabel, ax=ax)
