"""Graphs of points in space: the k nearest of each, or all within a radius. Host side, with SciPy's k-d tree."""

from collections.abc import Callable

import numpy as np

from tgnn.errors import as_index, check_size
from tgnn.graphs.edge_list import EdgeList
from tgnn.graphs.host import stable_order
from tgnn.typing import ArrayLike


def k_nearest(points: ArrayLike, k: int, *, segments: ArrayLike | None = None) -> tuple[EdgeList, np.ndarray]:
    """Edges to each point from its k nearest others.

    Args:
        points: `[n, dim]`, finite.
        k: neighbours of a point, fewer where there are not as many others.
        segments: int `[n]`; only points of one segment are neighbours, those of -1 have none. Default: all.

    Returns:
        The `EdgeList`, and the distances `[n_edge]` in its order, nearest first for each receiver. Of equally distant
        ones the k-d tree decides.

    Raises:
        ValueError: for points that are not finite or no matrix, a negative k, or segments of another length.

    Cost: O(n log n) time for points in few dimensions.

    >>> layout, distances = k_nearest(np.array([[0.0], [1.0], [3.0]]), 1)
    >>> layout.senders.tolist(), layout.receivers.tolist(), distances.tolist()
    ([1, 0, 1], [0, 1, 2], [1.0, 1.0, 2.0])
    """
    points, k = as_points(points), check_size("k", k)

    def nearest(tree, mine):
        if k == 0 or len(mine) < 2:
            return np.zeros(0, int), np.zeros(0, int), np.zeros(0)
        distances, found = tree.query(mine, min(k + 1, len(mine)))  # [m, k + 1], itself among them or among its copies
        itself = found == np.arange(len(mine))[:, None]
        itself[~itself.any(1), -1] = True  # of many copies k + 1 others came first: the last goes
        receivers = np.nonzero(~itself)[0]
        return found[~itself], receivers, distances[~itself]

    return joined(points, segments, nearest)


def within_radius(
    points: ArrayLike, radius: float, *, segments: ArrayLike | None = None
) -> tuple[EdgeList, np.ndarray]:
    """Edges in both directions between all points that are at most `radius` apart, without loops.

    Args:
        points: as for `k_nearest`.
        radius: in the unit of the points, finite.
        segments: as for `k_nearest`.

    Returns:
        The `EdgeList`, sorted by receiver and sender, and the distances `[n_edge]` in its order.

    Raises:
        ValueError: as for `k_nearest`, or for a radius that is negative or not finite.

    >>> within_radius(np.array([[0.0], [1.0], [3.0]]), 1.5)[0].senders.tolist()
    [1, 0]
    """
    points = as_points(points)
    if not np.ndim(radius) == 0 or not np.isfinite(radius) or radius < 0:
        raise ValueError(f"radius must be a finite number of at least 0, got {radius}; use a distance between points")

    def near(tree, mine):
        pairs = tree.query_pairs(radius, output_type="ndarray").reshape(-1, 2)
        senders, receivers = np.concatenate([pairs, pairs[:, ::-1]]).T
        order = np.lexsort((senders, receivers))
        senders, receivers = senders[order], receivers[order]
        return senders, receivers, np.linalg.norm(mine[senders] - mine[receivers], axis=1)

    return joined(points, segments, near)


def as_points(points: ArrayLike) -> np.ndarray:
    """A finite matrix in float64, or a ValueError."""
    points = np.asarray(points, np.float64)
    if points.ndim != 2:
        raise ValueError(f"points must have shape [n, dim], got {points.shape}; pass points[:, None] for numbers")
    if not np.isfinite(points).all():
        where = np.flatnonzero(~np.isfinite(points).all(1))[:5].tolist()
        raise ValueError(f"points {where} are not finite, so they have no distances; leave them out")
    return points


def joined(
    points: np.ndarray, segments: ArrayLike, neighbors: Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> tuple[EdgeList, np.ndarray]:
    """The edges and distances within each segment, by receiver; `neighbors(tree, points)` gives those of one."""
    from scipy.spatial import KDTree

    n = len(points)
    segments = np.zeros(n, int) if segments is None else np.asarray(as_index("segments", segments))
    if segments.shape != (n,):
        raise ValueError(f"segments must have shape {(n,)}, one for each point, got {segments.shape}")
    parts = [(np.zeros(0, int), np.zeros(0, int), np.zeros(0))]
    for segment in np.unique(segments[segments >= 0]):
        nodes = np.flatnonzero(segments == segment)
        senders, receivers, distances = neighbors(KDTree(points[nodes]), points[nodes])
        parts.append((nodes[senders], nodes[receivers], distances))
    senders, receivers, distances = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = stable_order(receivers)
    return EdgeList.from_edges(senders[order], receivers[order], n_receivers=n), distances[order]
