"""What the tiled executions share: heads onto two axes, parameters into leaves, wide dtypes, and the way back."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from tgnn.attention.fused.derivatives import Call, attend_with
from tgnn.attention.fused.tile import Rule, Slots, split_leaves
from tgnn.attention.scores import DotProduct, Score
from tgnn.errors import check_bias
from tgnn.softmax import wide_dtype
from tgnn.typing import Array

NAMES = "layout", "query", "key", "value", "score", "bias", "scale"


class Prepared(NamedTuple):
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
    if 0 in (query.shape[-1], value.shape[-1]):
        return f"head_dim is {query.shape[-1]} and value_dim {value.shape[-1]}; it needs at least 1"
    for name, x in (("score", score), ("bias", bias if callable(bias) else None)):
        if not all(hasattr(leaf, "dtype") or isinstance(leaf, (bool, int, float)) for leaf in jax.tree.leaves(x)):
            return f"{name} is no registered pytree of arrays (see jax.tree_util.register_dataclass)"
    return None


def is_faster(layout, score, query, key, value, bias, edges, edge_value) -> bool:
    """On CPU from about 2 ** 15 logits on: below, the definition compiles faster and runs as fast. Else untried."""
    return jax.default_backend() == "cpu" and math.prod(layout.edge_shape) * query.shape[1] >= 2**15


def prepare(call: Call) -> Prepared:
    """The call in the shapes of the tiles, differentiably."""
    layout, query, key, value, score, bias, scale = (getattr(call, name) for name in NAMES)
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
        receiver, sender = score.on_receivers(query), score.on_senders(key)
    late = None if isinstance(scale, (int, float)) or type(score) is DotProduct else jnp.asarray(scale)
    rule, floats, others = split_leaves(score, bias if callable(bias) else None, late)
    rule = rule._replace(dropout_rate=call.dropout_rate, key_heads=key_heads, group=heads // key_heads, scale=number)
    shape = layout.edge_shape
    slots = Slots(
        None if callable(bias) else bias,
        *(
            None if x is None else layout.keep(jnp.broadcast_to(x, shape + x.shape[len(shape) :]))
            for x in (call.edges, call.edge_value)
        ),
    )
    receiver = receiver.reshape(receiver.shape[0], key_heads, heads // key_heads, *receiver.shape[2:])
    together = callable(bias) or floats or others or any(x is not None for x in slots) or type(score) is not DotProduct
    return Prepared(rule, receiver, sender, value, floats, others, slots, each_head=not together)


def pad_rows(x: Array, length: int) -> Array:
    """Zeros appended to the first axis, up to `length`."""
    return jnp.pad(x, [(0, length - x.shape[0])] + [(0, 0)] * (x.ndim - 1)) if length > x.shape[0] else x


def execution(pack, forward, backward, unpack):
    """`run` of a module, from four functions.

    Args:
      pack: `call -> plan, packed, data`: static, differentiable and other inputs of the tiles.
      forward: `plan, packed, data -> output, statistics`, both in float32 or wider.
      backward: `plan, packed, data, output, statistics, gradient -> ` gradients of `packed`.
      unpack: `call, output -> ` [n_receivers, heads, dim].
    """

    def attend_forward(call: Call):
        output, statistics = forward(*pack(call))
        return unpack(call, output).astype(call.value.dtype), (output, statistics)

    def attend_backward(call: Call, _, saved, gradient: Array) -> Call:
        output, statistics = saved
        (to_output,) = jax.linear_transpose(lambda x: unpack(call, x), output)(gradient.astype(output.dtype))
        leaves, treedef = jax.tree.flatten(call)
        chosen = [i for i, x in enumerate(leaves) if hasattr(x, "dtype") and jnp.issubdtype(x.dtype, jnp.inexact)]

        def packed(*floats):
            new = dict(zip(chosen, floats, strict=True))
            return pack(treedef.unflatten([new.get(i, x) for i, x in enumerate(leaves)]))[1]

        _, pull = jax.vjp(packed, *(leaves[i] for i in chosen))
        gradients = dict(zip(chosen, pull(backward(*pack(call), output, statistics, to_output)), strict=True))
        return treedef.unflatten([gradients.get(i) for i in range(len(leaves))])

    def run(layout, query, key, value, score, bias, scale, edges, edge_value, dropout_rate, rng) -> Array:
        if 0 in (layout.n_receivers, layout.n_senders, *layout.edge_shape):
            return jnp.zeros((layout.n_receivers, query.shape[1], value.shape[2]), value.dtype)
        edges, edge_value = (None if x is None else jnp.asarray(x) for x in (edges, edge_value))
        bias = bias if bias is None or callable(bias) else check_bias(layout, jnp.asarray(bias), query.shape[1])
        rng, rate = (rng, float(dropout_rate)) if dropout_rate > 0.0 else (None, 0.0)
        call = Call(layout, query, key, value, score, bias, scale, edges, edge_value, rng, rate)
        return attend_with(attend_forward, attend_backward, call)

    return run
