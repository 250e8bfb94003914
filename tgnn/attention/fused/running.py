"""Running sums: where each receiver sees all senders of its segment up to one, they stand in a line and are read once.

The line is a row of slots. A receiver sees the senders of its segment in its own slot and those before. Segments are
contiguous, so that one sum is kept, of the segment that the line is in. It runs in chunks; of the backward pass only
the sums before each chunk are kept, and those of all but one group of chunks are computed again.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tgnn.attention.fused.derivatives import vary_alike
from tgnn.typing import Array

PART = 4096  # rows whose sum is one product: float32 loses digits in longer ones
CHUNK = 16  # slots whose pairs are scored one by one; on CPU 32 take 1.4 times as long


exact: Callable[..., Array] = partial(jnp.einsum, precision="highest")  # GPUs would round the factors


class Line(NamedTuple):
    """Slots in order, [slots, ...]; a slot may hold a receiver, a sender, or both."""

    receiver: Array  # [slots, heads, features]; any number where no receiver is
    sender: Array  # [slots, heads, features], `nothing` where no sender is that somebody sees
    value: Array  # [slots, heads, value_dim], 0 there
    segment: Array  # int [slots]: equal ones side by side


def is_linear(layout: Any) -> bool:
    """Whether each receiver sees the senders of its segment up to one: its layout says up to which."""
    return layout.form == "matrix" and layout.last_sender(jnp.arange(layout.n_receivers)) is not None


def sees_all(layout: Any) -> bool:
    """Whether each receiver sees every sender."""
    return segments_of(layout) is None and isinstance(layout.last_sender(jnp.arange(layout.n_receivers)), int)


def segments_of(layout: Any) -> tuple[Array, Array] | None:
    """The segments of receivers and senders, where the layout has both."""
    return getattr(layout, "segments", None)


def line_up(layout: Any, receiver: Array, sender: Array, value: Array, nothing: float) -> tuple[Line, Array | None]:
    """The line of a linear layout, and the slot of each receiver: int [n_receivers], or None where it is its number.

    Args:
      layout: for which `is_linear`.
      receiver: [n_receivers, heads, features].
      sender: [n_senders, heads, features].
      value: [n_senders, heads, value_dim].
      nothing: what a sender is that nobody sees.
    """
    n = layout.n_receivers
    if layout.known_mask() == ("causal",):  # receiver i and sender i share a slot
        return Line(receiver, sender, value, jnp.zeros(n, int)), None
    with jax.ensure_compile_time_eval():  # what is known before jit is sorted before it
        order, segment, receives, sends, places = sort(layout)
    rows = rows_in(order, sender, receiver)
    line = Line(
        rows_where(receives, rows),
        jnp.where(sends[:, None, None], rows, nothing),
        rows_where(sends, rows_in(order, value, jnp.zeros((n, *value.shape[1:]), value.dtype))),
        segment,
    )
    return line, places


def sort(layout: Any) -> tuple[Array, Array, Array, Array, Array]:
    """The integers of a line, in which each slot has one node.

    Returns:
      The node of each slot, int [slots], senders before receivers; its segment; whether it is a receiver that has an
      edge, bool [slots], whether a sender that has one: others are left out, whatever their rows hold; and the slot of
      each receiver, int [n_receivers].
    """
    n, m = layout.n_receivers, layout.n_senders
    mine, theirs = segments_of(layout) or (jnp.zeros(n, int), jnp.zeros(m, int))
    last = jnp.broadcast_to(layout.last_sender(jnp.arange(n)), (n,))
    segment = jnp.concatenate([theirs, mine])
    # Senders come first in the stable sort, and so before the receivers whose last sender they are.
    order = jnp.lexsort((jnp.concatenate([jnp.arange(m), last]), segment))
    segment, is_sender = segment[order], order < m
    receives = (segment >= 0) & ~is_sender & meet(is_sender, segment)
    sends = (segment >= 0) & is_sender & meet(~is_sender, segment, backwards=True)
    return order, segment, receives, sends, jnp.argsort(order)[m:]


def rows_in(order: Array, senders: Array, receivers: Array) -> Array:
    """The rows of senders, then of receivers, in an order: [slots, ...]."""
    return jnp.concatenate([senders, receivers]).at[order].get(mode="promise_in_bounds", unique_indices=True)


def meet(chosen: Array, segment: Array, *, backwards: bool = False) -> Array:
    """Whether a chosen slot of the same segment stands at or before each slot (or behind it): bool [slots]."""
    first = jnp.append(True, segment[1:] != segment[:-1])
    if backwards:
        first = jnp.append(first[1:], True)
    count = jax.lax.cumsum(chosen.astype(jnp.int32), reverse=backwards)
    # What was counted when the segment began: counts never fall, so that a maximum carries it on.
    before = jnp.where(first, count - chosen, 0)
    return count > jax.lax.cummax(before, reverse=backwards)


def run_along(line: Line, step: Callable[[Any, Line], tuple[Any, Any]], nothing: Any) -> Any:
    """What `step(sums, chunk) -> (sums, outputs)` gives for each slot, with sums before it that begin as `nothing`."""
    slots = len(line.segment)
    size = min(CHUNK, slots)
    chunks = -(-slots // size)
    inner = math.isqrt(chunks - 1) + 1  # chunks of a group: as many as there are groups
    outer = -(-chunks // inner)
    nothing = vary_alike(nothing, line)
    line = Line(*(pad(x, outer * inner * size).reshape(outer, inner, size, *x.shape[1:]) for x in line))
    step = jax.checkpoint(step, prevent_cse=False)
    group = jax.checkpoint(lambda sums, chunks: jax.lax.scan(step, sums, chunks), prevent_cse=False)
    outputs = jax.lax.scan(group, nothing, line)[1]
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[3:])[:slots], outputs)


def pad(x: Array, length: int) -> Array:
    """The last row again, up to `length`: behind all others, where nobody sees it."""
    return jnp.pad(x, [(0, length - x.shape[0])] + [(0, 0)] * (x.ndim - 1), mode="edge")


def past(segment: Array) -> Array:
    """Which slots of a chunk each slot sees: bool [size, size]."""
    size = len(segment)
    earlier = jnp.arange(size)[None, :] <= jnp.arange(size)[:, None]
    return earlier & (segment[None, :] == segment[:, None])


def sum_products(key: Array, value: Array) -> Array:
    """The sum of the products of rows [m, heads, dim] and [m, heads, value_dim]: [heads, dim, value_dim]."""
    parts = -(-len(key) // PART)
    if parts == 1:
        return exact("mhr,mhd->hrd", key, value)
    key, value = (
        jnp.pad(x, ((0, parts * PART - len(x)), (0, 0), (0, 0))).reshape(parts, PART, *x.shape[1:])
        for x in (key, value)
    )
    return exact("pmhr,pmhd->phrd", key, value).sum(0)


def rows_where(chosen: Array, x: Array) -> Array:
    """`x` with zeros in the rows that were not chosen."""
    return jnp.where(chosen.reshape(chosen.shape + (1,) * (x.ndim - 1)), x, 0.0)
