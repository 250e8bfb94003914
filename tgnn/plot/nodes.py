"""Nodes: their places, points and labels."""

from typing import Any

import numpy as np

from tgnn.plot.canvas import AS_WRITTEN, check_labels

MAX_LABELS = 60  # more than these cannot be read


def circle(n: int) -> np.ndarray:
    """Places from the top, clockwise: `[n, 2]`."""
    angle = np.pi / 2 - 2 * np.pi * np.arange(n) / max(n, 1)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def two_rows(n_senders: int, n_receivers: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the senders, above, and of the receivers, below, each spread over the whole width."""
    rows = []
    for n, height in ((n_senders, 1.0), (n_receivers, 0.0)):
        rows.append(np.stack([(np.arange(n) + 0.5) / max(n, 1), np.full(n, height)], axis=1))
    return rows[0], rows[1]


def check_places(positions: Any, n: int) -> np.ndarray:
    """Places `[n, 2]` as given, or a ValueError."""
    places = np.asarray(positions, float)
    if places.shape != (n, 2):
        raise ValueError(f"positions has shape {places.shape} but the graph has {n} nodes; pass [n, 2]")
    if not np.isfinite(places).all():
        node = int(np.isfinite(places).all(axis=1).argmin())
        raise ValueError(f"positions[{node}] is {places[node].tolist()}; give every node a finite place")
    return places


def draw_nodes(ax: Any, places: np.ndarray, name: str, labels: Any, colors: Any, size: float, side: int = 0) -> None:
    """Points at their places, with labels above (`side` 1), below (-1), or in them; words stand outwards of them.

    A label has the place of its node, moved by so many points of the page: no coordinate is changed.
    """
    labels = check_labels(name, labels, len(places))
    from matplotlib.colors import is_color_like

    shade: dict[str, Any] = {"c": "tab:blue" if colors is None else colors}
    if np.ndim(shade["c"]) == 1 and np.asarray(shade["c"]).dtype.kind in "US" and not all(map(is_color_like, colors)):
        shade["c"] = np.unique(np.asarray(colors), return_inverse=True)[1]  # names of classes
    if np.asarray(shade["c"]).dtype.kind in "biuf" and np.ndim(shade["c"]) == 1:  # classes, not colours
        shade["cmap"] = "tab10"
    ax.scatter(*places.T, s=size, zorder=2, **shade)
    if labels is None or not 0 < len(places) <= MAX_LABELS:
        return
    away = np.zeros_like(places) + [0.0, float(side)]
    inside = not side and max(map(len, labels)) <= 2
    if not side and not inside:
        away = outwards(places)
    from matplotlib.transforms import offset_copy

    distance = size**0.5 / 2 + 3.0  # from a node's centre, in points
    for (x, y), (right, up), label in zip(places, away, labels, strict=True):
        moved = offset_copy(ax.transData, ax.figure, distance * right, distance * up, units="points")
        align = {
            "ha": "left" if right > 0.1 else "right" if right < -0.1 else "center",
            "va": "bottom" if up > 0.5 else "top" if up < -0.5 else "center",
        }
        style = {"color": "white" if inside else "black", "fontsize": 10 if side else 7, "zorder": 3}
        ax.text(x, y, label, transform=moved, **align, **style, **AS_WRITTEN)


def outwards(places: np.ndarray) -> np.ndarray:
    """Unit vectors from the centre of all nodes to each; upwards where a node is in the centre: `[n, 2]`."""
    spread = np.ptp(places, axis=0)
    away = (places - places.mean(axis=0, keepdims=True)) / np.where(spread > 0, spread, 1.0)[None, :]
    length = np.hypot(*away.T)[:, None]
    return np.where(length > 1e-6, away / np.maximum(length, 1e-6), np.array([[0.0, 1.0]]))
