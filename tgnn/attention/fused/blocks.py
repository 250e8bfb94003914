"""Blocks tile by tile: a running maximum and sum for every receiver, nothing of the size of all tiles.

One tile of all heads is in flight; the backward pass stores query, key, value, output and log-sum-exp. Tiles may come
in any order. Reference: Dao et al., FlashAttention, arXiv 2205.14135, section 3.3 (block-sparse).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tgnn.attention.fused import tile
from tgnn.attention.fused.dense import unpack
from tgnn.attention.fused.derivatives import Call, vary_alike
from tgnn.attention.fused.prepare import execution, pad_rows, prepare
from tgnn.attention.fused.prepare import is_faster as is_faster
from tgnn.attention.fused.prepare import why_not as why_not
from tgnn.attention.fused.rows import Packed, Plan, add, head_numbers, keep, last, put_heads, receivers_of, take, write
from tgnn.attention.fused.tile import Columns, Rows
from tgnn.typing import Array


class Tiles(NamedTuple):
    """What has no gradient; T tiles."""

    others: list[Array]
    rng: Array | None
    receiver: Array  # [T], the block of receivers
    sender: Array  # [T], the block of senders
    live: Array  # bool [T, block, block]


def pack(call: Call) -> tuple[Plan, Packed, Tiles]:
    """The tiles of a call; nodes are padded to whole blocks."""
    layout, block = call.layout, call.layout.block
    prepared = prepare(call)
    rows, columns = -(-layout.n_receivers // block), -(-layout.n_senders // block)
    tiles = Tiles(
        prepared.others,
        call.rng,
        jnp.clip(layout.block_receivers, 0, rows - 1).astype(int),
        jnp.clip(layout.block_senders, 0, columns - 1).astype(int),
        layout.live,
    )
    packed = Packed(
        pad_rows(prepared.receiver, rows * block),
        pad_rows(prepared.sender, columns * block),
        pad_rows(prepared.value, columns * block),
        prepared.floats,
        prepared.slots,
    )
    return Plan(prepared.rule, block, block, False), packed, tiles


def forward(plan: Plan, packed: Packed, tiles: Tiles) -> tuple[Array, Array]:
    """Outputs and statistics of all receivers, as in `rows.forward`."""
    receiver, sender, value, floats, slots = packed
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
    return tile.finish(*jax.lax.scan(step, vary_alike(sums, packed), (slots, tiles[2:]))[0])


def backward(plan: Plan, packed: Packed, tiles: Tiles, output, statistics, gradient) -> Packed:
    """Recomputes each tile and adds up all gradients in place."""
    receiver, sender, value, floats, slots = packed
    delta = (gradient * output).sum(-1)
    near, cut = jnp.moveaxis(sender, 1, 0), jnp.moveaxis(value, 1, 0)

    def step(sums, xs):
        slots, index = xs
        inputs, context = tile_of(plan, tiles, index, receiver, near, cut)
        row, start = index[0], index[1] * plan.width
        stored = (receivers_of(plan, 0, row, x) for x in (statistics, gradient, delta))
        new = tile.backward(plan.rule, *inputs, floats, slots, context, *stored)
        to_receiver = write(plan, 0, row, sums[0], receivers_of(plan, 0, row, sums[0]) + new[0])
        to_near, to_cut = (add(plan, start, x, last(y)) for x, y in zip(sums[1:3], new[1:3], strict=True))
        return (to_receiver, to_near, to_cut, jax.tree.map(jnp.add, sums[3], new[3])), new[4]

    sums = jax.tree.map(jnp.zeros_like, (receiver, last(near), last(cut), floats))
    sums = vary_alike(sums, (packed, gradient))
    (to_receiver, to_near, to_cut, to_floats), to_slots = jax.lax.scan(step, sums, (slots, tiles[2:]))
    to_sender, to_value = put_heads(plan, 0, sender, to_near), put_heads(plan, 0, value, to_cut)
    return Packed(to_receiver, to_sender, to_value, to_floats, to_slots)


def tile_of(plan: Plan, tiles: Tiles, index, receiver, near, cut):
    """The nodes of one tile and their context; rows without a live edge in it are zeros, whatever they held."""
    row, column, live = index
    rows = Rows(row * plan.size + jnp.arange(plan.size), mask=live)
    columns = Columns(column * plan.width + jnp.arange(plan.width))
    mine = keep(live.any(axis=1), receivers_of(plan, 0, row, receiver), 2)
    theirs = (keep(live.any(axis=0), take(plan, column * plan.width, x), 1) for x in (near, cut))
    return (mine, *theirs), (tiles.others, tiles.rng, head_numbers(plan, 0), rows, columns)


run = execution(pack, forward, backward, unpack)
