"""Attention whose positions are distances, as in Transformer-XL: one dot product, which every layout can run."""

import jax.numpy as jnp

from tgnn.attention.api import attend
from tgnn.graphs import Causal, Window
from tgnn.nn.basic import linear
from tgnn.nn.positions import rotary
from tgnn.typing import Array, Params


def relative_attention(
    params: Params,
    layout: Causal | Window,
    x: Array,
    past: Array,
    *,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Array:
    """Attention that scores `<query_i + u, key_j> + <query_i + v, W R(i - j)>`, R being sines and cosines.

    It is one dot product, so that every layout can run it: with c = W^T (query_i + v) and e = (0, 1, 0, 1, ...),
    `<c, R(i - j)> = <rotary(c, i), rotary(e, j)>` by the angle-sum formulas, and queries and keys get so many features
    more.

    Args:
        params: of the attention in a block of `init_transformer_xl`.
        layout: edges to x `[n, model_dim]` from the rows of the past `[length, model_dim]`, then of x.
        x: receivers.
        past: the senders before them.
        dropout_rate: of the weights.
        rng: key of the dropout.
        implementation: see `tgnn.attend`.

    Returns:
        `[n, model_dim]`.

    Reference: arXiv:1901.02860, section 3.3, the four terms (a) to (d).
    """
    senders = jnp.concatenate([past, x])  # [length + n, model_dim]
    places = jnp.arange(senders.shape[0])
    query, key, value = linear(params["query"], x), linear(params["key"], senders), linear(params["value"], senders)
    scale = query.shape[-1] ** -0.5
    kernel = params["position"]["kernel"].astype(x.dtype)
    # [n, heads, position_dim]: the vector c of each receiver
    wave = jnp.einsum("nhd,phd->nhp", query + params["position_bias"][None].astype(x.dtype), kernel)
    unit = jnp.broadcast_to(jnp.arange(wave.shape[-1]) % 2, (*key.shape[:2], wave.shape[-1])).astype(x.dtype)
    content = query + params["content_bias"][None].astype(x.dtype)
    # [..., heads, head_dim + position_dim]
    query = jnp.concatenate([content, rotary(wave, places[past.shape[0] :], interleaved=True)], axis=-1)
    key = jnp.concatenate([key, rotary(unit, places, interleaved=True)], axis=-1)
    options = {"dropout_rate": dropout_rate, "rng": rng, "implementation": implementation}
    return linear(params["output"], attend(layout, query, key, value, scale=scale, **options), in_axes=2)
