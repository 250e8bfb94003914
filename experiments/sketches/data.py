"""QuickDraw's drawings as arrays of one size."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.common.parts import load_parts
from tgnn.datasets import quickdraw
from tgnn.datasets.quickdraw import Drawings


class Points(NamedTuple):
    """Drawings, cut off or padded to `n` points each."""

    coordinates: np.ndarray  # float32 [n_drawing, n, 2] in [-1, 1], 0 for padding
    flags: np.ndarray  # int32 [n_drawing, n]: 0 begins a stroke, 1 goes on, 2 ends one; -1 is padding
    stroke: np.ndarray  # int32 [n_drawing, n] number of the stroke, -1 for padding
    labels: np.ndarray  # int32 [n_drawing]


def load(max_points: int, num_classes: int | None = None, data_dir: Path | None = None) -> dict[str, Points]:
    """The training and validation drawings, and the test drawings where the file exists."""
    parts = load_parts(lambda split: quickdraw.load(split, data_dir))
    return {split: points_of(first_classes(drawings, num_classes), max_points) for split, drawings in parts.items()}


def first_classes(drawings: Drawings, num_classes: int | None) -> Drawings:
    """The drawings of the first classes only."""
    if num_classes is None:
        return drawings
    return quickdraw.take_drawings(drawings, np.flatnonzero(drawings.labels < num_classes))


def points_of(drawings: Drawings, max_points: int) -> Points:
    """Points beyond the first `max_points` of a drawing are dropped."""
    owner = np.repeat(np.arange(len(drawings.n_point)), drawings.n_point)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(drawings.n_point) - drawings.n_point, drawings.n_point)
    end = drawings.stroke_end
    begin = (place == 0) | np.append(False, end[:-1])
    stroke = np.cumsum(begin) - 1
    stroke -= stroke[np.flatnonzero(place == 0)][owner]
    kept = place < max_points
    shape = (len(drawings.n_point), max_points)
    found = Points(
        np.zeros((*shape, 2), np.float32), np.full(shape, -1, np.int32), np.full(shape, -1, np.int32), drawings.labels
    )
    slot = owner[kept], place[kept]
    found.coordinates[slot] = drawings.points[kept] / 127.5 - 1
    found.flags[slot] = np.where(begin, 0, np.where(end, 2, 1))[kept]
    found.stroke[slot] = stroke[kept]
    return found


def take(points: Points, index: np.ndarray) -> Points:
    """The drawings numbered `index`."""
    return Points(*(column[index] for column in points))


def distort(points: Points, amount: float, seed: int) -> Points:
    """Each drawing through a linear map and a shift of its own, which differ from nothing by normal numbers."""
    rng = np.random.default_rng(seed)
    maps = np.eye(2, dtype=np.float32) + amount * rng.standard_normal((len(points.labels), 2, 2), np.float32)
    shifts = amount * rng.standard_normal((len(points.labels), 1, 2), np.float32)
    moved = np.where(points.stroke[..., None] >= 0, points.coordinates @ maps + shifts, 0)
    return points._replace(coordinates=moved.astype(np.float32))
