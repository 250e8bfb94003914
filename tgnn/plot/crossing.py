"""Time against size, and where one way becomes faster than another."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tgnn.plot.canvas import AS_WRITTEN, axes_of
from tgnn.plot.shades import curve_style
from tgnn.typing import ArrayLike


def crossovers(x: ArrayLike, first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Where two curves cross, straight lines between the points of a picture with logarithmic axes.

    Args:
        x: `[k]`, ascending and positive.
        first: `[k]`, positive; NaN where it was not measured.
        second: `[k]`, likewise.

    Returns:
        `[crossings]`, the values of x; a stretch on which both are equal is no crossing.

    >>> crossovers([1, 10, 100], [1, 10, 100], [10, 10, 10]).round(6).tolist()
    [10.0]
    """
    x = np.log(np.asarray(x, float))
    gap = np.log(np.asarray(first, float)) - np.log(np.asarray(second, float))
    known = np.flatnonzero(np.isfinite(gap) & (gap != 0))
    found = []
    for left, right in zip(known[:-1], known[1:], strict=True):
        if gap[left] * gap[right] < 0:
            share = gap[left] / (gap[left] - gap[right])
            found.append(np.exp(x[left] + share * (x[right] - x[left])))
    return np.array(found)


def speed_curves(
    x: Sequence[float],
    seconds: Mapping[str, Any],
    *,
    crossing: tuple[str, str] | None = None,
    xlabel: str = "nodes",
    ylabel: str = "seconds",
    title: str = "",
    ax: Any = None,
) -> Any:
    """Draws how long each way takes, both axes logarithmic, and marks where two of them cross.

    Args:
        x: sizes, `[k]`, positive, such as numbers of nodes or shares of the edges.
        seconds: by name `[k]` or, of several measurements, `[runs, k]`, drawn as median and range; NaN is left out.
        crossing: the names of two, whose crossings are marked.
        xlabel: of the horizontal axis.
        ylabel: of the vertical axis.
        title: of the picture.
        ax: matplotlib axes; default a new figure's.

    Returns:
        The axes.

    Raises:
        ValueError: for no curve, one with another number of points, and names that do not exist.

    >>> ax = speed_curves([1, 10, 100], {"edges": [1, 10, 100], "dense": [10, 10, 10]}, crossing=("edges", "dense"))
    >>> [text.get_text() for text in ax.texts]
    ['10']
    """
    curves = {name: np.atleast_2d(np.asarray(values, float)) for name, values in seconds.items()}
    for name, values in curves.items():
        if values.ndim != 2 or values.shape[1] != len(x):
            raise ValueError(f"seconds[{name!r}] has shape {values.shape}, expected [runs, {len(x)}], one for each x")
    if not curves or (crossing is not None and not set(crossing) <= set(curves)):
        raise ValueError(f"seconds has the curves {list(curves)}, but {crossing or 'at least one'} is asked for")
    ax = axes_of(ax, title)
    medians = {name: np.nanmedian(values, 0) if values.size else values[0] for name, values in curves.items()}
    for i, (name, values) in enumerate(curves.items()):
        style = curve_style(i)
        ax.plot(x, medians[name], label=name, **style)
        if len(values) > 1:
            ax.fill_between(x, np.nanmin(values, 0), np.nanmax(values, 0), color=style["color"], alpha=0.2, linewidth=0)
    for place in crossovers(x, *(medians[name] for name in crossing)) if crossing else []:
        ax.axvline(place, color="0.4", linewidth=1, linestyle=":")
        ax.annotate(
            f"{place:.3g}", (place, 0.02), xycoords=("data", "axes fraction"), rotation=90, ha="right", fontsize=8
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel(xlabel, **AS_WRITTEN)
    ax.set_ylabel(ylabel, **AS_WRITTEN)
    ax.grid(alpha=0.3)
    for text in ax.legend().get_texts():
        text.set(**AS_WRITTEN)
    return ax
