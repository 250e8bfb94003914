"""Drawings by people of whom some are held out, with few points: what is left of a pen's path that is straight."""

import dataclasses
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import numpy as np

from experiments.common.parts import load_parts
from experiments.sketches.data import Points, points_of, take
from tgnn.datasets import gestures, omniglot_strokes
from tgnn.datasets.drawings import Strokes, simplify

Dataset = Literal["gestures", "omniglot"]
Drawn = TypeVar("Drawn", bound=Strokes)


class People(NamedTuple):
    """Drawings to learn from and who drew them, and drawings of others."""

    train: Points
    drawers: np.ndarray  # int [n_drawing] of the training drawings
    others: dict[str, Points]  # "validation", and "test" where there is one

    @property
    def names(self) -> np.ndarray:
        """The numbers of those who can be learnt from."""
        return np.unique(self.drawers)

    def some(self, count: int, seed: int) -> Points:
        """What `count` of them drew; of more people of one seed those of fewer are a part."""
        chosen = np.random.default_rng(seed).permutation(self.names)[:count]
        return take(self.train, np.flatnonzero(np.isin(self.drawers, chosen)))


def load(dataset: Dataset, max_points: int, num_classes: int | None = None, data_dir: Path | None = None) -> People:
    """MMG's gestures in its loader's split, or Omniglot's letters, of which every fifth person is held out.

    Args:
        dataset: which.
        max_points: points of a drawing beyond these are dropped.
        num_classes: the first ones; None: all.
        data_dir: see `tgnn.datasets.gestures.load`.
    """
    if dataset == "gestures":
        parts = load_parts(lambda split: gestures.load(split, data_dir))
        drawers = parts["train"].subjects
    else:
        whole = omniglot_strokes.load(data_dir)
        held_out = whole.drawers % 5 == 0
        parts, drawers = {"train": whole.take(~held_out), "validation": whole.take(held_out)}, whole.drawers[~held_out]
    below = {name: part.labels < (num_classes or len(part.class_names)) for name, part in parts.items()}
    points = {name: points_of(simplified(part.take(below[name])), max_points) for name, part in parts.items()}
    return People(points.pop("train"), drawers[below["train"]], points)


def simplified(drawings: Drawn) -> Drawn:
    """The drawings with as few points as those of QuickDraw: by Ramer, Douglas and Peucker, to 2 of 255."""
    ends = np.flatnonzero(drawings.stroke_end) + 1
    last = np.cumsum(drawings.n_point)  # where each drawing ends
    strokes = np.split(drawings.points, ends[:-1])
    kept, lengths = [], []
    for few in np.split(np.arange(len(strokes)), np.searchsorted(ends, last[:-1], side="right")):
        short = simplify([strokes[i] for i in few])
        kept += short
        lengths.append(sum(map(len, short)))
    stroke_end = np.zeros(sum(lengths), bool)
    stroke_end[np.cumsum([len(stroke) for stroke in kept]) - 1] = True
    return dataclasses.replace(
        drawings, points=np.concatenate(kept), stroke_end=stroke_end, n_point=np.array(lengths, np.int32)
    )
