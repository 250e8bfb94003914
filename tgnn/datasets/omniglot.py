"""Omniglot's strokes: 32,000 handwritten characters of 50 alphabets, without class labels.

30,000 train, 1,000 validation, 1,000 test; at most 157 points each.

Source: github.com/hardmaru/sketch-rnn-datasets. Licence: MIT. Citation: Lake, Salakhutdinov, Tenenbaum, "Human-level
concept learning through probabilistic program induction", Science 2015. The file keeps its arrays as pickles inside an
npz; they are read by the restricted unpickler.
"""

import io
from pathlib import Path

import numpy as np

from tgnn.datasets.files.archives import read_zip
from tgnn.datasets.files.checksums import SHA256
from tgnn.datasets.files.download import fetch
from tgnn.datasets.files.pickles import read_pickle
from tgnn.datasets.splits import check_split

_PATH = "sketch_omniglot/omniglot.npz"
_URL = (
    "https://github.com/hardmaru/sketch-rnn-datasets/raw/7c854dee76090aa18c321c7af2cede815bbd475e/omniglot/omniglot.npz"
)


def load(split: str = "train", data_dir: str | Path | None = None) -> tuple[np.ndarray, ...]:
    """One split: int16 arrays [n_point, 3] of x and y offsets and 1 at the end of each stroke.

    Raises:
        FileNotFoundError: the file is nowhere, and the download failed.
        ValueError: an unknown split, or a damaged or changed file.
    """
    member = {"train": "train.npy", "validation": "valid.npy", "test": "test.npy"}[check_split(split)]
    path = fetch(_URL, _PATH, SHA256[_PATH], data_dir)
    file = io.BytesIO(read_zip(path, member))
    np.lib.format.read_magic(file)
    np.lib.format.read_array_header_1_0(file)
    drawings = read_pickle(f"{path}/{member}", file.read())
    if not isinstance(drawings, np.ndarray) or not all(map(_is_drawing, drawings)):
        raise ValueError(f"{path} holds something else than int16 arrays [n_point, 3]; get it again")
    return tuple(drawings)


def _is_drawing(x) -> bool:
    fits = isinstance(x, np.ndarray) and x.dtype == np.int16 and x.ndim == 2 and x.shape[1] == 3
    return fits and bool(np.isin(x[:, 2], (0, 1)).all())
