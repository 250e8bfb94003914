"""Edges: lines, arrows and rings, each with its own width and colour, every copy beside the others."""

from typing import Any, NamedTuple

import numpy as np

from tgnn.graphs import Layout
from tgnn.graphs.interop import edge_slots

GREY = "0.6"
BEND = 0.2  # how far a copy of an edge leaves the straight line, as a share of its length


class Edges(NamedTuple):
    """The live edges in the caller's order, as they are drawn.

    Attributes:
        senders: int [n_edge].
        receivers: int [n_edge].
        widths: float [n_edge], in points.
        colors: float [n_edge, 4], red, green, blue and opacity.
        alike: whether all have one width and one colour.
    """

    senders: np.ndarray
    receivers: np.ndarray
    widths: np.ndarray
    colors: np.ndarray
    alike: bool

    def select(self, which: np.ndarray) -> "Edges":
        """These of the edges."""
        return Edges(*(x[which] for x in self[:4]), self.alike)


def styled_edges(layout: Layout, width: Any, color: Any) -> Edges:
    """The edges of a layout with what `draw_graph` was told of them."""
    from matplotlib import colormaps
    from matplotlib.colors import Normalize, is_color_like, to_rgba, to_rgba_array

    senders, receivers, live = edge_slots(layout)
    count = int(live.sum())
    widths = np.asarray(width, float)
    if not (np.isfinite(widths) & (widths >= 0)).all():
        raise ValueError("edge_width must be finite and at least 0; leave edges out of the graph to hide them")
    widths = np.full(count, float(widths)) if widths.ndim == 0 else per_edge(layout, "edge_width", widths, live)
    alike = np.ndim(width) == 0
    if isinstance(color, str) or (isinstance(color, tuple) and is_color_like(color)):
        colors = np.tile(to_rgba(color), (count, 1))
    else:
        values, alike = np.asarray(color), False
        if np.issubdtype(values.dtype, np.number) and values.shape in ((len(live),), tuple(layout.edge_shape)):
            values = per_edge(layout, "edge_color", values.astype(float), live)
            colors = colormaps["viridis"](Normalize()(values)) if count else np.zeros((0, 4))
        else:
            listed = list(color) if np.iterable(color) else []
            which = per_edge(layout, "edge_color", np.arange(len(listed)), live)
            colors = to_rgba_array([listed[i] for i in which]) if count else np.zeros((0, 4))
    return Edges(senders[live], receivers[live], widths, np.asarray(colors), alike)


def per_edge(layout: Layout, name: str, values: np.ndarray, live: np.ndarray) -> np.ndarray:
    """The values of the live edges, or a ValueError; given one for each edge, or in the shape of the layout's slots."""
    if values.shape == live.shape:
        return values[live]
    if values.shape == tuple(layout.edge_shape):
        return values[slice(None) if layout.live is None else np.asarray(layout.live)].ravel()
    raise ValueError(
        f"{name} has shape {values.shape} but the {type(layout).__name__} has {len(live)} edges; pass a single one, or "
        "one for each edge in the caller's order"
    )


def copies(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each key how many equal ones stand before it, and how many there are."""
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    order = np.argsort(inverse, kind="stable")
    rank = np.empty(len(keys), int)
    rank[order] = np.arange(len(keys)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rank, counts[inverse]


def draw_lines(ax: Any, starts: np.ndarray, ends: np.ndarray, widths: Any, colors: Any, bend: Any = None) -> None:
    """Lines from places `[n, 2]` to places, straight or bent by a share of their length."""
    from matplotlib.collections import LineCollection

    if not len(starts):
        return
    along = np.linspace(0.0, 1.0, 2 if bend is None or not np.any(bend) else 13)[None, :, None]
    points = starts[:, None] * (1 - along) + ends[:, None] * along  # [n, point, 2]
    if along.shape[1] > 2:
        sideways = ((ends - starts) @ np.array([[0.0, 1.0], [-1.0, 0.0]]))[:, None]
        points = points + 2 * along * (1 - along) * np.asarray(bend)[:, None, None] * sideways
    ax.add_collection(LineCollection(points, zorder=1, linewidths=widths, colors=colors))


def draw_bipartite_edges(ax: Any, upper: np.ndarray, lower: np.ndarray, edges: Edges) -> None:
    """Lines from the senders to the receivers; further copies are bent."""
    rank, _ = copies(edges.senders * max(len(lower), 1) + edges.receivers)
    bend = 0.5 * BEND * rank
    draw_lines(ax, upper[edges.senders], lower[edges.receivers], edges.widths, edges.colors, bend)


def draw_edges_of_one_set(ax: Any, places: np.ndarray, edges: Edges, node_size: float) -> None:
    """Arrows; a line where the opposite edge exists too and looks the same; rings around nodes for self-loops."""
    senders, receivers, n = edges.senders, edges.receivers, max(len(places), 1)
    keys, opposite = senders * n + receivers, receivers * n + senders
    rank, count = copies(keys)
    mutual = np.isin(opposite, keys)
    loop = senders == receivers
    many = np.isin(opposite, keys[count > 1]) | (count > 1)
    line = mutual & ~loop & ~many & edges.alike
    rings, lines = edges.select(loop), edges.select(line & (senders < receivers))
    size = 4 * node_size * (1 + 0.4 * rank[loop]) ** 2  # in square points: further copies are wider rings
    style: dict[str, Any] = {"facecolors": "none", "edgecolors": rings.colors, "linewidths": rings.widths}
    ax.scatter(*places[rings.senders].T, s=size, zorder=1, **style)
    draw_lines(ax, places[lines.senders], places[lines.receivers], lines.widths, lines.colors)
    arrow = ~loop & ~line
    bend = BEND * (rank + mutual)  # to the right of its direction, so that opposite edges part
    draw_arrows(ax, places, edges.select(arrow), bend[arrow])


def draw_arrows(ax: Any, places: np.ndarray, edges: Edges, bend: np.ndarray) -> None:
    """One arrow for each edge."""
    from matplotlib.patches import FancyArrowPatch

    for sender, receiver, width, color, bent in zip(*edges[:4], bend, strict=True):
        style: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 8, "shrinkA": 4, "shrinkB": 5, "zorder": 1}
        style |= {"color": tuple(color), "linewidth": width, "connectionstyle": f"arc3,rad={bent}"}
        ax.add_patch(FancyArrowPatch(places[sender], places[receiver], **style))
