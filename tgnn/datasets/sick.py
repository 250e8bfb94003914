"""SICK: pairs of sentences, how related they are (1 to 5), and whether the first entails the second.

4,500 train, 500 validation (the "trial" set) and 4,927 test pairs.

Source: zenodo.org/record/2787612. Licence: CC BY-NC-SA 3.0 (not for commercial use). Citation: Marelli et al., "A SICK
cure for the evaluation of compositional distributional semantic models", LREC 2014; SemEval-2014 task 1.
"""

import csv
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tgnn.datasets.files.archives import read_text
from tgnn.datasets.files.checksums import SHA256
from tgnn.datasets.files.download import fetch, find, require
from tgnn.datasets.splits import check_split

ENTAILMENT = ("CONTRADICTION", "NEUTRAL", "ENTAILMENT")
_URL = (
    "https://raw.githubusercontent.com/mylius/nlp_similiarity_benchmark/075191a4e20fe64a125182c2e6f6b6ec8b7db25e/data"
)
_FILES = {"train": "SICK_train.txt", "validation": "SICK_trial.txt"}
_TEST_FILES = ("SICK_test_annotated.txt", "SICK_test.txt")


class Sick(NamedTuple):
    """Pairs of one split.

    Attributes:
        first: the first sentences, as tuples of words (split at spaces; case and punctuation are kept).
        second: the second sentences.
        relatedness: float32 [n], 1 to 5.
        entailment: int32 [n] index into `ENTAILMENT`.
    """

    first: tuple[tuple[str, ...], ...]
    second: tuple[tuple[str, ...], ...]
    relatedness: np.ndarray
    entailment: np.ndarray


def load(split: str = "train", data_dir: str | Path | None = None) -> Sick:
    """One split, from `sick/SICK_{train,trial,test_annotated}.txt`; the test file is not downloaded.

    Raises:
        FileNotFoundError: the file is nowhere, and the download failed.
        ValueError: an unknown split, or a damaged or changed file.
    """
    if check_split(split) == "test":
        present = [name for name in _TEST_FILES if find(f"sick/{name}", data_dir)]
        remedy = "take it from zenodo.org/record/2787612 and put it into TGNN_DATA_DIR"
        path = require(f"sick/{(present or _TEST_FILES)[0]}", remedy, data_dir)
    else:
        name = f"sick/{_FILES[split]}"
        path = fetch(f"{_URL}/{_FILES[split]}", name, SHA256[name], data_dir)
    return parse_pairs(str(path), read_text(path))


def parse_pairs(name: str, text: str) -> Sick:
    """Pairs in the tab-separated format of SICK, whose first line names the columns.

    Raises:
        ValueError: a column is missing, a score is outside 1 to 5, or a judgement is unknown.
    """
    rows = list(csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))
    try:
        score = np.array([float(row["relatedness_score"]) for row in rows], np.float32)
        entailment = np.array([ENTAILMENT.index(row["entailment_judgment"].strip()) for row in rows], np.int32)
        first, second = (tuple(tuple(row[key].split()) for row in rows) for key in ("sentence_A", "sentence_B"))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{name} is not a SICK file ({type(error).__name__}: {error}); get it again") from error
    if not rows or not ((score >= 1) & (score <= 5)).all():
        raise ValueError(f"{name} has no pairs, or a relatedness outside 1 to 5; get it again")
    return Sick(first, second, score, entailment)
