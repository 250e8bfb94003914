"""Tiny Shakespeare: 1,115,394 characters of his plays, 65 of them distinct.

1,003,854 characters train, 111,540 validation: the first 90 % and the last 10 %, as in char-rnn and nanoGPT.

Source: github.com/karpathy/char-rnn. Licence: the text is in the public domain. Citation: Karpathy, "The Unreasonable
Effectiveness of Recurrent Neural Networks", 2015.
"""

from pathlib import Path

from tgnn.datasets import text
from tgnn.datasets.files.checksums import SHA256
from tgnn.datasets.files.download import fetch

_PATH = "tinyshakespeare/input.txt"
_URL = "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt"


def load(data_dir: str | Path | None = None) -> text.Characters:
    """The plays as characters.

    Raises:
        FileNotFoundError: the file is nowhere, and the download failed.
        ValueError: it is damaged or was changed.
    """
    return text.load(fetch(_URL, _PATH, SHA256[_PATH], data_dir))
