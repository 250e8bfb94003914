"""Sentences with their trees, cut into the tokens of a network, in batches of a few lengths."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.syntax.config import Config
from tgnn.datasets import ud_ewt
from tgnn.datasets.ud_ewt import Sentence

STEP = 16  # lengths of batches are multiples of it, so that few programs are compiled


class Text(NamedTuple):
    """A sentence as the network sees it."""

    sentence: Sentence
    ids: np.ndarray  # int32 [n_token]
    words: np.ndarray  # int [n_token], the word of each token, -1 of [CLS] and [SEP]

    @property
    def is_word(self) -> np.ndarray:
        """bool [n_word]: punctuation is left out of trees, as usual."""
        return np.array(self.sentence.tags) != "PUNCT"


class Batch(NamedTuple):
    """Sentences of about one length; rows after the last text are empty."""

    texts: list[Text]
    ids: np.ndarray  # int32 [rows, n]
    mask: np.ndarray  # bool [rows, n]


def load(config: Config, tokenizer: Any, data_dir: Path | None) -> tuple[list[Text], list[Text]]:
    """Training sentences, that choose, and those of the "dev" split, that are scored."""
    train = ud_ewt.load("train", data_dir)
    chosen = np.random.default_rng(0).permutation(len(train))[: config.train_sentences]
    parts = [train[i] for i in sorted(chosen)], ud_ewt.load("validation", data_dir)[: config.test_sentences]
    train, test = ([text for text in cut(part, tokenizer) if fits(text, config)] for part in parts)
    return train, test


def cut(sentences: Sequence[Sentence], tokenizer: Any) -> list[Text]:
    """Sentences in tokens."""
    encoded = tokenizer.encode_batch([list(sentence.words) for sentence in sentences], is_pretokenized=True)
    numbers = [np.array([-1 if word is None else word for word in one.word_ids], np.int64) for one in encoded]
    ids = [np.array(one.ids, np.int32) for one in encoded]
    return [Text(*parts) for parts in zip(sentences, ids, numbers, strict=True)]


def fits(text: Text, config: Config) -> bool:
    """Whether it is short enough, and each of its words has a token."""
    return len(text.ids) <= config.max_tokens and len(set(text.words) - {-1}) == len(text.sentence.words)


def batches(texts: Sequence[Text], rows: int) -> Iterator[Batch]:
    """All texts once, the short ones first."""
    lengths: dict[int, list[Text]] = {}
    for text in texts:
        lengths.setdefault(-(-len(text.ids) // STEP) * STEP, []).append(text)
    for n, members in sorted(lengths.items()):
        for start in range(0, len(members), rows):
            own = members[start : start + rows]
            ids, mask = np.zeros((rows, n), np.int32), np.zeros((rows, n), bool)
            mask[len(own) :, 0] = True
            for row, text in enumerate(own):
                ids[row, : len(text.ids)], mask[row, : len(text.ids)] = text.ids, True
            yield Batch(own, ids, mask)
