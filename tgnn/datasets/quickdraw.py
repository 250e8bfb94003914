"""QuickDraw, a small part: drawings of 345 things as strokes, by people who had 20 seconds.

7,304 drawings, 92.9 % of them recognised, on average 41 points. There is no official split of them: every fifth drawing
of each class is for validation, which leaves 5,980 train and 1,324 validation. The Multi-Graph Transformer was trained
on 345,000.

Source: 345 raw samples files collected in github.com/borismus/exupery, simplified as Google's "simplified" files are.
Licence: CC BY 4.0, Google Inc. Citation: Ha & Eck, "A Neural Representation of Sketch Drawings", arXiv:1704.03477; Xu,
Joshi, Bresson, "Multi-Graph Transformer for Free-Hand Sketch Recognition", arXiv:1912.11258. For other drawings,
download `.ndjson` files (storage.googleapis.com/quickdraw_dataset/full/raw/<class>.ndjson) and use `from_ndjson`.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tgnn.datasets.files.archives import read_npz, read_text
from tgnn.datasets.files.download import find, require
from tgnn.datasets.splits import check_split

_TEST_FILES = ("quickdraw_test.npz", "quickdraw_heldout.npz")


class Drawings(NamedTuple):
    """Drawings end to end.

    Attributes:
        points: uint8 [sum of n_point, 2], x to the right and y down, the longer side from 0 to 255.
        stroke_end: bool [sum of n_point], True at the last point of each stroke.
        n_point: int32 [n_drawing].
        labels: int32 [n_drawing] index into class_names.
        key_ids: int64 [n_drawing], Google's number of the drawing.
        recognized: bool [n_drawing], whether Google's model guessed it while it was drawn.
        class_names: the 345 classes.
    """

    points: np.ndarray
    stroke_end: np.ndarray
    n_point: np.ndarray
    labels: np.ndarray
    key_ids: np.ndarray
    recognized: np.ndarray
    class_names: tuple[str, ...]


def load(split: str = "train", data_dir: str | Path | None = None) -> Drawings:
    """One split: train and validation from `quickdraw_small/quickdraw_train.npz`, test from its own file.

    Raises:
        FileNotFoundError: the file is missing; it is a selection of ours, and not public.
        ValueError: an unknown split, or a damaged or changed file.
    """
    names = _TEST_FILES if check_split(split) == "test" else ("quickdraw_train.npz",)
    remedy = "this selection is not public: put the file into TGNN_DATA_DIR, or make drawings with from_ndjson"
    present = [name for name in names if find(f"quickdraw_small/{name}", data_dir)]
    drawings = _read(require(f"quickdraw_small/{(present or names)[0]}", remedy, data_dir))
    if split == "test":
        return drawings
    return take_drawings(drawings, np.flatnonzero(_every_fifth(drawings.labels) == (split == "validation")))


def from_ndjson(paths: Sequence[str | Path], class_names: Sequence[str] | None = None) -> Drawings:
    """Drawings from raw `.ndjson` files, one JSON object a line, simplified as `simplify` does.

    Args:
        paths: files.
        class_names: the classes, in the order of their labels; default: those in the files, sorted.

    Raises:
        ValueError: a line is not a drawing, or of another class; the message names file and line.
    """
    rows = [row for path in paths for row in _rows(Path(path))]
    names = tuple(sorted({word for word, *_ in rows}) if class_names is None else class_names)
    unknown = {word for word, *_ in rows} - set(names)
    if unknown or not rows:
        raise ValueError(
            f"the {len(rows)} drawings have classes {sorted(unknown)} beside class_names; add those, or more files"
        )
    strokes = [[*simplify(drawing)] for _, _, _, drawing in rows]
    return Drawings(
        points=np.concatenate([stroke for drawing in strokes for stroke in drawing]),
        stroke_end=np.concatenate([np.arange(len(s)) == len(s) - 1 for drawing in strokes for s in drawing]),
        n_point=np.array([sum(map(len, drawing)) for drawing in strokes], np.int32),
        labels=np.array([names.index(word) for word, *_ in rows], np.int32),
        key_ids=np.array([key for _, key, _, _ in rows], np.int64),
        recognized=np.array([recognized for _, _, recognized, _ in rows], bool),
        class_names=names,
    )


def simplify(strokes: Sequence[np.ndarray], tolerance: float = 2.0) -> list[np.ndarray]:
    """A raw drawing in 0 to 255 with few points, as Google's "simplified" files have it (without their resampling).

    The drawing is moved to the top left corner, scaled so that its longer side is 255, rounded, and each stroke is
    reduced by Ramer-Douglas-Peucker: a point stays if it is further than `tolerance` from the line of its neighbours.

    Args:
        strokes: arrays [n_point, 2] in pixels, of any size.
        tolerance: distance, after scaling.

    Returns:
        uint8 arrays [fewer points, 2].
    """
    corner = np.min([stroke.min(0) for stroke in strokes], axis=0)
    size = np.max([(stroke - corner).max() for stroke in strokes])
    scaled = [np.round((stroke - corner) * (255 / max(size, 1e-9))) for stroke in strokes]
    return [stroke[_far_points(stroke, tolerance)].astype(np.uint8) for stroke in scaled]


def take_drawings(drawings: Drawings, index) -> Drawings:
    """The drawings numbered `index`, in that order."""
    index = np.asarray(index)
    lengths, starts = drawings.n_point[index], (np.cumsum(drawings.n_point) - drawings.n_point)[index]
    point = np.arange(lengths.sum()) + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
    columns = (drawings.labels[index], drawings.key_ids[index], drawings.recognized[index])
    return Drawings(drawings.points[point], drawings.stroke_end[point], lengths, *columns, drawings.class_names)


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


def _rows(path: Path) -> list[tuple[str, int, bool, list[np.ndarray]]]:
    rows = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        try:
            row = json.loads(line)
            strokes = [np.array(stroke[:2], float).T for stroke in row["drawing"]]
            if not strokes or any(stroke.ndim != 2 or not len(stroke) for stroke in strokes):
                raise ValueError("no strokes of points")
            rows.append((str(row["word"]), int(row["key_id"]), bool(row["recognized"]), strokes))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}, line {number} is not a QuickDraw drawing ({error}); get it again") from error
    return rows


def _read(path: Path) -> Drawings:
    names = ("points", "stroke_end", "num_points", "label", "key_id", "recognized", "class_names")
    points, ends, n_point, labels, key_ids, recognized, classes = read_npz(path, names).values()
    exact = zip((points, n_point, labels, key_ids), ("points", "num_points", "label", "key_id"), strict=True)
    wrong = [name for x, name in exact if not np.issubdtype(x.dtype, np.integer)]
    if wrong:
        raise ValueError(f"{path} has {wrong} that are not integers; it is damaged: get it again")
    sizes_fit = points.shape == (len(ends), 2) and n_point.sum() == len(points)
    if (
        not (sizes_fit and len(n_point) == len(labels) == len(key_ids) == len(recognized))
        or (n_point < 1).any()
        or not ends[np.cumsum(n_point) - 1].all()
    ):
        raise ValueError(f"{path} has parts whose sizes disagree; it is damaged: get it again")
    if len(labels) and not (0 <= labels.min() and labels.max() < len(classes)):
        raise ValueError(f"{path} has a label outside its {len(classes)} classes; get it again")
    words = tuple(str(word) for word in classes)
    return Drawings(points, ends.astype(bool), n_point, labels.astype(np.int32), key_ids, recognized, words)


def _every_fifth(labels: np.ndarray) -> np.ndarray:
    """Bool [n]: True at the 5th, 10th, ... occurrence of each label."""
    order = np.argsort(labels, kind="stable")
    _, first, count = np.unique(labels[order], return_index=True, return_counts=True)
    rank = np.empty(len(labels), int)
    rank[order] = np.arange(len(labels)) - np.repeat(first, count)
    return rank % 5 == 4
