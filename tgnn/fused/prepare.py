"""What every tiled execution does first: heads onto two axes, parameters into leaves, wide dtypes."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from tgnn.fused.tile import Rule, Slots, split_leaves
from tgnn.scores import DotProduct, Score
from tgnn.softmax import wide_dtype
from tgnn.typing import Array


class Call(NamedTuple):
    """A call of `attend`, ready to be cut into tiles. Heads stand on [key_heads, group]."""

    rule: Rule
    receiver: Array  # [n_receivers, key_heads, group, ...], what the score needs of a receiver
    sender: Array  # [n_senders, key_heads, ...]
    value: Array  # [n_senders, key_heads, dim]
    floats: list[Array]
    others: list[Array]
    slots: Slots  # in the layout's edge shape
    each_head: bool  # heads may run one after the other: nothing is shared between them


def why_not(layout, score, query, key, value, bias, edges, edge_value) -> str | None:
    """None where the tiled executions can run a call, else the reason why they cannot, as the end of a sentence."""
    if type(score).__call__ not in (Score.__call__, DotProduct.__call__):
        return f"{type(score).__name__} defines __call__ itself; define receiver, sender and pair instead"
    for name, x in (("score", score), ("bias", bias if callable(bias) else None)):
        if not all(hasattr(leaf, "dtype") or isinstance(leaf, (bool, int, float)) for leaf in jax.tree.leaves(x)):
            return f"{name} is no registered pytree of arrays (see jax.tree_util.register_dataclass)"
    return None


def is_faster(layout, score, query, key, value, bias, edges, edge_value) -> bool:
    """On CPU from about 2 ** 16 logits on: below, the definition compiles faster and runs as fast. Else untried."""
    return jax.default_backend() == "cpu" and math.prod(layout.edge_shape) * query.shape[1] >= 2**16


def prepare(layout, query, key, value, score, bias, scale, edges, edge_value, dropout_rate) -> Call:
    """The arguments of `attend` as a `Call`, differentiably."""
    heads, key_heads = query.shape[1], key.shape[1]
    wide = wide_dtype(query.dtype, key.dtype)
    value = value.astype(wide_dtype(wide, value.dtype))
    scale = score.default_scale(query.shape[-1]) if scale is None else scale
    number = float(scale) if isinstance(scale, (int, float)) else 1.0
    if type(score) is DotProduct:
        receiver, sender = query.astype(wide), key.astype(wide)
        if not isinstance(scale, (int, float)):
            scale = jnp.asarray(scale, wide)
            receiver = receiver * (scale if scale.ndim == 0 else scale[None, :, None])
    else:
        repeats = heads // key_heads
        value, key, key_heads = jnp.repeat(value, repeats, axis=1), jnp.repeat(key, repeats, axis=1), heads
        receiver, sender = score.receiver(query), score.sender(key)
    late = None if isinstance(scale, (int, float)) or type(score) is DotProduct else jnp.asarray(scale)
    rule, floats, others = split_leaves(score, bias if callable(bias) else None, late)
    rule = rule._replace(
        dropout_rate=float(dropout_rate), key_heads=key_heads, group=heads // key_heads, scale=number
    )
    shape = layout.edge_shape
    slots = Slots(
        None if bias is None or callable(bias) else jnp.asarray(bias),
        *(None if x is None else jnp.broadcast_to(x, shape + x.shape[len(shape) :]) for x in (edges, edge_value)),
    )
    receiver = receiver.reshape(receiver.shape[0], key_heads, heads // key_heads, *receiver.shape[2:])
    together = floats or others or any(x is not None for x in slots) or type(score) is not DotProduct
    return Call(rule, receiver, sender, value, floats, others, slots, each_head=not together)


def pad_rows(x: Array, length: int) -> Array:
    """Zeros appended to the first axis, up to `length`."""
    return jnp.pad(x, [(0, length - x.shape[0])] + [(0, 0)] * (x.ndim - 1)) if length > x.shape[0] else x
