"""Learning curves: metrics over steps."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tgnn.plot.canvas import AS_WRITTEN, axes_of
from tgnn.plot.shades import curve_style


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
        records: dicts with "step", such as `tgnn.training.read_metrics` reads; those without a metric are skipped.
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
    names = (names,) if isinstance(names, str) else names
    curves = {name: [(r["step"], r[name]) for r in records if r.get(name) is not None] for name in names}
    curves = {name: np.array(points, float) for name, points in curves.items() if points}
    if not curves:
        raise ValueError(f"no record has any of the metrics {', '.join(names)}; log them first")
    ax = axes_of(ax, title)
    for i, (name, points) in enumerate(curves.items()):
        style = curve_style(i) | ({} if len(points) < 30 else {"marker": ""})
        ax.plot(*points.T, label=name.replace("_", " "), **style)
    ax.set_yscale("log" if log else "linear")
    ax.set_xlabel("step")
    ax.set_ylabel(ylabel, **AS_WRITTEN)
    ax.grid(alpha=0.3)
    for text in ax.legend().get_texts():
        text.set(**AS_WRITTEN)
    return ax
