"""One tile of attention, forward and backward: some receivers against some senders, heads first.

Heads stand on two axes, `[key_heads, group]`: the query heads of a group share a key head, so that keys are never
repeated. A tile recomputes its logits, bias and dropout from node-wise data; only outputs and log-sum-exps are stored.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from tgnn.attention.bias import bias_at
from tgnn.attention.dropout import Draw, apply_dropout
from tgnn.attention.fused.products import collect, pair
from tgnn.attention.live import on_live
from tgnn.attention.scores import Join, Score, split
from tgnn.softmax import wide_dtype
from tgnn.typing import Array


class Rule(NamedTuple):
    """What a call of `attend` says about every edge: hashable, so that it may be static."""

    join: Join  # makes (score, callable bias or None, scale or None) from its arrays
    is_float: tuple[bool, ...]  # which arrays are differentiable
    dropout_rate: float = 0.0
    key_heads: int = 1
    group: int = 1
    scale: float = 1.0  # where it is a number known before jit, else it is a leaf


class Slots(NamedTuple):
    """Arrays with one entry per edge slot of the tile, differentiable: [n, m, ...]."""

    bias: Array | None = None
    edges: Array | None = None
    value: Array | None = None


class Rows(NamedTuple):
    """Integer data of the receivers of a tile. None: not needed."""

    index: Array  # [n]
    first: Array | None = None  # [n], the first and
    last: Array | None = None  # [n], the last sender that each receiver sees
    segment: Array | None = None  # [n]
    mask: Array | None = None  # bool [n, m]
    touched: Array | None = None  # bool [n]: which have a live edge; None where all do

    def bare(self) -> "Rows":
        """The same receivers, for a tile whose pairs are all edges."""
        return Rows(self.index)


class Columns(NamedTuple):
    """Integer data of the senders of a tile."""

    index: Array | None = None  # [m]
    segment: Array | None = None  # [m]


Context: TypeAlias = tuple[list[Array], Draw | None, Array, Rows, Columns]  # leaves, dropout, heads, both ends


def split_leaves(
    score: Score, bias: Callable[..., Array] | None, scale: Array | None
) -> tuple[Rule, list[Array], list[Array]]:
    """The parameters of a call as (rule, differentiable arrays, other arrays)."""
    arrays, join = split((score, bias, scale))
    arrays = [jnp.asarray(x) for x in arrays]
    is_float = tuple(bool(jnp.issubdtype(x.dtype, jnp.inexact)) for x in arrays)
    rule = Rule(join, is_float)
    floats = [x for x, yes in zip(arrays, is_float, strict=True) if yes]
    return rule, floats, [x for x, yes in zip(arrays, is_float, strict=True) if not yes]


def live(rows: Rows, columns: Columns) -> Array | None:
    """Which pairs are edges: bool [n, m], or None where all are."""
    conditions = [] if rows.mask is None else [rows.mask]
    if rows.first is not None:
        conditions.append(columns.index[None, :] >= rows.first[:, None])
    if rows.last is not None:
        conditions.append(columns.index[None, :] <= rows.last[:, None])
    if rows.segment is not None and columns.segment is not None:
        conditions.append((rows.segment[:, None] == columns.segment[None, :]) & (rows.segment[:, None] >= 0))
    result = None
    for condition in conditions:
        result = condition if result is None else result & condition
    return result


def logits(
    rule: Rule,
    receiver: Array,
    sender: Array,
    floats: list[Array],
    slots: Slots,
    others: list[Array],
    rows: Rows,
    columns: Columns,
) -> Array:
    """[key_heads, group, n, m], -inf where there is no edge.

    Args:
      rule: static part of the call.
      receiver: the score's view of the receivers, [key_heads, group, n, ...].
      sender: the score's view of the senders, [key_heads, m, ...].
      floats: differentiable leaves of score, bias and scale.
      slots: arrays per edge slot.
      others: the remaining leaves.
      rows: the receivers.
      columns: the senders.
    """
    arrays = iter(floats), iter(others)
    score, bias, scale = rule.join([next(arrays[0 if yes else 1]) for yes in rule.is_float])
    alive = live(rows, columns)
    before = score.is_inner_product and rule.scale != 1.0  # once for each receiver, not for each pair
    x = score_tile(score, receiver * rule.scale if before else receiver, sender, slots.edges, alive)
    x = x.astype(wide_dtype(x.dtype))
    x = x if before or rule.scale == 1.0 else x * rule.scale
    heads = x.shape[0] * x.shape[1]
    if scale is not None:
        x = x * (scale if scale.ndim == 0 else scale.reshape(x.shape[0], x.shape[1], 1, 1)).astype(x.dtype)
    values = slots.bias
    if bias is not None:
        values = on_live(bias_at, alive, bias, rows.index[:, None], columns.index[None, :])
    if values is not None:
        values = jnp.moveaxis(values, -1, 0).astype(x.dtype)
        x = x + (values[:, None] if values.shape[0] != heads else values.reshape(x.shape))
    return x if alive is None else jnp.where(alive[None, None], x, -jnp.inf)


def score_tile(score: Score, receiver: Array, sender: Array, edges: Array | None, alive: Array | None) -> Array:
    """The score of every pair, [key_heads, group, n, m]: a contraction for the dot product, else the score's `pair`."""
    dot = score.is_inner_product
    if dot:
        x = pair(receiver, sender)
        if edges is None:
            return x
    by_receiver = jnp.moveaxis(receiver.reshape(-1, *receiver.shape[2:]), 0, 1)[:, None]
    if dot:
        pairs = score.pair(by_receiver, edges)
    else:
        alive = None if score.ignores_zeros else alive
        pairs = on_live(
            lambda score, *rows: score.pair(*rows), alive, score, by_receiver, jnp.moveaxis(sender, 0, 1)[None], edges
        )
    pairs = jnp.moveaxis(pairs, -1, 0).reshape(receiver.shape[0], receiver.shape[1], *pairs.shape[:2])
    return x + pairs if dot else pairs


