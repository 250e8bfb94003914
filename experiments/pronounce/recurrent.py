"""The RNNs of the field's history, from before the Transformer: two chains, with attention between them or without.

Their words stand in rows of their own, words of like length in one batch: a chain takes as many steps as its longest.
"""

import bisect
import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.common.packing.rows import CHUNK
from experiments.common.training import num_parameters
from experiments.pronounce.config import END, START, Config
from experiments.pronounce.data import Example
from tgnn.datasets.cmudict import LETTERS, PHONEMES
from tgnn.models.recurrent.seq2seq import init_seq2seq, init_seq2seq_state, seq2seq, seq2seq_step
from tgnn.nn.search import greedy
from tgnn.nn.transformer import init_transformer
from tgnn.train.losses import cross_entropy
from tgnn.typing import Array, Params

KINDS = {"rnn": "none", "bahdanau": "additive", "luong": "multiplicative"}
WORDS_OF_A_ROW = 4  # a row of the Transformer holds about as many: so many words are in a batch of as many rows
BUCKET = 8  # lengths are padded to a multiple of it: few shapes, few compilations


class WordBatch(NamedTuple):
    """Ints `[n_words, length]`; -1 is padding."""

    letters: np.ndarray
    phonemes: np.ndarray  # START, then the phonemes
    targets: np.ndarray  # the phonemes, then END


class WordBatches:
    """The batches of a run, as a function of the step alone."""

    def __init__(self, words: Sequence[Example], config: Config, *, seed: int):
        self.words, self.seed = words, seed
        self.size = min(config.rows * WORDS_OF_A_ROW, len(words))
        self.lengths = np.array([max(len(letters), len(phonemes) + 1) for letters, phonemes in words])
        self.epoch = functools.lru_cache(maxsize=2)(self._epoch)

    def __call__(self, step: int) -> WordBatch:
        epoch, index = divmod(step, len(self.words) // self.size)
        return lay_out([self.words[i] for i in self.epoch(epoch)[index]])

    def _epoch(self, epoch: int) -> list[np.ndarray]:
        """Batches of words of like length, in a random order; what is left over by the division waits."""
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(len(self.words))
        chunks = [order[start : start + CHUNK] for start in range(0, len(order), CHUNK)]
        order = np.concatenate([chunk[np.argsort(self.lengths[chunk], kind="stable")] for chunk in chunks])
        batches = np.split(order[: len(order) // self.size * self.size], len(order) // self.size)
        return [batches[i] for i in rng.permutation(len(batches))]


def lay_out(words: Sequence[Example]) -> WordBatch:
    """One word a row."""
    longest = max(max(len(letters), len(phonemes) + 1) for letters, phonemes in words)
    length = -(-longest // BUCKET) * BUCKET
    batch = WordBatch(*np.full((3, len(words), length), -1, np.int32))
    for row, (letters, phonemes) in enumerate(words):
        batch.letters[row, : len(letters)] = letters
        batch.phonemes[row, : len(phonemes) + 1] = [START, *phonemes]
        batch.targets[row, : len(phonemes) + 1] = [*phonemes, END]
    return batch


def init(rng: Array, config: Config) -> Params:
    """Weights at the width that makes as many of them as the Transformer of the config has."""

    def of_width(width: int) -> Callable[[Array], Params]:
        kind = KINDS[config.architecture]
        return lambda rng: init_seq2seq(rng, len(LETTERS), len(PHONEMES) + 2, width, attention=kind)

    budget = num_parameters(lambda rng: init_transformer(rng, config.model))
    widths = range(8, 4 * config.model_dim, 8)

    def size(width: int) -> int:
        return num_parameters(of_width(width))

    above = bisect.bisect_left(widths, budget, lo=1, hi=len(widths) - 1, key=size)
    nearest = min(widths[above - 1 : above + 1], key=lambda width: abs(size(width) - budget))
    return of_width(nearest)(rng)


def make_loss(config: Config) -> Callable:
    """The loss of a batch, `(params, batch, rng) -> (nats per phoneme, {})`."""

    def loss(params, batch, rng):
        logits = jax.vmap(seq2seq, (None, 0, 0))(params, batch.letters, batch.phonemes)
        return cross_entropy(logits, batch.targets, label_smoothing=config.label_smoothing), {}

    return loss


@functools.partial(jax.jit, static_argnames="max_length")
def decode(params, letters: jax.Array, max_length: int) -> jax.Array:
    """Says the words `letters [n, slots]`, -1 behind each: the most probable phoneme after each, `[n, max_length]`."""

    def one(letters):
        step = functools.partial(seq2seq_step, params)
        return greedy(step, init_seq2seq_state(params, letters), START, end=END, max_length=max_length)

    return jax.vmap(one)(jnp.asarray(letters))
