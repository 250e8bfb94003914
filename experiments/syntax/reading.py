"""What a network's attention is between the words of sentences: of each head, averaged, and through all layers."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.syntax.data import Batch, Text, batches
from tgnn import pretrained
from tgnn.analysis import rollout, word_weights
from tgnn.graphs import Complete
from tgnn.typing import Array, Params


class Read(NamedTuple):
    """One sentence."""

    text: Text
    heads: np.ndarray  # [layers, heads, n_word, n_word]: row i is the attention of word i
    rolled: np.ndarray  # [n_word, n_word], rollout of all layers
    tokens: np.ndarray  # [layers, heads, n_token, n_token]


def read(params: Params, model: pretrained.Model, texts: Sequence[Text], rows: int) -> Iterator[Read]:
    """Every sentence, in an order of its own."""
    for batch in batches(texts, rows):
        weights, rolled = (np.asarray(x) for x in read_batch(params, model, batch))
        for row, text in enumerate(batch.texts):
            n = len(text.ids)
            tokens = weights[:, row, :, :n, :n]
            heads = word_weights(tokens, text.words)
            yield Read(text, heads, word_weights(rolled[row, :n, :n], text.words), tokens)


def read_batch(params: Params, model: pretrained.Model, batch: Batch) -> tuple[Array, Array]:
    """Weights `[layers, rows, heads, n, n]` of all heads, and their rollout `[rows, n, n]`."""
    weights = pretrained.attention(params, model, batch.ids, layer=None, mask=batch.mask)
    return weights, roll(weights)


@jax.jit
def roll(weights: Array) -> Array:
    """[layers, rows, heads, n, n] -> [rows, n, n]; padding sends nothing, so its rows reach no others."""
    layout = Complete(weights.shape[-1])
    one = lambda weights: rollout(layout, list(jnp.moveaxis(weights, 1, -1)))  # noqa: E731
    return jax.vmap(one, in_axes=1)(weights)


def randomised(params: Params, seed: int) -> Params:
    """The same network before any training: BERT's normal numbers of 0.02, biases of 0, scales of 1."""
    leaves, tree = jax.tree_util.tree_flatten_with_path(params)
    keys = jax.random.split(jax.random.key(seed), len(leaves))

    def fresh(path, x: Array, key: Array) -> Array:
        name = path[-1].key
        if name in ("scale", "bias"):
            return jnp.full_like(x, float(name == "scale"))
        return 0.02 * jax.random.normal(key, x.shape, x.dtype)

    return tree.unflatten([fresh(path, x, key) for (path, x), key in zip(leaves, keys, strict=True)])
