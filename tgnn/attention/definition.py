"""THE definition: attention is message passing. Score every edge, normalise over in-edges, sum the messages.

logits_ij  = scale * <query_i, key_j> + bias_ij
weights_ij = softmax over the in-edges of i
output_i   = sum_j weights_ij * value_j
"""

import jax.numpy as jnp

from tgnn.attention.bias import bias_at
from tgnn.attention.call import Call, repeat_heads
from tgnn.attention.dropout import apply_dropout
from tgnn.attention.live import on_live
from tgnn.errors import check_logits
from tgnn.softmax import wide_dtype
from tgnn.typing import Array


def output(call: Call) -> Array:
    """[n_receivers, heads, value_dim]: the weighted sum of the senders' values, in the dtype of value."""
    return messages(call, weights(call))


def output_and_lse(call: Call) -> tuple[Array, Array]:
    """The output, and log(sum_j exp(logits_ij)): [n_receivers, heads], float32 or wider, -inf without an edge."""
    every = logits(call)
    return messages(call, call.layout.normalize(every)), call.layout.log_sum_exp(every)


def messages(call: Call, weights: Array) -> Array:
    """The sum of what the edges carry, after dropout of their weights [*edge_shape, heads]."""
    layout, heads = call.layout, call.query.shape[1]
    kept = apply_dropout(call.draw, call.dropout_rate, weights, *edge_numbers(call))  # [*edge_shape, heads]
    result = layout.aggregate(kept, repeat_heads(call.value, heads))
    if call.edge_value is not None:
        edge_value = layout.zero_dead_edges(call.edge_value.astype(call.wide))  # [*edge_shape, heads, value_dim]
        result = result + layout.reduce(kept[..., None] * edge_value)
    return result.astype(call.value.dtype)


def weights(call: Call) -> Array:
    """[*edge_shape, heads], float32 or wider: the softmax of the logits over the in-edges of each receiver."""
    return call.layout.normalize(logits(call))


def logits(call: Call) -> Array:
    """[*edge_shape, heads]: scale * score + bias on every edge; 0 where there is no edge."""
    layout, heads = call.layout, call.query.shape[1]
    query, key = call.query, repeat_heads(call.key, heads)
    if call.wide != wide_dtype(query.dtype, key.dtype):  # wider values than both
        query, key = query.astype(call.wide), key.astype(call.wide)
    scores = call.score.logits(layout, query, key, call.edges)
    scores = layout.zero_dead_edges(check_logits(layout, heads, scores.astype(call.wide)))
    scale = jnp.asarray(call.scale, scores.dtype)
    scores = scores * (scale if scale.ndim == 0 else scale.reshape((1,) * (scores.ndim - 1) + (heads,)))
    return scores if call.bias is None else scores + bias_of(call).astype(scores.dtype)


def bias_of(call: Call) -> Array:
    """[*edge_shape, heads], or broadcastable to it: the array, or the function of each edge's ends."""
    if not callable(call.bias):
        return call.bias
    ends = call.layout.receiver_index, call.layout.sender_index
    return on_live(bias_at, call.layout.live, call.bias, *ends)


def edge_numbers(call: Call) -> tuple[Array, Array, Array]:
    """Receiver, sender and head of each weight, each broadcastable to [*edge_shape, heads]."""
    receiver, sender = call.layout.receiver_index[..., None], call.layout.sender_index[..., None]
    return receiver, sender, jnp.arange(call.query.shape[1]).reshape((1,) * (receiver.ndim - 1) + (-1,))
