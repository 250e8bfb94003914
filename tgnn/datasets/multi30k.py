"""Multi30k: descriptions of pictures in English and German, for translation.

29,000 train, 1,014 validation and 1,000 test pairs (Flickr 2016), as written or tokenised in small letters.

Source: github.com/multi30k/dataset, `data/task1`. Licence: the texts are CC BY-NC-SA 4.0 (not for commercial use);
nothing is bundled. Citation: Elliott et al., "Multi30K: Multilingual English-German Image Descriptions",
arXiv:1605.00459.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tgnn.datasets.checks import check
from tgnn.datasets.files.archives import read_text
from tgnn.datasets.files.checksums import SHA256
from tgnn.datasets.files.download import fetch, find
from tgnn.datasets.files.lines import split_lines
from tgnn.datasets.records import ITEM, Collection, Part
from tgnn.datasets.splits import check_split

_URL = "https://raw.githubusercontent.com/multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1"
_FILES = {"train": "train", "validation": "val", "test": "test_2016_flickr"}


@dataclass(frozen=True, eq=False)
class Translations(Collection):
    """Pairs of one split; `len(data)` is their number.

    Attributes:
        english: sentences; tokenised ones have spaces between all words and marks.
        german: their translations.
    """

    english: Annotated[tuple[str, ...], Part(ITEM)]
    german: Annotated[tuple[str, ...], Part(ITEM)]


def load(split: str = "train", tokenised: bool = True, data_dir: str | Path | None = None) -> Translations:
    """One split, from `multi30k/{train,val,test_2016_flickr}[.lc.norm.tok].{en,de}`, plain or with `.gz`.

    Args:
        split: "train", "validation" or "test".
        tokenised: small letters, spaces between words; else as written.
        data_dir: folder to search before the cache; default TGNN_DATA_DIR.

    Raises:
        FileNotFoundError: a file is nowhere, and the download failed.
        ValueError: an unknown split, or a damaged or changed file.
    """
    name = _FILES[check_split(split)]
    texts = []
    for language in ("en", "de"):
        path = _path(name, language, tokenised, data_dir)
        texts.append(tuple(split_lines(read_text(path))))
    return check(f"multi30k/{name}", Translations(*texts), "the two languages are not of one version: get both again")


def _path(name: str, language: str, tokenised: bool, data_dir: str | Path | None) -> Path:
    folder, file = ("tok", f"{name}.lc.norm.tok.{language}") if tokenised else ("raw", f"{name}.{language}.gz")
    packed = find(f"multi30k/{file}.gz", data_dir) if tokenised else None  # published without .gz, so kept either way
    path = f"multi30k/{file}"
    return packed or fetch(f"{_URL}/{folder}/{file}", path, SHA256[path], data_dir)
