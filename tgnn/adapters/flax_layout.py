"""Flax's attention layers on any layout: an `attention_fn` that has the graph inside."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tgnn.adapters.flax import keys_of, sow
from tgnn.attention.api import attend, attention_weights
from tgnn.attention.scores import Score, dot_product
from tgnn.compiled import compiled
from tgnn.typing import Array, Graph


def attention_on(layout: Graph, *, score: Score = dot_product) -> Callable[..., Array]:
    """An `attention_fn` for `nnx.MultiHeadAttention` and linen's, whose edges are those of a layout.

    Args:
        layout: over the nodes of one example: receivers are the rows of the queries, senders those of the keys.
        score: see `attend`.

    Returns:
        A function of Flax's arguments. It refuses a mask, a bias and `is_causal`, since the layout says which edges
        exist. Of dropped edges those are the same in all examples where Flax asks for `broadcast_dropout`, but heads
        differ. Weights are sown as `attention_weights`, `[..., *edge_shape, heads]`.

    Raises:
        ValueError: by that function, for a mask, a bias, or other numbers of rows than the layout's.

    >>> from flax import nnx
    >>> from tgnn.graphs import Window
    >>> fn = attention_on(Window(5, 1, 1))
    >>> layer = nnx.MultiHeadAttention(2, in_features=6, decode=False, attention_fn=fn, rngs=nnx.Rngs(0))
    >>> layer(jnp.ones((3, 5, 6))).shape
    (3, 5, 6)
    """

    def attention(
        query: Array,
        key: Array,
        value: Array,
        bias: Array | None = None,
        mask: Array | None = None,
        broadcast_dropout: bool = True,
        dropout_rng: Array | None = None,
        dropout_rate: float = 0.0,
        deterministic: bool = False,
        dtype: Any = None,
        precision: Any = None,
        module: Any = None,
        is_causal: bool = False,
    ) -> Array:
        for name, given in (("mask", mask is not None), ("bias", bias is not None), ("is_causal", is_causal)):
            if given:
                raise ValueError(
                    f"{name} is given, but the layout of attention_on says which edges exist; intersect the layout "
                    "with it, or use attention_fn, which takes masks and biases"
                )
        dtype = dtype or jnp.result_type(query, key, value)
        lead, rate = query.shape[:-3], 0.0 if deterministic else dropout_rate
        query, key, value = (x.astype(dtype).reshape(-1, *x.shape[-3:]) for x in (query, key, value))
        rng = keys_of(dropout_rng, (math.prod(lead),), broadcast_dropout) if rate > 0 else None
        with jax.default_matmul_precision(precision):
            if module is not None:
                weights = weights_of_batch(layout, score, query, key)
                sow(module, weights.reshape(*lead, *weights.shape[1:]).astype(dtype))
            output = batch(layout, score, query, key, value, rng, rate)
        return output.reshape(*lead, *output.shape[1:])

    return attention


@compiled
def batch(layout, score, query, key, value, rng, rate):
    """[batch, n_receivers, heads, value_dim]."""

    def one(query, key, value, rng):
        return attend(layout, query, key, value, score=score, dropout_rate=rate, rng=rng)

    return jax.vmap(one)(query, key, value, rng)


@compiled
def weights_of_batch(layout, score, query, key):
    """[batch, *edge_shape, heads]."""
    return jax.vmap(lambda query, key: attention_weights(layout, query, key, score=score))(query, key)
