"""Words as graphs: many short ones side by side in a row of slots, so that hardly a slot is padding.

A row is a disjoint union of words. Its segments say which nodes belong together; attention sees no other edges.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from experiments.common.packing.rows import Packing, Shuffled
from experiments.pronounce.config import END, START
from tgnn.datasets.cmudict import LETTERS, PHONEMES, Pronunciations


class Batch(NamedTuple):
    """Ints `[rows, slots]`; -1 is padding."""

    letters: np.ndarray
    letter_segments: np.ndarray  # which word of the row
    letter_positions: np.ndarray  # place in the word
    phonemes: np.ndarray  # START, then the phonemes: what the decoder is given
    targets: np.ndarray  # the phonemes, then END: what it is to say
    phoneme_segments: np.ndarray
    phoneme_positions: np.ndarray


class Example(NamedTuple):
    """A word and one of its pronunciations, as ids."""

    letters: np.ndarray
    phonemes: np.ndarray


def letter_ids(word: str) -> np.ndarray:
    """The ids of a word's letters, capitals taken as small ones.

    Raises:
        ValueError: the word is empty or has other signs than letters and the apostrophe.
    """
    unknown = sorted(set(word.lower()) - set(LETTERS))
    if not word or unknown:
        raise ValueError(f"{word!r} must be one word of the letters a to z and the apostrophe")
    return np.array([LETTERS.index(letter) for letter in word.lower()], np.int32)


def phoneme_ids(phonemes: Iterable[str]) -> np.ndarray:
    """The ids of phonemes."""
    return np.array([_PHONEME_ID[phoneme] for phoneme in phonemes], np.int32)


def phoneme_names(ids: Iterable[int]) -> tuple[str, ...]:
    """The phonemes before the first END; an untrained model may say START, which is no phoneme."""
    said = itertools.takewhile(lambda i: i != END, ids)
    return tuple(PHONEMES[i] for i in said if i != START)


_PHONEME_ID = {phoneme: i for i, phoneme in enumerate(PHONEMES)}


def examples(words: Pronunciations, limit: int | None = None) -> list[Example]:
    """Every pronunciation of the first `limit` words."""
    pairs = list(zip(words.words, words.phonemes, strict=True))[:limit]
    return [Example(letter_ids(word), phoneme_ids(said)) for word, alternatives in pairs for said in alternatives]


def lay_out(words: Sequence[Example], rows: Sequence[Sequence[int]], slots: int) -> Batch:
    """Writes the words of each row one after the other."""
    batch = Batch(*np.full((len(Batch._fields), len(rows), slots), -1, np.int32))
    for row, members in enumerate(rows):
        letter_start = phoneme_start = 0
        for segment, member in enumerate(members):
            letters, phonemes = words[member]
            here = slice(letter_start, letter_start + len(letters))
            batch.letters[row, here] = letters
            batch.letter_segments[row, here] = segment
            batch.letter_positions[row, here] = np.arange(len(letters))
            there = slice(phoneme_start, phoneme_start + len(phonemes) + 1)
            batch.phonemes[row, there] = [START, *phonemes]
            batch.targets[row, there] = [*phonemes, END]
            batch.phoneme_segments[row, there] = segment
            batch.phoneme_positions[row, there] = np.arange(len(phonemes) + 1)
            letter_start, phoneme_start = here.stop, there.stop
    return batch


class Batches:
    """The batches of a run: `batches(step)` is a function of the step alone, so that a run can be resumed anywhere."""

    def __init__(self, words: Sequence[Example], *, rows: int, slots: int, seed: int):
        self.words, self.slots = words, slots
        sizes = np.array([(len(letters), len(phonemes) + 1) for letters, phonemes in words])
        self.shuffled = Shuffled(Packing(sizes, slots), rows, seed)
        self.per_epoch = self.shuffled.per_epoch

    def __call__(self, step: int) -> Batch:
        return lay_out(self.words, self.shuffled(step), self.slots)


def padded(words: Sequence[str], slots: int) -> np.ndarray:
    """One word a row: letters `[n, slots]`, -1 behind each word.

    Raises:
        ValueError: a word is longer than a row, or no word.
    """
    batch = np.full((len(words), slots), -1, np.int32)
    for row, word in zip(batch, words, strict=True):
        ids = letter_ids(word)
        if len(ids) > slots:
            raise ValueError(f"{word!r} has {len(ids)} letters but the model reads {slots} at most")
        row[: len(ids)] = ids
    return batch
