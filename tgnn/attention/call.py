"""Call: the operands of `attend` as one frozen pytree, from the public face to every execution."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from tgnn.attention.bias import with_leaves
from tgnn.attention.dropout import Draw, Origin
from tgnn.attention.scores import Score, dot_product
from tgnn.errors import check_bias, check_bias_function, check_tail
from tgnn.graphs.layout import Layout
from tgnn.pytrees import register
from tgnn.softmax import wide_dtype
from tgnn.typing import Array

Bias: TypeAlias = Array | Callable[..., Array] | None  # per edge and head, or a function of the ends of an edge


@register
@dataclass(frozen=True)
class Call:
    """What `attend` was asked, with nodes mapped by the score and per-edge arrays in the slots of `layout`.

    Attributes:
      layout: what is executed: `layout.stored` of the caller's.
      query: [n_receivers, heads, ...], what the score sees of a receiver.
      key: [n_senders, heads or key_heads, ...], what it sees of a sender.
      value: [n_senders, heads or key_heads, value_dim].
      score: an inner product of mapped nodes is `dot_product` by now.
      bias: [*edge_shape, heads or 1], a callable pytree, or None.
      scale: a Python number, a scalar, or [heads].
      edges: [*edge_shape, ...] or None.
      edge_value: [*edge_shape, heads, value_dim] or None.
      draw: what dropout is drawn from, None where nothing drops.
      dropout_rate: static.
    """

    layout: Any  # a Layout; an execution knows the fields of the forms that it takes
    query: Array
    key: Array
    value: Array
    score: Score
    bias: Any
    scale: Any
    edges: Array | None
    edge_value: Array | None
    draw: Draw | None
    dropout_rate: float = jax.tree.static()  # pyright: ignore

    @property
    def wide(self) -> jnp.dtype:
        """The dtype of logits, weights and sums: float32 or wider."""
        return wide_dtype(self.query.dtype, self.key.dtype, self.value.dtype)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to sum: no receiver, no sender or no slot."""
        return 0 in (self.layout.n_receivers, self.layout.n_senders, self.layout.count_all_slots())

    def zeros(self) -> Array:
        """The output where there is nothing to sum."""
        return jnp.zeros((self.layout.n_receivers, self.query.shape[1], self.value.shape[2]), self.value.dtype)

    def no_lse(self) -> Array:
        """The log-sum-exp where there is nothing to sum."""
        return jnp.full((self.layout.n_receivers, self.query.shape[1]), -jnp.inf, self.wide)


def prepare(
    layout: Layout,
    query: Array,
    key: Array,
    value: Array,
    score: Score,
    bias: Bias,
    scale: float | Array | None,
    edges: Array | None,
    edge_value: Array | None,
    dropout_rate: float,
    rng: Array | None,
    origin: Origin,
) -> Call:
    """The call of operands in the caller's order, whose shapes were checked."""
    heads = query.shape[1]
    scale = score.default_scale(query.shape[-1]) if scale is None else scale
    if callable(bias):
        check_bias_function(bias, heads)
        bias = with_leaves(bias)
    elif bias is not None:
        bias = layout.to_slots(check_bias(layout, jnp.asarray(bias), heads))
    if edge_value is not None:
        edge_value = jnp.asarray(edge_value)
        edge_value = jnp.broadcast_to(edge_value, (*edge_value.shape[:-2], heads, value.shape[2]))
    if edges is not None and (tails := score.edge_tails(query)):
        check_tail(layout, "edges", edges, *tails)
    edges, edge_value = (None if x is None else layout.to_slots(jnp.asarray(x)) for x in (edges, edge_value))
    draw = Draw(rng, tuple(origin)) if dropout_rate > 0.0 else None
    query, key, value, score = map_nodes(score, query, key, value)
    return Call(layout.stored, query, key, value, score, bias, scale, edges, edge_value, draw, float(dropout_rate))


def map_nodes(score: Score, query: Array, key: Array, value: Array) -> tuple[Array, Array, Array, Score]:
    """What edges see of their ends, and the score that is left: no execution needs to know the maps.

    Grouped queries share their keys up to here. A score that is no plain inner product may have parameters of each
    head: its keys and values are repeated.
    """
    if not score.is_mapped and score.is_inner_product:
        return query, key, value, dot_product
    heads = query.shape[1]
    key, value = repeat_heads(key, heads), repeat_heads(value, heads)
    wide = wide_dtype(query.dtype, key.dtype, value.dtype)
    if score.own_logits or not score.is_mapped:
        return (query, key, value, score) if score.own_logits else (query.astype(wide), key.astype(wide), value, score)
    query, key = score.map_nodes(query.astype(wide), key.astype(wide))
    return query, key, value, dot_product if score.is_inner_product else score


def repeat_heads(x: Array, heads: int) -> Array:
    """Grouped queries: [n, key_heads, ...] -> [n, heads, ...]."""
    return x if x.shape[1] == heads else jnp.repeat(x, heads // x.shape[1], axis=1)
