"""A text file of any size as bytes: windows are read where they lie, so that the file may be larger than memory."""

from pathlib import Path

import numpy as np

from tgnn.datasets.files.download import local_path
from tgnn.errors import check_size


def open_bytes(path: str | Path) -> np.ndarray:
    """A file as uint8 `[n]`, mapped and not read: 256 symbols for any text, in any encoding.

    Args:
        path: a file that is not compressed.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is empty.
    """
    if not local_path("path", path).is_file():
        raise FileNotFoundError(f"{path} is not a file; pass the path of a text that is not compressed")
    if Path(path).stat().st_size == 0:
        raise ValueError(f"path is {path}, which is empty; pass a text of at least one window")
    return np.memmap(path, np.uint8, mode="r")


def windows_at(text: np.ndarray, step: int, batch_size: int, length: int, *, seed: int) -> np.ndarray:
    """The windows of a step: random places of the text, a function of seed and step alone.

    Args:
        text: uint8 `[n]`, of `open_bytes`, or a part of it: `text[: 9 * len(text) // 10]` to train on.
        step: 0 or more.
        batch_size: windows of a step.
        length: bytes of a window; a language model that predicts `context` symbols needs one more.
        seed: of the run.

    Returns:
        int32 `[batch_size, length]`, copied: the pages of these windows are all that is read.

    Raises:
        ValueError: the text is shorter than a window, or a number is negative.

    >>> windows_at(np.frombuffer(b"abcdefgh", np.uint8), 0, 2, 3, seed=0).shape
    (2, 3)
    """
    step, seed = check_size("step", step), check_size("seed", seed)
    batch_size, length = check_size("batch_size", batch_size), check_size("length", length, 1)
    if len(text) < length:
        raise ValueError(f"text has {len(text)} bytes, but a window {length}; take a longer text or a shorter window")
    starts = np.random.default_rng([seed, step]).integers(0, len(text) - length + 1, batch_size)
    return np.stack([text[start : start + length] for start in starts]).astype(np.int32)
