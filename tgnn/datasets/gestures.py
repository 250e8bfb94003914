"""MMG: gestures of several strokes, 16 classes written ten times at three speeds by each of 20 people.

7,678 drawings of 16 people for training and validation (three of the people), 1,920 of four others for the test; on
average 75 points and 2.17 strokes. People are known by numbers only.

Source: the XML files of MMG in github.com/ypchen520/p-dollar-zhuyin-multistroke-gestures, made into one npz: aligned to
0, the longer side 255; the original is depts.washington.edu/acelab/proj/dollar/ndollar.html (mmg.zip). Licence: none
stated, distributed by its authors for research; nothing is bundled. Citation: Anthony & Wobbrock, "$N-Protractor: a
fast and accurate multistroke recognizer", Graphics Interface 2012.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from tgnn.datasets.drawings import Strokes, check_strokes, read_strokes
from tgnn.datasets.files.download import require
from tgnn.datasets.records import ITEM, Part
from tgnn.datasets.splits import check_split

SPEEDS = ("slow", "medium", "fast")
_TRAIN_FILE = "gestures_mmg/mmg_train.npz"
_TEST_FILES = ("gestures_mmg/mmg_test.npz", "gestures_mmg/mmg_heldout.npz")


@dataclass(frozen=True, eq=False)
class Gestures(Strokes):
    """Drawings of one split; points, stroke_end, n_point and labels as in `Strokes`.

    Attributes:
        subjects: int32 [n_drawing], the number of who drew it.
        speeds: int32 [n_drawing] index into `SPEEDS`.
        class_names: the 16 classes.
    """

    subjects: Annotated[np.ndarray, Part(ITEM, below=1 << 31, ndim=1)]
    speeds: Annotated[np.ndarray, Part(ITEM, below=len(SPEEDS), ndim=1)]
    class_names: tuple[str, ...]


def load(split: str = "train", data_dir: str | Path | None = None) -> Gestures:
    """One split: train and validation from `gestures_mmg/mmg_train.npz`, test from `mmg_test.npz`.

    No person is in two splits: every fifth of those of the training file, by number, is for validation.

    Raises:
        FileNotFoundError: the file is missing; it cannot be downloaded as it is.
        ValueError: an unknown split, or a damaged or changed file.
    """
    names = _TEST_FILES if check_split(split) == "test" else _TRAIN_FILE
    remedy = "it is made from mmg.zip of depts.washington.edu/acelab/proj/dollar: put the file into TGNN_DATA_DIR"
    path = require(names, remedy, data_dir)
    parts, class_names = read_strokes(path, ("subject", "speed"))
    subjects, speeds = parts.pop("subject"), parts.pop("speed")
    drawings = Gestures(**parts, subjects=subjects, speeds=speeds, class_names=class_names)
    drawings = check_strokes(str(path), drawings)
    if split == "test":
        return drawings
    held_out = np.unique(subjects)[4::5]
    return drawings.take(np.isin(subjects, held_out) == (split == "validation"))
