"""Blocks tile by tile: a running maximum and sum for every receiver, nothing of the size of all tiles.

One tile of all heads is in flight; the backward pass stores query, key, value, output and log-sum-exp. Tiles may come
in any order. Reference: Dao et al., FlashAttention, arXiv 2205.14135, section 3.3 (block-sparse).
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from tgnn.fused import tile
from tgnn.fused.prepare import pad_rows, prepare
from tgnn.fused.prepare import is_faster as is_faster
from tgnn.fused.prepare import why_not as why_not
from tgnn.fused.rows import Plan, add, last, put_heads, receivers_of, take, write
from tgnn.fused.tile import Columns, Rows, Slots
from tgnn.softmax import expand
from tgnn.typing import Array


class Tiles(NamedTuple):
    """What has no gradient; T tiles."""

    others: list[Array]
    rng: Array | None
    receiver: Array  # [T], the block of receivers
    sender: Array  # [T], the block of senders
    live: Array  # bool [T, block, block]


def run(layout, query, key, value, score, bias, scale, edges, edge_value, dropout_rate, rng) -> Array:
    """`attend` for Blocks."""
    n, m, block = layout.n_receivers, layout.n_senders, layout.block
    if n == 0 or m == 0 or layout.edge_shape[0] == 0:
        return jnp.zeros((n, query.shape[1], value.shape[2]), value.dtype)
    call = prepare(layout, query, key, value, score, bias, scale, edges, edge_value, dropout_rate)
    rows, columns = -(-n // block), -(-m // block)
    tiles = Tiles(
        call.others,
        rng,
        jnp.clip(layout.block_receivers, 0, rows - 1),
        jnp.clip(layout.block_senders, 0, columns - 1),
        layout.live,
    )
    output, _ = attention(
        Plan(call.rule, block, block, False),
        pad_rows(call.receiver, rows * block),
        pad_rows(call.sender, columns * block),
        pad_rows(call.value, columns * block),
        call.floats,
        call.slots,
        tiles,
    )
    return output.reshape(rows * block, query.shape[1], -1)[:n].astype(value.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def attention(plan: Plan, receiver, sender, value, floats, slots: Slots, tiles: Tiles) -> tuple[Array, Array]:
    """Outputs and log-sum-exps of all receivers; arguments and results as in `rows.attention`."""
    shape = receiver.shape[:3]
    near, cut = jnp.moveaxis(sender, 1, 0), jnp.moveaxis(value, 1, 0)

    def step(sums, xs):
        slots, index = xs
        inputs, context = tile_of(plan, tiles, index, receiver, near, cut)
        row = index[0]
        old = tuple(receivers_of(plan, 0, row, x) for x in sums)
        new = tile.merge(old, tile.forward(plan.rule, *inputs, floats, slots, context))
        return tuple(write(plan, 0, row, x, y) for x, y in zip(sums, new, strict=True)), None

    zeros = jnp.zeros(shape, value.dtype)
    sums = zeros - jnp.inf, zeros, jnp.zeros((*shape, value.shape[-1]), value.dtype)
    return tile.finish(*jax.lax.scan(step, sums, (slots, tiles[2:]))[0])


def attention_forward(plan, receiver, sender, value, floats, slots, tiles):
    """Calls `attention` itself, so that this rule can be differentiated again."""
    output, log_sum_exp = attention(plan, receiver, sender, value, floats, slots, tiles)
    return (output, log_sum_exp), (receiver, sender, value, floats, slots, tiles, output, log_sum_exp)


def attention_backward(plan, saved, gradients):
    """Recomputes each tile and adds up all gradients in place."""
    receiver, sender, value, floats, slots, tiles, output, log_sum_exp = saved
    gradient, to_log_sum_exp = gradients
    delta = (gradient * output).sum(-1) - to_log_sum_exp
    near, cut = jnp.moveaxis(sender, 1, 0), jnp.moveaxis(value, 1, 0)

    def step(sums, xs):
        slots, index = xs
        inputs, context = tile_of(plan, tiles, index, receiver, near, cut)
        row, start = index[0], index[1] * plan.width
        stored = (receivers_of(plan, 0, row, x) for x in (log_sum_exp, gradient, delta))
        new = tile.backward(plan.rule, *inputs, floats, slots, context, *stored)
        to_receiver = write(plan, 0, row, sums[0], receivers_of(plan, 0, row, sums[0]) + new[0])
        to_near, to_cut = (add(plan, start, x, last(y)) for x, y in zip(sums[1:3], new[1:3], strict=True))
        return (to_receiver, to_near, to_cut, jax.tree.map(jnp.add, sums[3], new[3])), new[4]

    sums = jax.tree.map(jnp.zeros_like, (receiver, last(near), last(cut), floats))
    (to_receiver, to_near, to_cut, to_floats), to_slots = jax.lax.scan(step, sums, (slots, tiles[2:]))
    to_sender, to_value = put_heads(plan, 0, sender, to_near), put_heads(plan, 0, value, to_cut)
    return to_receiver, to_sender, to_value, to_floats, to_slots, None


attention.defvjp(attention_forward, attention_backward)


def tile_of(plan: Plan, tiles: Tiles, index, receiver, near, cut):
    """The nodes of one tile and their context; rows without a live edge in it are zeros, whatever they held."""
    row, column, live = index
    rows = Rows(row * plan.size + jnp.arange(plan.size), mask=live)
    columns = Columns(column * plan.width + jnp.arange(plan.width))
    mine = receivers_of(plan, 0, row, receiver)
    theirs = (take(plan, column * plan.width, x) for x in (near, cut))
    mine = jnp.where(expand(live.any(axis=1)[None, None], mine.ndim), mine, jnp.zeros((), mine.dtype))
    theirs = (jnp.where(expand(live.any(axis=0)[None], x.ndim), x, jnp.zeros((), x.dtype)) for x in theirs)
    heads = jnp.arange(plan.rule.key_heads * plan.rule.group).reshape(plan.rule.key_heads, plan.rule.group)
    return (mine, *theirs), (tiles.others, tiles.rng, heads, rows, columns)
