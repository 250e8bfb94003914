"""SICK: pairs of sentences, how related they are (1 to 5), and whether the first entails the second.

4,500 train, 500 validation (the "trial" set) and 4,927 test pairs.

Source: zenodo.org/record/2787612. Licence: CC BY-NC-SA 3.0 (not for commercial use). Citation: Marelli et al., "A SICK
cure for the evaluation of compositional distributional semantic models", LREC 2014; SemEval-2014 task 1.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from tgnn.datasets.checks import check
from tgnn.datasets.files.archives import read_text
from tgnn.datasets.files.checksums import SHA256
from tgnn.datasets.files.download import fetch, require
from tgnn.datasets.files.lines import numbered_lines, real, words_of
from tgnn.datasets.records import ITEM, Collection, Part
from tgnn.datasets.splits import check_split

ENTAILMENT = ("CONTRADICTION", "NEUTRAL", "ENTAILMENT")
_URL = (
    "https://raw.githubusercontent.com/mylius/nlp_similiarity_benchmark/075191a4e20fe64a125182c2e6f6b6ec8b7db25e/data"
)
_FILES = {"train": "SICK_train.txt", "validation": "SICK_trial.txt"}
_TEST_FILES = ("sick/SICK_test_annotated.txt", "sick/SICK_test.txt")
_COLUMNS = ("sentence_A", "sentence_B", "relatedness_score", "entailment_judgment")


@dataclass(frozen=True, eq=False)
class Sick(Collection):
    """Pairs of one split; `len(data)` is their number.

    Attributes:
        first: the first sentences, as tuples of words (split at spaces; case and punctuation are kept).
        second: the second sentences.
        relatedness: float32 [n], 1 to 5.
        entailment: int32 [n] index into `ENTAILMENT`.
    """

    first: Annotated[tuple[tuple[str, ...], ...], Part(ITEM)]
    second: Annotated[tuple[tuple[str, ...], ...], Part(ITEM)]
    relatedness: Annotated[np.ndarray, Part(ITEM, ndim=1)]
    entailment: Annotated[np.ndarray, Part(ITEM, below=len(ENTAILMENT), ndim=1)]


def load(split: str = "train", data_dir: str | Path | None = None) -> Sick:
    """One split, from `sick/SICK_{train,trial,test_annotated}.txt`; the test file is not downloaded.

    Raises:
        FileNotFoundError: the file is nowhere, and the download failed.
        ValueError: an unknown split, or a damaged or changed file.
    """
    if check_split(split) == "test":
        remedy = "take it from zenodo.org/record/2787612 and put it into TGNN_DATA_DIR"
        path = require(_TEST_FILES, remedy, data_dir)
    else:
        name = f"sick/{_FILES[split]}"
        path = fetch(f"{_URL}/{_FILES[split]}", name, SHA256[name], data_dir)
    return parse_pairs(str(path), read_text(path))


def parse_pairs(name: str, text: str) -> Sick:
    r"""Pairs in the tab-separated format of SICK, whose first line names the columns.

    Example:
        >>> columns = "sentence_A\tsentence_B\trelatedness_score\tentailment_judgment"
        >>> pairs = parse_pairs("text", columns + "\nA dog runs\tIt runs\t4.5\tENTAILMENT\n")
        >>> pairs.second, pairs.relatedness.tolist(), pairs.entailment.tolist()
        ((('It', 'runs'),), [4.5], [2])

    Raises:
        ValueError: a column is missing, a score is outside 1 to 5, a sentence is empty, or a judgement is unknown.
    """
    (_, head), *lines = numbered_lines(text) or [(1, "")]
    names = head.split("\t")
    rows = []
    for number, line in lines:
        try:
            row = dict(zip(names, line.split("\t"), strict=True))
            first, second, score, judgement = (row[column].strip(" ") for column in _COLUMNS)
            rows.append((words_of(first), words_of(second), real(score), ENTAILMENT.index(judgement)))
        except (KeyError, ValueError) as error:
            raise ValueError(f"{name}, line {number} is no pair of SICK ({error}); get it again") from error
    if not rows or not all(first and second and 1 <= score <= 5 for first, second, score, _ in rows):
        raise ValueError(f"{name} has no pairs, an empty sentence, or a relatedness outside 1 to 5; get it again")
    first, second, score, entailment = zip(*rows, strict=True)
    return check(name, Sick(first, second, np.array(score, np.float32), np.array(entailment, np.int32)))
