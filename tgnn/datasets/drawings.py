"""Drawings as strokes of points, one after another in flat arrays: what QuickDraw, MMG and Omniglot load into."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np

from tgnn.datasets.checks import as_int32, check
from tgnn.datasets.files.archives import read_npz
from tgnn.datasets.records import ITEM, Collection, Part


@dataclass(frozen=True, eq=False)
class Strokes(Collection):
    """Drawings end to end; `len(drawings)` is their number, `drawings[i]` one of them.

    Attributes:
        points: uint8 [sum of n_point, 2], x to the right and y down, from 0 to 255.
        stroke_end: bool [sum of n_point], True at the last point of each stroke.
        n_point: int32 [n_drawing].
        labels: int32 [n_drawing] index into class_names.
    """

    points: Annotated[np.ndarray, Part("n_point", below=256, ndim=2)]
    stroke_end: Annotated[np.ndarray, Part("n_point", ndim=1)]
    n_point: Annotated[np.ndarray, Part(ITEM, ndim=1)]
    labels: Annotated[np.ndarray, Part(ITEM, below=lambda drawings: len(drawings.class_names), ndim=1)]


Drawn = TypeVar("Drawn", bound=Strokes)


def check_strokes(name: str, drawings: Drawn) -> Drawn:
    """`drawings`, its points as bytes, if its parts fit together and every drawing ends a stroke.

    Raises:
        ValueError: they do not.
    """
    check(name, drawings)
    ends = np.cumsum(drawings.n_point) - 1
    if drawings.points.shape[1] != 2 or (drawings.n_point < 1).any() or not drawings.stroke_end[ends].all():
        raise ValueError(
            f"{name} has points of shape {drawings.points.shape}, a drawing without points, or one that ends within a "
            "stroke; it is damaged: get it again"
        )
    return replace(drawings, points=drawings.points.astype(np.uint8))


def read_strokes(path: Path, integers: Sequence[str]) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Parts of an npz file of drawings, and the names of its classes.

    Args:
        path: the file.
        integers: arrays of it beyond the common ones, [n_drawing].

    Returns:
        points, stroke_end, n_point, labels, as in `Strokes`, and int32 arrays under the other names.
    """
    common = ("points", "stroke_end", "num_points", "label", "class_names")
    arrays = read_npz(path, (*common, *integers))
    n_point, labels, *others = (as_int32(str(path), x, arrays[x]) for x in ("num_points", "label", *integers))
    points = as_int32(str(path), "points", arrays["points"])
    parts = {"points": points, "stroke_end": arrays["stroke_end"].astype(bool), "n_point": n_point, "labels": labels}
    return parts | dict(zip(integers, others, strict=True)), tuple(map(str, arrays["class_names"].tolist()))


def simplify(strokes: Sequence[np.ndarray], tolerance: float = 2.0) -> list[np.ndarray]:
    """A raw drawing in 0 to 255 with few points, as Google's "simplified" files have it (without their resampling).

    The drawing is moved to the top left corner, scaled so that its longer side is 255, rounded, and each stroke is
    reduced by Ramer-Douglas-Peucker: a point stays if it is further than `tolerance` from the line of its neighbours.

    Args:
        strokes: arrays [n_point, 2] in pixels, of any size; finite numbers.
        tolerance: distance, after scaling.

    Returns:
        uint8 arrays [fewer points, 2].

    Example:
        >>> [stroke.tolist() for stroke in simplify([np.array([[1, 1], [2, 1], [3, 1]])])]
        [[[0, 0], [255, 0]]]

    Raises:
        ValueError: there is no stroke, one has no points, or a coordinate is not a finite number.
    """
    strokes = [np.asarray(stroke) for stroke in strokes]
    if not strokes or any(stroke.ndim != 2 or stroke.shape[1] != 2 or not len(stroke) for stroke in strokes):
        raise ValueError(f"strokes have shapes {[s.shape for s in strokes]}, expected at least one [n_point, 2] each")
    if any(stroke.dtype.kind not in "iuf" or not np.isfinite(stroke).all() for stroke in strokes):
        raise ValueError("strokes have a coordinate that is not a finite number; drop that drawing")
    strokes = [stroke.astype(np.float64) for stroke in strokes]  # small integers would overflow in differences
    corner = np.min([stroke.min(0) for stroke in strokes], axis=0)
    size = np.max([(stroke - corner).max() for stroke in strokes])
    scaled = [np.round((stroke - corner) * (255 / max(size, 1e-9))) for stroke in strokes]
    return [stroke[_far_points(stroke, tolerance)].astype(np.uint8) for stroke in scaled]


def _far_points(stroke: np.ndarray, tolerance: float) -> np.ndarray:
    """Indices of the points that Ramer-Douglas-Peucker keeps; stroke: [n, 2]."""
    keep = {0, len(stroke) - 1}
    spans = [(0, len(stroke) - 1)]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        across, offsets = stroke[last] - stroke[first], stroke[first + 1 : last] - stroke[first]
        length = np.hypot(*across)
        area = across[0] * offsets[:, 1] - across[1] * offsets[:, 0]
        distance = np.abs(area) / length if length else np.hypot(*offsets.T)
        if distance.max() > tolerance:
            middle = first + 1 + int(distance.argmax())
            keep.add(middle)
            spans += [(first, middle), (middle, last)]
    return np.array(sorted(keep))
