"""Blocks tile by tile: a running maximum and sum for every receiver, nothing of the size of all tiles.

One tile of all heads is in flight; the backward pass stores query, key, value, output and log-sum-exp. Tiles may come
in any order. Reference: Dao et al., FlashAttention, arXiv:2205.14135, section 3.3 (block-sparse).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tgnn.attention.call import Call
from tgnn.attention.dropout import Draw
from tgnn.attention.fused import tile
from tgnn.attention.fused.derivatives import vary_alike
from tgnn.attention.fused.rows import (
    Packed,
    Plan,
    add,
    head_numbers,
    last,
    put_heads,
    receivers_of,
    take,
    write,
    zero_untouched,
)
from tgnn.attention.fused.tile import Columns, Rows
from tgnn.attention.fused.tiled import Tiled, pad_rows, prepare
from tgnn.typing import Array


class Data(NamedTuple):
    """What has no gradient; T tiles."""

    others: list[Array]
    draw: Draw | None
    receiver: Array  # [T], the block of receivers
    sender: Array  # [T], the block of senders
    live: Array  # bool [T, block, block]


def pack(call: Call) -> tuple[Plan, Packed, Data]:
    """The tiles of a call; nodes are padded to whole blocks."""
    layout, block = call.layout, call.layout.block
    prepared = prepare(call)
    rows, columns = -(-layout.n_receivers // block), -(-layout.n_senders // block)
    receivers, senders = layout.receiver_index[:, 0, 0] // block, layout.sender_index[:, 0, 0] // block
    data = Data(
        prepared.others,
        call.draw,
        jnp.clip(receivers, 0, rows - 1).astype(int),
        jnp.clip(senders, 0, columns - 1).astype(int),
        layout.live,
    )
    packed = Packed(
        pad_rows(prepared.receiver, rows * block),
        pad_rows(prepared.sender, columns * block),
        pad_rows(prepared.value, columns * block),
        prepared.floats,
        prepared.slots,
    )
    return Plan(prepared.rule, block, block, False), packed, data


def forward(plan: Plan, packed: Packed, data: Data) -> tuple[Array, Array]:
    """Outputs and statistics of all receivers, as in `rows.forward`."""
    receiver, sender, value, floats, slots = packed
    shape = receiver.shape[:3]
    keys, values = jnp.moveaxis(sender, 1, 0), jnp.moveaxis(value, 1, 0)

    def step(sums, xs):
        slots, index = xs
        inputs, context = tile_of(plan, data, index, receiver, keys, values)
        row = index[0]
        old = tuple(receivers_of(plan, 0, row, x) for x in sums)
        new = tile.merge(old, tile.forward(plan.rule, *inputs, floats, slots, context))
        return tuple(write(plan, 0, row, x, y) for x, y in zip(sums, new, strict=True)), None

    zeros = jnp.zeros(shape, value.dtype)
    sums = zeros - jnp.inf, zeros, jnp.zeros((*shape, value.shape[-1]), value.dtype)
    return tile.finish(*jax.lax.scan(step, vary_alike(sums, packed), (slots, data[2:]))[0])


def backward(plan: Plan, packed: Packed, data: Data, statistics, gradient, delta) -> Packed:
    """Recomputes each tile and adds up all gradients in place."""
    receiver, sender, value, floats, slots = packed
    keys, values = jnp.moveaxis(sender, 1, 0), jnp.moveaxis(value, 1, 0)

    def step(sums, xs):
        slots, index = xs
        inputs, context = tile_of(plan, data, index, receiver, keys, values)
        row, start = index[0], index[1] * plan.width
        stored = (receivers_of(plan, 0, row, x) for x in (statistics, gradient, delta))
        new = tile.backward(plan.rule, *inputs, floats, slots, context, *stored)
        to_receiver = write(plan, 0, row, sums[0], receivers_of(plan, 0, row, sums[0]) + new[0])
        to_keys, to_values = (add(plan, start, x, last(y)) for x, y in zip(sums[1:3], new[1:3], strict=True))
        return (to_receiver, to_keys, to_values, jax.tree.map(jnp.add, sums[3], new[3])), new[4]

    sums = jax.tree.map(jnp.zeros_like, (receiver, last(keys), last(values), floats))
    sums = vary_alike(sums, (packed, gradient, delta))
    (to_receiver, to_keys, to_values, to_floats), to_slots = jax.lax.scan(step, sums, (slots, data[2:]))
    to_sender, to_value = put_heads(plan, 0, sender, to_keys), put_heads(plan, 0, value, to_values)
    return Packed(to_receiver, to_sender, to_value, to_floats, to_slots)


def tile_of(plan: Plan, data: Data, index, receiver, keys, values):
    """The nodes of one tile and their context; rows without a live edge in it are zeros, whatever they held."""
    row, column, live = index
    rows = Rows(row * plan.size + jnp.arange(plan.size), mask=live)
    columns = Columns(column * plan.width + jnp.arange(plan.width))
    query_tile = zero_untouched(live.any(axis=1), receivers_of(plan, 0, row, receiver), 2)
    tile_senders = (zero_untouched(live.any(axis=0), take(plan, column * plan.width, x), 1) for x in (keys, values))
    return (query_tile, *tile_senders), (data.others, data.draw, head_numbers(plan, 0), rows, columns)


class Tiles(Tiled):
    """The tiles of `Blocks`."""

    name = "tiles"
    form = "tiles"

    pack, forward, backward = staticmethod(pack), staticmethod(forward), staticmethod(backward)
