"""Blocks tile by tile: a running maximum and sum for every receiver, nothing of the size of all tiles.

One tile of all heads is in flight; the backward pass stores query, key, value, output and log-sum-exp. Tiles may come
in any order. How a tile finds its senders is left to a `Reader`, so that other layouts of tiles run in the same way.
Reference: Dao et al., FlashAttention, arXiv:2205.14135, section 3.3 (block-sparse).
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from tgnn.attention.call import Call
from tgnn.attention.dropout import Draw
from tgnn.attention.fused import tile
from tgnn.attention.fused.derivatives import vary_alike
from tgnn.attention.fused.execution import Form
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
from tgnn.attention.fused.tile import Columns, Context, Rows
from tgnn.attention.fused.tiled import Tiled, pad_rows, prepare
from tgnn.typing import Array


class Data(NamedTuple):
    """What has no gradient; T tiles of n receivers and m senders."""

    others: list[Array]
    draw: Draw | None
    index: Array  # [groups of receivers, n], the number of each receiver
    receiver: Array  # [T], the group of receivers
    sender: Array  # [T, ...], as the reader wants it
    live: Array  # bool [T, n, m]


class Reader:
    """The senders of a tile are a block, one after the other: `sender` is its number."""

    @staticmethod
    def index(plan: Plan, sender: Array) -> Array:
        """The number of each sender: int [m]."""
        return sender * plan.width + jnp.arange(plan.width)

    @staticmethod
    def ready(x: Array) -> Array:
        """[n_senders, key_heads, ...] in the order in which `take` reads it."""
        return jnp.moveaxis(x, 1, 0)

    @staticmethod
    def take(plan: Plan, sender: Array, x: Array) -> Array:
        """Rows of what `ready` gave: [key_heads, m, ...]."""
        return take(plan, sender * plan.width, x)

    @staticmethod
    def zeros(x: Array) -> Array:
        """Sums over no tile, for the gradient of [n_senders, key_heads, ...], in the order in which `add` adds."""
        return jnp.zeros_like(last(jnp.moveaxis(x, 1, 0)))

    @staticmethod
    def add(plan: Plan, sender: Array, total: Array, part: Array) -> Array:
        """Adds the gradient of what `take` gave."""
        return add(plan, sender * plan.width, total, last(part))

    @staticmethod
    def done(plan: Plan, like: Array, total: Array) -> Array:
        """Such a sum as [n_senders, key_heads, ...]."""
        return put_heads(plan, 0, like, total)


def pack(call: Call) -> tuple[Plan, Packed, Data]:
    """The tiles of a call; nodes are padded to whole blocks."""
    layout, block = call.layout, call.layout.block
    prepared = prepare(call)
    rows, columns = -(-layout.n_receivers // block), -(-layout.n_senders // block)
    receivers, senders = layout.receiver_index[:, 0, 0] // block, layout.sender_index[:, 0, 0] // block
    data = Data(
        prepared.others,
        call.draw,
        jnp.arange(rows * block).reshape(rows, block),
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


def forward(reader: type[Reader], plan: Plan, packed: Packed, data: Data) -> tuple[Array, Array]:
    """Outputs and statistics of all receivers, as in `rows.forward`."""
    receiver, sender, value, floats, slots = packed
    shape = receiver.shape[:3]
    senders = reader.ready(sender), reader.ready(value)

    def step(sums, xs):
        slots, index = xs
        inputs, context = tile_of(reader, plan, data, index, receiver, senders)
        row = index[0]
        old = tuple(receivers_of(plan, 0, row, x) for x in sums)
        new = tile.merge(old, tile.forward(plan.rule, *inputs, floats, slots, context))
        return tuple(write(plan, 0, row, x, y) for x, y in zip(sums, new, strict=True)), None

    zeros = jnp.zeros(shape, value.dtype)
    sums = zeros - jnp.inf, zeros, jnp.zeros((*shape, value.shape[-1]), value.dtype)
    return tile.finish(*jax.lax.scan(step, vary_alike(sums, packed), (slots, data[3:]))[0])


def backward(
    reader: type[Reader], plan: Plan, packed: Packed, data: Data, statistics: Array, gradient: Array, delta: Array
) -> Packed:
    """Recomputes each tile and adds up all gradients in place."""
    receiver, sender, value, floats, slots = packed
    senders = reader.ready(sender), reader.ready(value)

    def step(sums, xs):
        slots, index = xs
        inputs, context = tile_of(reader, plan, data, index, receiver, senders)
        row = index[0]
        stored = (receivers_of(plan, 0, row, x) for x in (statistics, gradient, delta))
        new = tile.backward(plan.rule, *inputs, floats, slots, context, *stored)
        to_receiver = write(plan, 0, row, sums[0], receivers_of(plan, 0, row, sums[0]) + new[0])
        to_senders = (reader.add(plan, index[1], x, y) for x, y in zip(sums[1:3], new[1:3], strict=True))
        return (to_receiver, *to_senders, jax.tree.map(jnp.add, sums[3], new[3])), new[4]

    zeros = (jax.tree.map(jnp.zeros_like, x) for x in (receiver, floats))
    sums = next(zeros), reader.zeros(sender), reader.zeros(value), next(zeros)
    sums = vary_alike(sums, (packed, gradient, delta))
    (to_receiver, to_sender, to_value, to_floats), to_slots = jax.lax.scan(step, sums, (slots, data[3:]))
    to_senders = reader.done(plan, sender, to_sender), reader.done(plan, value, to_value)
    return Packed(to_receiver, *to_senders, to_floats, to_slots)


def tile_of(
    reader: type[Reader],
    plan: Plan,
    data: Data,
    index: tuple[Array, Array, Array],
    receiver: Array,
    senders: tuple[Array, Array],
) -> tuple[tuple[Array, ...], Context]:
    """The nodes of one tile and their context; rows without a live edge in it are zeros, whatever they held."""
    row, column, live = index
    rows, columns = Rows(data.index[row], mask=live), Columns(reader.index(plan, column))
    query_tile = zero_untouched(live.any(axis=1), receivers_of(plan, 0, row, receiver), 2)
    tile_senders = (zero_untouched(live.any(axis=0), reader.take(plan, column, x), 1) for x in senders)
    return (query_tile, *tile_senders), (data.others, data.draw, head_numbers(plan, 0), rows, columns)


class Tiles(Tiled):
    """The tiles of `Blocks`."""

    name = "tiles"
    form: Form = "tiles"

    pack = staticmethod(pack)
    forward, backward = (staticmethod(partial(x, Reader)) for x in (forward, backward))  # pyright: ignore
