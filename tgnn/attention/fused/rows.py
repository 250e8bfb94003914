"""Attention by tiles of receivers: complete, causal and dense layouts, and windows.

Tiles run one after the other, so that logits stay in cache. A tile reads its senders in parts of equal width and merges
them as it goes; a part may be skipped, or spared its mask. The backward pass stores query, key, value, output and
log-sum-exp and recomputes the rest. References: Rabe and Staats, Self-attention Does Not Need O(n^2) Memory,
arXiv:2112.05682; Dao et al., FlashAttention, arXiv:2205.14135.

Arrays stay in the caller's order, [nodes, heads, ...]: a tile cuts out its receivers and heads and writes its output
in place, because packing them first costs as much as a matrix product at small sizes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from tgnn.attention.dropout import Draw
from tgnn.attention.fused import tile
from tgnn.attention.fused.derivatives import vary_alike
from tgnn.attention.fused.tile import Columns, Context, Rows, Rule, Slots
from tgnn.typing import Array, Params

Sums = TypeVar("Sums")
Carry = TypeVar("Carry")

SKIP, FREE, MASKED = 0, 1, 2  # what a part holds: no edge, only edges, or both


class Plan(NamedTuple):
    """The static part of a call."""

    rule: Rule
    size: int  # receivers of a tile
    width: int  # senders of a part
    each_head: bool  # one key head at a time


class Data(NamedTuple):
    """What has no gradient; T tiles of U parts."""

    others: list[Array]
    draw: Draw | None
    rows: Rows  # each [T, ...]
    columns: Columns  # each [n_senders]; no index: the positions
    starts: Array  # [T, U], the first sender of each part
    kinds: Array | None = None  # [T, U]: SKIP, FREE or MASKED; None where all are MASKED
    touched: Array | None = None  # bool [n_senders]: which have a live edge; None where all do


class Packed(NamedTuple):
    """What is differentiated."""

    receiver: Array  # [T * size, key_heads, group, ...]
    sender: Array  # [n_senders, key_heads, ...]
    value: Array  # [n_senders, key_heads, dim]
    floats: list[Array]  # leaves of score, bias and scale
    slots: Slots  # arrays per edge slot, each [T, n, m, ...]; only with U = 1 and without `each_head`


def forward(plan: Plan, packed: Packed, data: Data) -> tuple[Array, Array]:
    """Outputs [T * size, key_heads, group, dim] and statistics of the softmax, [T * size, key_heads, group, 2]."""
    receiver, sender, value, floats, slots = packed
    shape = receiver.shape[:3]

    def head(outputs, head_step):
        keys, values = (heads_of(plan, head_step, data.touched, x) for x in (sender, value))

        def one(outputs, xs):
            number, slots, rows, starts, kinds = xs
            query_tile = zero_untouched(rows.touched, receivers_of(plan, head_step, number, receiver), 2)

            def part(start, masked):
                context = context_of(plan, head_step, data, start, rows if masked else rows.bare())
                inputs = query_tile, take(plan, start, keys), take(plan, start, values)
                return tile.forward(plan.rule, *inputs, floats, slots, context)

            def join(sums, new, start):
                return new if len(starts) == 1 else tile.merge(sums, new)

            nothing = vary_alike(tile.nothing(query_tile, value), packed)
            new = tile.finish(*each_part(part, join, starts, kinds, nothing, nothing))
            return tuple(write(plan, head_step, number, x, y) for x, y in zip(outputs, new, strict=True)), None

        return scan(one, outputs, tiles(slots, data))[0], None

    zeros = jnp.zeros((*shape, value.shape[-1]), value.dtype), jnp.zeros((*shape, 2), value.dtype)
    output, statistics = scan(head, vary_alike(zeros, packed), jnp.arange(steps(plan)))[0]
    return output, statistics


def backward(plan: Plan, packed: Packed, data: Data, statistics: Array, gradient: Array, delta: Array) -> Packed:
    """Recomputes each part and adds up the gradients of senders in place."""
    receiver, sender, value, floats, slots = packed
    sources = packed, gradient, delta

    def head(sums, head_step):
        keys, values = (heads_of(plan, head_step, data.touched, x) for x in (sender, value))
        to_receiver, to_sender, to_value, to_floats = sums

        def one(sums, xs):
            number, slots, rows, starts, kinds = xs
            to_receiver, *sums = sums
            each = (receiver, statistics, gradient, delta)
            query_tile, *stored = (receivers_of(plan, head_step, number, x) for x in each)
            query_tile = zero_untouched(rows.touched, query_tile, 2)
            stored = jax.lax.optimization_barrier(stored)  # cut once, not in the inner loop of every product

            def part(start, masked):
                context = context_of(plan, head_step, data, start, rows if masked else rows.bare())
                inputs = query_tile, take(plan, start, keys), take(plan, start, values)
                new = tile.backward(plan.rule, *inputs, floats, slots, context, *stored)
                return new[0], last(new[1]), last(new[2]), *new[3:]

            def join(sums, new, start):
                to_keys, to_values = add(plan, start, sums[1], new[1]), add(plan, start, sums[2], new[2])
                to_floats = jax.tree.map(jnp.add, sums[3], new[3])
                return sums[0] + new[0], to_keys, to_values, to_floats, jax.tree.map(jnp.add, sums[4], new[4])

            zeros = vary_alike(jax.tree.map(jnp.zeros_like, (query_tile, slots)), sources)
            sums = zeros[0], *sums, zeros[1]
            nothing = zeros[0], *(jnp.zeros_like(x[..., : plan.width]) for x in sums[1:3]), *sums[3:]
            nothing = vary_alike(jax.tree.map(jnp.zeros_like, nothing), sources)
            to_query, *sums, to_slots = each_part(part, join, starts, kinds, sums, nothing)
            return (write(plan, head_step, number, to_receiver, to_query), *sums), to_slots

        zeros = vary_alike((jnp.zeros_like(last(keys)), jnp.zeros_like(last(values))), sources)
        sums = to_receiver, *zeros, to_floats
        (to_receiver, to_keys, to_values, to_floats), to_slots = scan(one, sums, tiles(slots, data))
        to_sender, to_value = (
            put_heads(plan, head_step, to_sender, to_keys),
            put_heads(plan, head_step, to_value, to_values),
        )
        return (to_receiver, to_sender, to_value, to_floats), to_slots

    sums = vary_alike(jax.tree.map(jnp.zeros_like, (receiver, sender, value, floats)), sources)
    sums, to_slots = scan(head, sums, jnp.arange(steps(plan)))
    return Packed(*sums, jax.tree.map(lambda x: x[0], to_slots))


def steps(plan: Plan) -> int:
    """How many groups of heads run one after the other."""
    return plan.rule.key_heads if plan.each_head else 1


def tiles(slots: Slots, data: Data) -> tuple[Array, Slots, Rows, Array, Array | None]:
    """What a scan over the tiles reads."""
    return jnp.arange(len(data.starts)), slots, data.rows, data.starts, data.kinds


def each_part(
    part: Callable[[Array, bool], Sums],
    join: Callable[[Sums, Sums, Array], Sums],
    starts: Array,
    kinds: Array | None,
    sums: Sums,
    nothing: Sums,
) -> Sums:
    """Joins `part(start, masked)` over the parts of a tile to `sums`; a part that is skipped counts as `nothing`.

    The branches return parts and not sums: XLA would copy whole sums into and out of every branch.
    """
    if len(starts) == 1:
        return join(sums, part(starts[0], True), starts[0])

    def step(sums, xs):
        start, kind = xs
        if kind is None:
            return join(sums, part(start, True), start), None
        branches = lambda: nothing, lambda: part(start, False), lambda: part(start, True)
        return join(sums, jax.lax.switch(kind, branches), start), None

    return jax.lax.scan(step, sums, (starts, kinds))[0]


def context_of(plan: Plan, head_step: Array | int, data: Data, start: Array | int, rows: Rows) -> Context:
    """What a tile needs beside its differentiable inputs."""
    index, segments = (None if x is None else take(plan, start, x[None])[0] for x in data.columns)
    index = start + jnp.arange(plan.width) if index is None else index
    return data.others, data.draw, head_numbers(plan, head_step), rows, Columns(index, segments)


def head_numbers(plan: Plan, head_step: Array | int) -> Array:
    """The numbers of the heads of this step, [key_heads, group]."""
    heads = jnp.arange(plan.rule.key_heads * plan.rule.group).reshape(plan.rule.key_heads, plan.rule.group)
    return jax.lax.dynamic_slice_in_dim(heads, head_step, 1) if plan.each_head else heads


def heads_of(plan: Plan, head_step: Array | int, touched: Array | None, x: Array) -> Array:
    """[nodes, key_heads, ...] -> [key_heads of this step, nodes, ...]."""
    x = jax.lax.dynamic_slice_in_dim(x, head_step, 1, axis=1) if plan.each_head else x
    return zero_untouched(touched, jnp.moveaxis(x, 1, 0), 1)


def zero_untouched(touched: Array | None, x: Array, axis: int) -> Array:
    """Zeros for the nodes on `axis` without any live edge, so that their NaN and inf reach no matrix product."""
    if touched is None:
        return x
    shape = (1,) * axis + touched.shape + (1,) * (x.ndim - axis - 1)
    return jnp.where(touched.reshape(shape), x, jnp.zeros((), x.dtype))


def put_heads(plan: Plan, head_step: Array | int, x: Array, part: Array) -> Array:
    """Writes [key_heads of this step, ..., nodes] into [nodes, key_heads, ...]."""
    part = jnp.moveaxis(part, (0, -1), (1, 0))
    return jax.lax.dynamic_update_slice_in_dim(x, part, head_step, axis=1) if plan.each_head else part


def receivers_of(plan: Plan, head_step: Array | int, number: Array | int, x: Array) -> Array:
    """[receivers, key_heads, group, ...] -> [key_heads of this step, group, receivers of this tile, ...]."""
    x = jax.lax.dynamic_slice_in_dim(x, number * plan.size, plan.size)
    x = jax.lax.dynamic_slice_in_dim(x, head_step, 1, axis=1) if plan.each_head else x
    return jnp.moveaxis(x, 0, 2)


def write(plan: Plan, head_step: Array | int, number: Array | int, x: Array, part: Array) -> Array:
    """The inverse of `receivers_of`, in place."""
    start = (number * plan.size, head_step if plan.each_head else 0) + (0,) * (x.ndim - 2)
    return jax.lax.dynamic_update_slice(x, jnp.moveaxis(part, 2, 0), start)


def take(plan: Plan, start: Array | int, x: Array) -> Array:
    """The senders of a part: [key_heads, n_senders, ...] -> [key_heads, width, ...]."""
    return x if x.shape[1] == plan.width else jax.lax.dynamic_slice_in_dim(x, start, plan.width, axis=1)


def last(x: Array) -> Array:
    """[key_heads, nodes, ...] -> [key_heads, ..., nodes]: as `products.spread` makes it, so that sums copy nothing."""
    return jnp.moveaxis(x, 1, -1)


def add(plan: Plan, start: Array | int, total: Array, part: Array) -> Array:
    """The transpose of `take`, for sums that are stored as `last` says."""
    if plan.width == total.shape[-1]:
        return total + part
    old = jax.lax.dynamic_slice_in_dim(total, start, plan.width, axis=-1)
    return jax.lax.dynamic_update_slice_in_dim(total, old + part, start, axis=-1)


def scan(step: Callable[[Carry, Any], tuple[Carry, Any]], carry: Carry, xs: Params) -> tuple[Carry, Any]:
    """`jax.lax.scan`, without the loop where there is one step."""
    if len(jax.tree.leaves(xs)[0]) == 1:
        carry, ys = step(carry, jax.tree.map(lambda x: x[0], xs))
        return carry, jax.tree.map(lambda y: y[None], ys)
    return jax.lax.scan(step, carry, xs)
