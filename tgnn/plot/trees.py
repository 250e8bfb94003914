"""Trees: of syntax over the words of a sentence, or of any parents."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tgnn.errors import as_index
from tgnn.plot.canvas import AS_WRITTEN, axes_of, check_labels


def draw_tree(
    parents: Any,
    labels: Sequence[str] | None = None,
    *,
    kind: str = "tidy",
    edge_labels: Sequence[str] | None = None,
    title: str = "",
    ax: Any = None,
) -> Any:
    """Draws a tree from its root down.

    Args:
        parents: ints `[n]`, the node above each; -1 at a root, of which there may be several.
        labels: of the nodes, as they are written; default their numbers.
        kind: "tidy" puts a node above the middle of its children, such as phrases above words; "words" gives node i the
            place i, so that the words of a sentence stay in their order.
        edge_labels: of the edge above each node; "" for none.
        title: of the picture.
        ax: matplotlib axes; default a new figure's.

    Returns:
        The axes.

    Raises:
        ValueError: for labels that do not fit, parents that do not exist, and circles.

    >>> ax = draw_tree([1, -1, 1], ["the", "sat", "cat"])
    >>> [text.get_text() for text in ax.texts]
    ['the', 'sat', 'cat']
    """
    parents = np.asarray(as_index("parents", parents))
    depth = depths(parents)
    n = len(parents)
    labels = check_labels("labels", range(n) if labels is None else labels, n) or []
    names = check_labels("edge_labels", edge_labels, n)
    if kind not in ("tidy", "words"):
        raise ValueError(f"kind must be tidy or words, got {kind!r}; choose where nodes stand")
    x = np.arange(n, dtype=float) if kind == "words" else tidy(parents, depth)
    ax = axes_of(ax, title)
    ax.set_axis_off()
    for node in np.flatnonzero(parents >= 0):
        ends = x[[parents[node], node]], -depth[[parents[node], node]]
        ax.plot(*ends, color="0.5", linewidth=1, zorder=1)
        if names and names[node]:
            style = {"fontsize": 7, "color": "0.3", "ha": "center", "va": "center"}
            ax.text(ends[0].mean(), ends[1].mean(), names[node], bbox=BOX, zorder=2, **style, **AS_WRITTEN)
    for node in range(n):
        ax.text(x[node], -depth[node], labels[node], ha="center", va="center", bbox=BOX, zorder=3, **AS_WRITTEN)
    ax.set_xlim(-0.7, max(x.max(initial=0.0), 0) + 0.7)
    ax.set_ylim(-max(depth.max(initial=0), 0) - 0.5, 0.5)
    return ax


BOX: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}


def depths(parents: np.ndarray) -> np.ndarray:
    """How many edges each node is below its root, ints `[n]`; or a ValueError."""
    n = len(parents)
    if parents.ndim != 1 or (n and not -1 <= parents.min() <= parents.max() < n):
        raise ValueError(f"parents must be ints [n] in -1 ... n - 1, got shape {parents.shape}; -1 marks a root")
    depth, above = np.zeros(n, int), parents
    for _ in range(n):
        below = above >= 0
        if not below.any():
            return depth
        depth[below] += 1
        above = np.where(below, parents[above], -1)
    if (above >= 0).any():
        raise ValueError(f"parents go round in a circle at node {int((above >= 0).argmax())}; a tree has none")
    return depth


def tidy(parents: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Leaves side by side in the order of a walk, every other node above the middle of its children: `[n]`."""
    n = len(parents)
    children: list[list[int]] = [[] for _ in range(n)]
    for node in np.flatnonzero(parents >= 0).tolist():
        children[parents[node]].append(node)
    x, column = np.zeros(n), 0
    walk = np.flatnonzero(parents < 0).tolist()[::-1]
    while walk:
        node = walk.pop()
        walk += children[node][::-1]
        if not children[node]:
            x[node], column = column, column + 1
    for node in np.argsort(-depth, kind="stable"):
        if children[node]:
            x[node] = (x[children[node]].min() + x[children[node]].max()) / 2
    return x
