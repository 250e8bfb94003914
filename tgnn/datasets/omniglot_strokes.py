"""Omniglot's small background sets as strokes: 242 characters of 8 alphabets, each drawn by 20 people.

4,840 drawings, on average 149 points and 2.65 strokes, with labels (the larger set without is `omniglot`). There is no
official split; a one-shot task takes characters or alphabets that training has not seen, a drawing task people.

Source: github.com/brendenlake/omniglot, `python/strokes_background_small{1,2}.zip`, made into one npz, 105 pixels
scaled to 255, y down; Latin and Greek, which are in both, once. Licence: MIT. Citation: Lake, Salakhutdinov, Tenenbaum,
"Human-level concept learning through probabilistic program induction", Science 2015.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from tgnn.datasets.drawings import Strokes, check_strokes, read_strokes
from tgnn.datasets.files.archives import read_npz
from tgnn.datasets.files.download import require
from tgnn.datasets.records import ITEM, Part


@dataclass(frozen=True, eq=False)
class Handwriting(Strokes):
    """All drawings; points, stroke_end, n_point and labels as in `Strokes`.

    Attributes:
        alphabets: int32 [n_drawing] index into alphabet_names.
        drawers: int32 [n_drawing], 1 to 20; numbers are those of one person within an alphabet only.
        parts: int32 [n_drawing], 1 or 2: the background set that it is from.
        class_names: the 242 characters, "Balinese/character01" and so on.
        alphabet_names: the 8 alphabets.
    """

    alphabets: Annotated[np.ndarray, Part(ITEM, below=lambda data: len(data.alphabet_names), ndim=1)]
    drawers: Annotated[np.ndarray, Part(ITEM, low=1, below=21, ndim=1)]
    parts: Annotated[np.ndarray, Part(ITEM, low=1, below=3, ndim=1)]
    class_names: tuple[str, ...]
    alphabet_names: tuple[str, ...]


def load(data_dir: str | Path | None = None) -> Handwriting:
    """All drawings, from `omniglot_strokes/omniglot_small12.npz`.

    Raises:
        FileNotFoundError: the file is missing; it cannot be downloaded as it is.
        ValueError: it is damaged or was changed.
    """
    remedy = "it is made from the archives of github.com/brendenlake/omniglot: put the file into TGNN_DATA_DIR"
    path = require("omniglot_strokes/omniglot_small12.npz", remedy, data_dir)
    found, class_names = read_strokes(path, ("alphabet", "drawer", "part"))
    alphabets, drawers, parts = (found.pop(name) for name in ("alphabet", "drawer", "part"))
    names = tuple(map(str, read_npz(path, ["alphabet_names"])["alphabet_names"].tolist()))
    drawings = Handwriting(
        **found, alphabets=alphabets, drawers=drawers, parts=parts, class_names=class_names, alphabet_names=names
    )
    return check_strokes(str(path), drawings)
