"""`attend` as the `attention_fn` of flax's `nnx.MultiHeadAttention` and `linen.MultiHeadDotProductAttention`."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.attention.api import attend, attention_weights
from tgnn.compiled import compiled
from tgnn.graphs import Causal, Complete, Dense
from tgnn.graphs.layout import is_traced
from tgnn.typing import Array


def attention_fn(
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
    """Flax's `dot_product_attention` computed by `attend`; a mask per head makes each head a relation of its own.

    All keywords are named because linen passes only those it finds in the signature: a wrapper with `**kwargs` would
    lose the mask.

    Args:
        query: `[..., n_receivers, heads, head_dim]`.
        key: `[..., n_senders, key_heads, head_dim]`.
        value: `[..., n_senders, key_heads, value_dim]`.
        bias: broadcastable to `[..., heads, n_receivers, n_senders]`.
        mask: broadcastable to `[..., heads, n_receivers, n_senders]`, True = keep; or numbers, 1 = keep and 0 = not, as
            flax's `make_causal_mask` and `make_attention_mask` give them. Under jit other numbers are no edges.
        broadcast_dropout: drop the same edges in all heads and examples of a batch.
        dropout_rng: a key; needed if weights are dropped.
        dropout_rate: of the attention weights.
        deterministic: no dropout.
        dtype: of the computation; default that of the arguments.
        precision: of matrix products; see `jax.default_matmul_precision`.
        module: a flax module into which the weights before dropout are sown as `attention_weights`.
        is_causal: receivers see senders up to their own row only.

    Returns:
        `[..., n_receivers, heads, value_dim]`. Flax's numbers, except that a receiver whose mask is all False gets
        zeros instead of the mean of all values, and that other edges are dropped than by flax for the same key.

    Raises:
        ValueError: the mask holds other numbers than 0 and 1, or numbers none of which is 1, as one that is to be added
            to the logits does; or weights are to be dropped without a key.

    >>> from flax import nnx
    >>> layer = nnx.MultiHeadAttention(2, in_features=6, decode=False, attention_fn=attention_fn, rngs=nnx.Rngs(0))
    >>> layer(jnp.ones((3, 5, 6))).shape
    (3, 5, 6)
    """
    dtype = dtype or jnp.result_type(query, key, value)
    batch, n, m, heads = query.shape[:-3], query.shape[-3], key.shape[-3], query.shape[-2]
    rate = 0.0 if deterministic else dropout_rate
    mask = None if mask is None else _as_bool(mask)
    per_head = (mask is not None and mask.ndim > 2 and mask.shape[-3] > 1) or (rate > 0 and broadcast_dropout)
    relations = heads if per_head else 1
    lead = (math.prod(batch), relations)
    query, key, value = (_by_relation(x.astype(dtype), lead, heads) for x in (query, key, value))
    if mask is not None:
        mask = jnp.broadcast_to(mask, (*batch, relations, n, m)).reshape(*lead, n, m)
    if bias is not None:
        bias = jnp.broadcast_to(bias, (*batch, heads, n, m)).reshape(*lead, heads // relations, n, m)
        bias = jnp.moveaxis(bias, 2, -1)
    rng = keys_of(dropout_rng, lead, broadcast_dropout) if rate > 0 else None

    with jax.default_matmul_precision(precision):
        if module is not None:
            sown = _weights(query, key, mask, bias, is_causal)  # [batch, relations, n, m, heads / relations]
            sow(module, jnp.moveaxis(sown, -1, 2).reshape(*batch, heads, n, m).astype(dtype))
        out = _output(query, key, value, mask, bias, rng, rate, is_causal)
    return jnp.moveaxis(out, 1, 2).reshape(*batch, n, heads, out.shape[-1])


@compiled
def _weights(query, key, mask, bias, is_causal):
    def one(query, key, mask, bias):
        layout = _layout(mask, query.shape[0], key.shape[0], is_causal)
        return attention_weights(layout, query, key, bias=bias)

    return jax.vmap(jax.vmap(one))(query, key, mask, bias)


@compiled
def _output(query, key, value, mask, bias, rng, rate, is_causal):
    def one(query, key, value, mask, bias, rng):
        layout = _layout(mask, query.shape[0], key.shape[0], is_causal)
        return attend(layout, query, key, value, bias=bias, dropout_rate=rate, rng=rng)

    # [batch, relations, n, heads / relations, value_dim]
    return jax.vmap(jax.vmap(one))(query, key, value, mask, bias, rng)


def _as_bool(mask: Any) -> Array:
    """A mask that keeps where it is True or 1; flax's own ones are float32."""
    mask = mask if isinstance(mask, jax.Array) else np.asarray(mask)
    if mask.dtype == bool:
        return jnp.asarray(mask)
    if not is_traced(mask):
        numbers = np.unique(np.asarray(mask))
        if numbers.size and (not np.isin(numbers, (0, 1)).all() or numbers.max() != 1):
            raise ValueError(
                f"mask is {mask.dtype} with numbers from {numbers.min()} to {numbers.max()}, but must say what to "
                "keep: True or 1, and False or 0; pass a bool array, and what is to be added to the logits as bias"
            )
    return jnp.asarray(mask == 1)


def _by_relation(x: Array, lead: tuple[int, int], heads: int) -> Array:
    """`[..., n, heads, dim] -> [batch, relations, n, heads / relations, dim]`."""
    if lead[1] > 1:
        x = jnp.repeat(x, heads // x.shape[-2], axis=-2)
    n, kept, dim = x.shape[-3:]
    return jnp.moveaxis(x.reshape(lead[0], n, lead[1], kept // lead[1], dim), 2, 1)


def keys_of(rng: Array | None, lead: tuple[int, ...], same: bool) -> Array:
    """One key for each example and relation; linen and nnx pass typed and untyped keys, attend takes typed ones."""
    if rng is None:
        raise ValueError("dropout_rng is None but dropout_rate is not 0; pass a key, or deterministic=True")
    rng = rng if jnp.issubdtype(rng.dtype, jax.dtypes.prng_key) else jax.random.wrap_key_data(rng)
    return jnp.broadcast_to(rng, lead) if same else jax.random.split(rng, lead)


def _layout(mask: Array | None, n: int, m: int, is_causal: bool) -> Any:
    if mask is None:
        return Causal(n, m) if is_causal else Complete(n, m)
    return Dense(mask & Causal(n, m).live if is_causal else mask)


def sow(module: Any, weights: Array) -> None:
    """Leaves the weights in an nnx or linen module, under the name that Flax uses."""
    from flax import nnx

    if isinstance(module, nnx.Module):
        module.sow(nnx.Intermediate, "attention_weights", weights)
    else:
        module.sow("intermediates", "attention_weights", weights)