def drop(rule: Rule, weights: Array, draw: Draw | None, heads: Array, rows: Rows, columns: Columns) -> Array:
    """Dropout on weights [key_heads, group, n, m]: linear, and the same edges as in the definition."""
    if rule.dropout_rate == 0.0:
        return weights
    receivers, senders = rows.index[None, None, :, None], columns.index[None, None, None, :]
    return apply_dropout(draw, rule.dropout_rate, weights, receivers, senders, heads[:, :, None, None])


def aggregate(weights: Array, value: Array, edge_value: Array | None) -> Array:
    """[key_heads, group, n, m], [key_heads, m, dim] -> [key_heads, group, n, dim]."""
    output = collect(weights, value)
    if edge_value is None:
        return output
    joined = weights.reshape(-1, *weights.shape[2:])
    heads = jnp.broadcast_to(edge_value, (*edge_value.shape[:2], joined.shape[0], edge_value.shape[-1]))
    return output + jnp.einsum("hnm,nmhd->hnd", joined, heads.astype(weights.dtype)).reshape(output.shape)


def forward(
    rule: Rule, receiver: Array, sender: Array, value: Array, floats: list[Array], slots: Slots, context: Context
) -> tuple[Array, Array, Array]:
    """The tile's part of a softmax and a message sum, before division.

    Returns:
      maximum [key_heads, group, n] (-inf where there is no edge), total of the same shape, and the sum of values
      [key_heads, group, n, dim], both in units of exp(maximum).
    """
    others, draw, heads, rows, columns = context
    x = logits(rule, receiver, sender, floats, slots, others, rows, columns)
    maximum = x.max(axis=-1)
    weights = jnp.exp(x - finite(maximum)[..., None])
    return maximum, weights.sum(-1), aggregate(drop(rule, weights, draw, heads, rows, columns), value, slots.value)


def finite(maximum: Array) -> Array:
    """0 in place of an infinite maximum: a row without an edge stays 0, and a +inf logit makes its row NaN, loudly."""
    return jnp.where(jnp.isfinite(maximum), maximum, 0.0)


def nothing(receiver: Array, value: Array) -> tuple[Array, Array, Array]:
    """What `forward` returns for no sender at all."""
    zeros = jnp.zeros(receiver.shape[:3], value.dtype)
    return zeros - jnp.inf, zeros, jnp.zeros((*receiver.shape[:3], value.shape[-1]), value.dtype)


def merge(one: tuple[Array, Array, Array], other: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
    """Joins what `forward` returned for the same receivers and two sets of senders."""
    maximum = jnp.maximum(one[0], other[0])
    first, second = jnp.exp(one[0] - finite(maximum)), jnp.exp(other[0] - finite(maximum))
    messages = one[2] * first[..., None] + other[2] * second[..., None]
    return maximum, one[1] * first + other[1] * second, messages


def finish(maximum: Array, total: Array, messages: Array) -> tuple[Array, Array]:
    """(output, statistics), the latter [..., 2]: maximum and log(total), whose sum is the log-sum-exp.

    They stay apart because large logits would eat the digits of their sum. A receiver without a live edge gets 0 as
    output and +inf as log(total), so that its weights are exp(logit - inf) = 0.
    """
    empty = total == 0.0
    safe = jnp.where(empty, 1.0, total)
    maximum = jnp.where(empty, 0.0, maximum)
    return messages / safe[..., None], jnp.stack([maximum, jnp.where(empty, jnp.inf, jnp.log(safe))], axis=-1)


def backward(
    rule: Rule,
    receiver: Array,
    sender: Array,
    value: Array,
    floats: list[Array],
    slots: Slots,
    context: Context,
    statistics: Array,
    gradient: Array,
    delta: Array,
) -> tuple[Array, Array, Array, list[Array], Slots]:
    """Gradients of (receiver, sender, value, floats, slots) for one tile.

    Args:
      rule: as in `forward`, like the next arguments up to `context`.
      receiver: as in `forward`.
      sender: as in `forward`.
      value: as in `forward`.
      floats: as in `forward`.
      slots: as in `forward`.
      context: as in `forward`.
      statistics: of the whole row, as `finish` makes them, [key_heads, group, n, 2].
      gradient: of the output, [key_heads, group, n, dim].
      delta: <gradient, output>, less the gradient of the log-sum-exp, [key_heads, group, n].
    """
    others, draw, heads, rows, columns = context
    inputs = receiver, sender, floats, slots._replace(value=None)
    x, to_logits_inputs = jax.vjp(lambda *inputs: logits(rule, *inputs, others, rows, columns), *inputs)
    weights = jnp.exp((x - statistics[..., :1]) - statistics[..., 1:])
    _, to_sum_inputs = jax.vjp(
        lambda w, v, e: aggregate(drop(rule, w, draw, heads, rows, columns), v, e), weights, value, slots.value
    )
    to_weights, to_value, to_edge_value = to_sum_inputs(gradient)
    to_receiver, to_sender, to_floats, to_slots = to_logits_inputs(weights * (to_weights - delta[..., None]))
    return to_receiver, to_sender, to_value, to_floats, to_slots._replace(value=to_edge_value)
