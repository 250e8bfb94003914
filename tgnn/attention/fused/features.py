"""Kernels by sums of features: keys and values are added up before the queries read them, in O(n) time and memory.

Sums are taken relative to the largest logarithm of each feature that they hold, and read relative to the largest
product, so that nothing overflows, and nothing vanishes that the definition would see.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tgnn.attention.call import Call
from tgnn.attention.fused import tile
from tgnn.attention.fused.execution import Execution, Form, Statistics
from tgnn.attention.fused.running import (
    Line,
    exact,
    is_linear,
    line_up,
    past,
    rows_where,
    run_along,
    sees_all,
    sum_products,
)
from tgnn.attention.fused.tile import finite
from tgnn.attention.kernels import log_sum
from tgnn.typing import Array


class Sums(NamedTuple):
    """Of senders, for each feature."""

    maximum: Array  # [heads, features], of the logarithms; -inf for no sender
    total: Array  # [heads, features, value_dim + 1], in units of exp(maximum): of values, and of 1
    segment: Array | None = None  # int [], whose senders they are


def add_up(sender: Array, value: Array) -> Sums:
    """The sums of [m, heads, features] and [m, heads, value_dim + 1]."""
    maximum = jax.lax.stop_gradient(sender.max(axis=0))
    return Sums(maximum, sum_products(jnp.exp(sender - finite(maximum)[None]), value))


def read(sums: Sums, receiver: Array) -> tuple[Array, Array, Array]:
    """What [n, heads, features] receive: maximum and total, [n, heads], and values, as `tile.forward` gives them."""
    logits = receiver + sums.maximum[None]
    maximum = jax.lax.stop_gradient(logits.max(axis=-1))
    features = jnp.exp(logits - finite(maximum)[..., None])
    messages = exact("nhr,hrd->nhd", features, sums.total)
    return maximum, messages[..., -1], messages[..., :-1]


def chunk(sums: Sums, line: Line) -> tuple[Sums, Any]:
    """The sums behind a chunk, and what its receivers receive of the sums before it and of each other."""
    maximum, *rest = read(sums, line.receiver)
    inside = line.segment == sums.segment
    before = jnp.where(inside[:, None], maximum, -jnp.inf), *(rows_where(inside, x) for x in rest)
    logits = log_sum(line.receiver[:, None] + line.sender[None])  # [size, size, heads]
    logits = jnp.where(past(line.segment)[..., None], logits, -jnp.inf)
    maximum = jax.lax.stop_gradient(logits.max(axis=1))
    weights = jnp.exp(logits - finite(maximum)[:, None])
    messages = exact("nmh,mhd->nhd", weights, line.value)
    within = maximum, messages[..., -1], messages[..., :-1]
    return move_on(sums, line), tile.merge(before, within)


def move_on(sums: Sums, line: Line) -> Sums:
    """The sums of the segment in which a chunk ends."""
    segment = line.segment[-1]
    inside = line.segment == segment
    new = add_up(jnp.where(inside[:, None, None], line.sender, -jnp.inf), rows_where(inside, line.value))
    same = segment == sums.segment  # a NaN stays in its segment
    old, total = jnp.where(same, sums.maximum, -jnp.inf), jnp.where(same, sums.total, 0.0)
    maximum = jnp.maximum(old, new.maximum)
    first, second = (jnp.exp(x - finite(maximum))[..., None] for x in (old, new.maximum))
    return Sums(maximum, first * total + second * new.total, segment)


class Features(Execution):
    """Linear attention: kernels on layouts whose receivers see all senders up to one."""

    name = "sums of features"
    form: Form = "matrix"
    when = "always: time and memory grow with the nodes, not with their pairs"

    def refusal(self, call: Call) -> str | None:
        if not call.score.is_kernel:
            return "it takes kernels: scores that are inner products of features that are not negative"
        if not is_linear(call.layout):
            return "it takes layouts whose receivers see all senders up to one"
        for name, x in (("bias", call.bias), ("edges", call.edges), ("edge_value", call.edge_value)):
            if x is not None:
                return f"a sum over nodes carries no {name}"
        if call.draw is not None:
            return "a sum over nodes cannot drop edges"
        if not isinstance(call.scale, int | float) or call.scale != 1:
            return "a power of a kernel (scale) is no sum of features"
        return None

    def is_faster(self, call: Call) -> bool:
        return True

    def run(self, call: Call) -> Array:
        return self.run_with_lse(call)[0]

    def run_with_lse(self, call: Call) -> tuple[Array, Array]:
        output, statistics = outputs(call)
        return output, statistics.log_sum_exp

    def statistics(self, call: Call) -> Statistics:
        return outputs(call)[1]


def outputs(call: Call) -> tuple[Array, Statistics]:
    """Output and statistics, plain JAX: every derivative of it is linear in the nodes too."""
    layout = call.layout
    receiver, sender, value = (x.astype(call.wide) for x in (call.query, call.key, call.value))
    value = jnp.concatenate([value, jnp.ones((*value.shape[:2], 1), value.dtype)], axis=2)  # their number as well
    if sees_all(layout):
        received = read(add_up(sender, value), receiver)
    else:
        line, places = line_up(layout, receiver, sender, value, nothing=-jnp.inf)
        nobody = jnp.full(sender.shape[1:], -jnp.inf, value.dtype)
        zeros = jnp.zeros((*sender.shape[1:], value.shape[2]), value.dtype)
        nothing = Sums(nobody, zeros, jnp.full((), -1, line.segment.dtype))
        received = run_along(line, chunk, nothing)
        received = received if places is None else tuple(x[places] for x in received)
    output, statistics = tile.finish(*received)
    return output.astype(call.value.dtype), Statistics(statistics[..., 0], statistics[..., 1])
