"""Strength as width and shade: the stronger the darker, also in black and white and for every eye."""

from typing import Any

import numpy as np

from tgnn.plot.canvas import UNKNOWN

SHADES = "YlGnBu"  # from light to dark, without a step back
NOTHING = "0.85"  # where there is no edge
# Curves: colours of Okabe and Ito that differ in lightness, each with its own dashes and mark.
COLORS = "#0072B2", "#D55E00", "#009E73", "#000000", "#CC79A7", "#56B4E9", "#E69F00"
DASHES: tuple[Any, ...] = "-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (7, 2))
MARKS = "o", "s", "^", "D", "v", "P", "X"


def curve_style(i: int) -> dict[str, Any]:
    """Colour, dashes and mark of the i-th curve of a picture."""
    return {"color": COLORS[i % 7], "linestyle": DASHES[i % 7], "marker": MARKS[i % 7], "markersize": 4}


def line_styles(strength: np.ndarray, most: float = 1.0, widest: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    """Widths `[n_edge]` and colours `[n_edge, 4]` of edges; those of NaN are thin and red.

    Args:
        strength: float [n_edge].
        most: the strength that is drawn darkest and widest.
        widest: in points.
    """
    from matplotlib import colormaps
    from matplotlib.colors import to_rgba

    known = np.isfinite(strength)
    share = np.clip(np.where(known, strength, 0) / max(most, 1e-12), 0, 1)
    colors = np.array(colormaps[SHADES](0.15 + 0.85 * share)).reshape(-1, 4)
    colors[:, 3] = 0.3 + 0.7 * share
    colors[~known] = to_rgba(UNKNOWN)
    return np.where(known, np.maximum(widest * share, 0.2), 1.0), colors


def strongest_last(strength: np.ndarray, threshold: float | None, uniform: Any) -> np.ndarray:
    """Which edges are drawn, in this order: NaN, and those above the threshold, the strongest on top.

    Args:
        strength: float [n_edge].
        threshold: edges of no more than this are left out.
        uniform: what each edge would have if its receiver looked at all alike; half of it is the default threshold, and
            0.02 where that is less.
    """
    least = np.minimum(0.02, 0.5 * np.asarray(uniform)) if threshold is None else threshold
    kept = np.flatnonzero(~np.isfinite(strength) | (strength > least))
    return kept[np.argsort(np.nan_to_num(strength[kept], nan=-1.0), kind="stable")]
