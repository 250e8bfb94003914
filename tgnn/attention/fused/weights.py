"""Attention weights of chosen (edge, head) pairs, from the softmax statistics of a fused execution.

No array of all weights exists: the fused forward pass gives maximum and log-sum of every receiver and head, and the
chosen pairs alone are scored again.
"""

from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp

from tgnn.attention.fused import edges as edge_list
from tgnn.attention.fused.derivatives import Call
from tgnn.graphs.edge_list import EdgeList
from tgnn.graphs.layout import Layout
from tgnn.typing import Array


class Statistics(NamedTuple):
    """Of the softmax of each receiver and head, [n_receivers, heads]: log-sum-exp = maximum + log_total.

    They stay apart because large logits would eat the digits of their sum. Without an edge: 0 and any finite number or
    +inf.
    """

    maximum: Array
    log_total: Array


def statistics(module, layout, query, key, score, bias, scale, edges) -> Statistics:
    """The statistics of a call that `module` can run. Values of one number per head are the least it can carry."""
    value = jnp.zeros((*key.shape[:2], 1), key.dtype)
    call = Call(layout, query, key, value, score, bias, scale, edges, None, None, 0.0)
    if module is edge_list:
        scale = score.default_scale(query.shape[-1]) if scale is None else scale
        found = module.forward(replace(call, scale=scale))[1]
        return Statistics(found.maximum, jnp.log(found.total))
    rows = module.unpack(call, module.forward(*module.pack(call))[1])
    return Statistics(rows[..., 0], rows[..., 1])


def edges_at(layout: Layout, slots: tuple[Array, ...]) -> EdgeList:
    """The edges in K of the layout's own slots, as a list in that order; slots out of range are dead edges."""
    inside, index = jnp.ones((), bool), []
    for slot, size in zip(slots, layout.edge_shape, strict=True):
        inside = inside & (slot >= 0) & (slot < size)
        index.append(jnp.clip(slot, 0, max(size - 1, 0)))

    def pick(x: Array) -> Array:
        where = (jnp.zeros_like(i) if size == 1 else i for i, size in zip(index, x.shape, strict=True))
        return x.at[tuple(where)].get(mode="promise_in_bounds")

    live = inside if layout.live is None else inside & pick(layout.live)
    return EdgeList(
        pick(layout.sender_index), pick(layout.receiver_index), layout.n_receivers, layout.n_senders, mask=live
    )


def weights_at(module, layout, query, key, score, bias, scale, edges, at) -> Array:
    """`attention_weights(...)[at]`: [K], float32 or wider.

    Args:
      module: an execution that can run the call.
      layout: its layout, which a Planned one has chosen.
      query: as for `attend`, like the next arguments.
      key: as for `attend`.
      score: as for `attend`.
      bias: callable, None, or a pair of arrays: per edge of the layout, and of the K pairs.
      scale: as for `attend`.
      edges: None, or a pair of arrays as for `bias`.
      at: the layout's own slots of the K pairs, and their heads.
    """
    from tgnn.attention.api import edge_logits  # the definition imports its executions, so not at the top

    *slots, head = at
    pairs = edges_at(layout, tuple(slots))
    full, few = zip(*(x if isinstance(x, tuple) else (x, x) for x in (bias, edges)), strict=True)
    found = statistics(module, layout, query, key, score, full[0], scale, full[1])
    logits = edge_logits(pairs, query, key, score, few[0], scale, few[1])
    receiver, row = jnp.clip(pairs.receivers, 0, layout.n_receivers - 1), jnp.arange(len(head))
    maximum, log_total = (x[receiver, head] for x in found)
    # Two wheres, as in group_softmax: a dead pair may be scored anything, and exp must not overflow on the way back.
    live = pairs.live & (head >= 0) & (head < query.shape[1])
    exponents = jnp.where(live, logits[row, head] - maximum - log_total, 0.0)
    return jnp.where(live, jnp.exp(exponents), 0.0)
