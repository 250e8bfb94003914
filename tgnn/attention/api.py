"""THE definition: attention is message passing. Score every edge, normalise over in-edges, sum the messages.

logits_ij  = scale * <query_i, key_j> + bias_ij
weights_ij = softmax over the in-edges of i
output_i   = sum_j weights_ij * value_j
"""

import jax.numpy as jnp
import jraph

from tgnn.attention import fused
from tgnn.attention.dropout import keep_edge
from tgnn.attention.scores import Score, dot_product
from tgnn.errors import check_bias, check_bias_function, check_call, check_logits
from tgnn.graphs.interop import as_layout
from tgnn.graphs.layout import Layout
from tgnn.typing import Array


def attend(
    layout: Layout | jraph.GraphsTuple,
    query: Array,
    key: Array,
    value: Array,
    *,
    score: Score = dot_product,
    bias=None,
    scale: float | Array | None = None,
    edges: Array | None = None,
    edge_value: Array | None = None,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Array:
    """Attention over the edges of any graph: each receiver sums its senders' values, weighted by a softmax of scores.

    Args:
      layout: which edges exist: a layout, or a `jraph.GraphsTuple` (its features are ignored).
      query: [n_receivers, heads, head_dim].
      key: [n_senders, key_heads, head_dim]; query head `a` uses key head `a // (heads // key_heads)`.
      value: [n_senders, key_heads, value_dim].
      score: a pytree such as `dot_product`, `Additive`, `AdditiveV2`, `Gaussian`, or your own `Score`.
      bias: added to the logits: [n_edge, heads] in the caller's order for an EdgeList or a GraphsTuple, else
        [*layout.edge_shape, heads] (see `layout.arrange`); or a callable on indices, `(i, j) -> [heads]`, finite at all
        pairs. Fused are registered pytrees (`jax.tree_util.Partial`, a dataclass); a plain function costs all logits.
      scale: a number, or one per head; default the score's own: head_dim ** -0.5 for `dot_product`, 1 for the others.
      edges: features of each edge for the score, first axes as for `bias`.
      edge_value: [..., heads, value_dim], added to the sender's value, first axes as for `bias`.
      dropout_rate: probability of dropping a weight after normalisation, in [0, 1).
      rng: PRNG key; needed where `dropout_rate > 0`.
      implementation: None chooses; "definition" runs the three verbs; "fused" a fast path, or an error saying why not.

    Returns:
      [n_receivers, heads, value_dim] in the dtype of `value`, computed in float32 or wider. A receiver without a live
      in-edge receives zeros. There is no batch axis: use `jax.vmap`, or segments.

    Raises:
      ValueError: for shapes that disagree with the layout or with each other.

    >>> from tgnn import EdgeList
    >>> layout = EdgeList.from_edges(senders=[0, 1], receivers=[2, 2], n_receivers=3)
    >>> x = jnp.arange(3.0).reshape(3, 1, 1)
    >>> attend(layout, jnp.zeros_like(x), x, x).ravel().tolist()
    [0.0, 0.0, 0.5]
    """
    query, key, value = jnp.asarray(query), jnp.asarray(key), jnp.asarray(value)
    layout = as_layout(layout, query.shape[0], key.shape[0])
    check_call(layout, query, key, value, scale, dropout_rate, rng, edges, edge_value)
    run = fused.choose(implementation, layout, score, query, key, value, bias, edges, edge_value)
    if run is not None:
        return run(layout, query, key, value, score, bias, scale, edges, edge_value, dropout_rate, rng)
    heads = query.shape[1]
    weights = layout.normalize(edge_logits(layout, query, key, score, bias, scale, edges))
    if dropout_rate > 0.0:
        receiver, sender = layout.receiver_index[..., None], layout.sender_index[..., None]
        head = jnp.arange(heads).reshape((1,) * (receiver.ndim - 1) + (heads,))
        weights = jnp.where(keep_edge(rng, dropout_rate, receiver, sender, head), weights / (1.0 - dropout_rate), 0.0)
    output = layout.aggregate(weights, repeat_heads(value, heads))
    if edge_value is not None:
        output = output + layout.reduce(weights[..., None] * layout.keep(layout.from_caller(edge_value)))
    return output.astype(value.dtype)


def attention_weights(layout, query, key, *, score: Score = dot_product, bias=None, scale=None, edges=None, at=None):
    """The weights that `attend` uses, before dropout: order and shape as `bias`, [..., heads], float32 or wider.

    The arrays of an `EdgeList` are sorted by receiver, the weights are not: the ends of edge `e` are
    `layout.to_caller(layout.senders)[e]` and `layout.to_caller(layout.receivers)[e]`.

    With `at`, index arrays of shape [k] for every axis, only `attention_weights(...)[at]`, [k]: the others are never
    stored where a fused execution exists. `(*layout.locate(senders, receivers), heads)` names pairs of nodes.

    >>> from tgnn import Complete
    >>> attention_weights(Complete(1, 2), jnp.ones((1, 1, 4)), jnp.ones((2, 1, 4))).ravel().tolist()
    [0.5, 0.5]
    """
    query, key = jnp.asarray(query), jnp.asarray(key)
    layout = as_layout(layout, query.shape[0], key.shape[0])
    check_call(layout, query, key, None, scale, 0.0, None, edges)
    call = layout, query, key, score, bias, scale, edges
    every = lambda layout, *rest: layout.to_caller(layout.normalize(edge_logits(layout, *rest)))  # noqa: E731
    return every(*call) if at is None else fused.weights_at(every, at, *call)


def edge_logits(layout, query, key, score, bias, scale, edges) -> Array:
    """Scale * score + bias on every edge, [*edge_shape, heads], in the layout's own order; 0 where there is no edge."""
    heads = query.shape[1]
    edges = () if edges is None else (layout.from_caller(edges),)
    logits = layout.keep(check_logits(layout, heads, score(layout, query, repeat_heads(key, heads), *edges)))
    scale = score.default_scale(query.shape[-1]) if scale is None else scale
    logits = logits * (scale if jnp.ndim(scale) == 0 else jnp.reshape(scale, (1,) * (logits.ndim - 1) + (heads,)))
    if bias is None:
        return logits
    if callable(bias):
        check_bias_function(bias, heads)
        values = jnp.vectorize(bias, signature="(),()->(h)")(layout.receiver_index, layout.sender_index)
    else:
        values = layout.from_caller(check_bias(layout, bias, heads))
    return logits + values.astype(logits.dtype)


def repeat_heads(x: Array, heads: int) -> Array:
    """Grouped queries: [n, key_heads, dim] -> [n, heads, dim]."""
    return x if x.shape[1] == heads else jnp.repeat(x, heads // x.shape[1], axis=1)
