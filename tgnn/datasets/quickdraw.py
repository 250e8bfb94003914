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
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from tgnn.datasets.checks import DAMAGED, check_range
from tgnn.datasets.drawings import Strokes, check_strokes, read_strokes
from tgnn.datasets.drawings import simplify as simplify
from tgnn.datasets.files.archives import read_npz, read_text
from tgnn.datasets.files.download import local_path, require
from tgnn.datasets.files.lines import numbered_lines
from tgnn.datasets.records import ITEM, Part
from tgnn.datasets.splits import check_split
from tgnn.typing import ArrayLike

_TRAIN_FILE = "quickdraw_small/quickdraw_train.npz"
_TEST_FILES = ("quickdraw_small/quickdraw_test.npz", "quickdraw_small/quickdraw_heldout.npz")


@dataclass(frozen=True, eq=False)
class Drawings(Strokes):
    """Drawings end to end; `len(drawings)` is their number, `drawings[i]` one of them.

    Attributes:
        points: uint8 [sum of n_point, 2], x to the right and y down, the longer side from 0 to 255.
        stroke_end: bool [sum of n_point], True at the last point of each stroke.
        n_point: int32 [n_drawing].
        labels: int32 [n_drawing] index into class_names.
        key_ids: int64 [n_drawing], Google's number of the drawing.
        recognized: bool [n_drawing], whether Google's model guessed it while it was drawn.
        class_names: the 345 classes.
    """

    key_ids: Annotated[np.ndarray, Part(ITEM, ndim=1)]
    recognized: Annotated[np.ndarray, Part(ITEM, ndim=1)]
    class_names: tuple[str, ...]


def load(split: str = "train", data_dir: str | Path | None = None) -> Drawings:
    """One split: train and validation from `quickdraw_small/quickdraw_train.npz`, test from its own file.

    Raises:
        FileNotFoundError: the file is missing; it is a selection of ours, and not public.
        ValueError: an unknown split, or a damaged or changed file.
    """
    remedy = "this selection is not public: put the file into TGNN_DATA_DIR, or make drawings with from_ndjson"
    names = _TEST_FILES if check_split(split) == "test" else _TRAIN_FILE
    drawings = _read(require(names, remedy, data_dir))
    if split == "test":
        return drawings
    return drawings.take(_every_fifth(drawings.labels) == (split == "validation"))


def from_ndjson(paths: str | Path | Sequence[str | Path], class_names: Sequence[str] | None = None) -> Drawings:
    """Drawings from raw `.ndjson` files, one JSON object a line, simplified as `simplify` does; blank lines count not.

    Args:
        paths: files.
        class_names: the classes, in the order of their labels; default: those in the files, sorted.

    Raises:
        ValueError: a line is not a drawing, or of another class; the message names file and line.
    """
    paths = [paths] if isinstance(paths, (str, Path)) else paths
    rows = [row for path in paths for row in _rows(local_path("paths", path))]
    names = tuple(sorted({word for word, *_ in rows}) if class_names is None else class_names)
    unknown = {word for word, *_ in rows} - set(names)
    if unknown or not rows or len(set(names)) < len(names):
        raise ValueError(
            f"the {len(rows)} drawings have classes {sorted(unknown)} beside class_names, or one stands there twice; "
            "add the first, drop the second, or pass more files"
        )
    strokes = [simplify(drawing) for *_, drawing in rows]
    drawings = Drawings(
        points=np.concatenate([stroke for drawing in strokes for stroke in drawing]),
        stroke_end=np.concatenate([np.arange(len(s)) == len(s) - 1 for drawing in strokes for s in drawing]),
        n_point=np.array([sum(map(len, drawing)) for drawing in strokes], np.int32),
        labels=np.array([names.index(word) for word, *_ in rows], np.int32),
        key_ids=np.array([key for _, key, _, _ in rows], np.int64),
        recognized=np.array([recognized for _, _, recognized, _ in rows], bool),
        class_names=names,
    )
    return check_strokes("from_ndjson", drawings)


def take_drawings(drawings: Drawings, index: ArrayLike) -> Drawings:
    """The drawings numbered `index`, in that order: integers of any type, or a bool mask.

    Raises:
        ValueError: a number that no drawing has.
    """
    return drawings.take(index)


def _rows(path: Path) -> list[tuple[str, int, bool, list[np.ndarray]]]:
    rows = []
    for number, line in numbered_lines(read_text(path)):
        try:
            rows.append(_row(json.loads(line)))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{path}, line {number} is not a QuickDraw drawing ({error}); get it again") from error
    return rows


def _row(row: dict) -> tuple[str, int, bool, list[np.ndarray]]:
    """Word, key, recognized and strokes [n_point, 2]; Python would convert what is none of these without a word."""
    word, key, recognized, strokes = (row[name] for name in ("word", "key_id", "recognized", "drawing"))
    if not isinstance(word, str) or not isinstance(recognized, bool) or not re.fullmatch("[0-9]{1,19}", str(key)):
        raise ValueError(f"word {word!r}, key_id {key!r} or recognized {recognized!r} is of another type")
    if not strokes or not all(len(stroke) >= 2 and len(stroke[0]) == len(stroke[1]) > 0 for stroke in strokes):
        raise ValueError("no strokes of points x and y")
    numbers = [number for stroke in strokes for axis in stroke[:2] for number in axis]
    if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
        raise ValueError("a coordinate is not a finite number")
    check_range("key_id", "numbers", np.array([int(key)]), 0, 2**63)
    return word, int(key), recognized, [np.array(stroke[:2], float).T for stroke in strokes]


def _read(path: Path) -> Drawings:
    parts, class_names = read_strokes(path, ())
    key_ids, recognized = read_npz(path, ("key_id", "recognized")).values()
    check_range(str(path), "key_id", key_ids, 0, 2**63, DAMAGED)
    drawings = Drawings(
        **parts, key_ids=key_ids.astype(np.int64), recognized=recognized.astype(bool), class_names=class_names
    )
    return check_strokes(str(path), drawings)


def _every_fifth(labels: np.ndarray) -> np.ndarray:
    """Bool [n]: True at the 5th, 10th, ... occurrence of each label."""
    order = np.argsort(labels, kind="stable")
    _, first, count = np.unique(labels[order], return_index=True, return_counts=True)
    rank = np.empty(len(labels), int)
    rank[order] = np.arange(len(labels)) - np.repeat(first, count)
    return rank % 5 == 4
