"""EdgeList on GPUs: forward and backward pass as sweeps over the edges of each node, in one kernel each.

The forward pass reads key and value of each edge once and keeps a running softmax. The backward pass recomputes: once
in the order of the receivers, from key and value, for the query and for what belongs to edges and to the score; once
in that of the senders, from query and gradient, for key and value. Six rows of an edge are read in all, none is stored,
and every sum runs in a fixed order.
"""

from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tgnn.attention.call import Call
from tgnn.attention.dropout import Words, apply_dropout
from tgnn.attention.fused.chunk import Parameters, scaled_and_biased
from tgnn.attention.fused.edges import Summed, Sums, is_differentiable
from tgnn.attention.fused.execution import backend, own_structure
from tgnn.attention.fused.known import KNOWN, names_of
from tgnn.attention.fused.runs import Rows, Runs, Sweep, numbers, padded_sizes, power_of_two
from tgnn.attention.scores import split
from tgnn.typing import Array

MOST_NUMBERS = 4096  # in the row of a node, padded: it stays in registers
MOST_OFFSET = 2**31  # places in an array are int32 in a kernel


class Shared(NamedTuple):
    """What all edges share, as arrays."""

    floats: list[Array]
    others: list[Array]
    words: Words | None


class Logits(NamedTuple):
    """How logits and weights of edges are computed from values; static."""

    join: Any  # arrays -> Parameters
    is_float: tuple[bool, ...]
    dropout_rate: float
    wide: jnp.dtype

    @classmethod
    def of(cls, call: Call) -> tuple["Logits", Shared]:
        """What is static of a call, and what it shares."""
        arrays, join = split(Parameters.of(call))
        is_float = tuple(jnp.issubdtype(x.dtype, jnp.floating) for x in arrays)
        parts = [[x for x, y in zip(arrays, is_float, strict=True) if y is kind] for kind in (True, False)]
        words = None if call.draw is None else call.draw.words
        return cls(join, is_float, call.dropout_rate, call.wide), Shared(*parts, words)

    def __call__(self, floats, others, ends, receiver, sender, edge, bias) -> Array:
        """Scale * score + bias: [block, heads]; `ends` are the numbers of receiver and sender."""
        floats, others = iter(floats), iter(others)
        score, function, scale = self.join([next(floats) if x else next(others) for x in self.is_float])
        return scaled_and_biased(score.pair(receiver, sender, edge).astype(self.wide), scale, function, ends, bias)

    def drop(self, shared: Shared, receiver: Array, sender: Array, x: Array) -> Array:
        """Dropout of [block, heads]."""
        heads = jax.lax.broadcasted_iota(jnp.int32, (1, x.shape[1]), 1)
        return apply_dropout(shared.words, self.dropout_rate, x, receiver, sender, heads)


def carried(value: Array, edge_value: Array | None, wide: jnp.dtype) -> Array:
    """What edges carry: [block, heads, value_dim]."""
    return value.astype(wide) if edge_value is None else value.astype(wide) + edge_value.astype(wide)


def forward(call: Call) -> tuple[Array, Sums]:
    """The output, and maximum and sum of the exponentials of each receiver and head."""
    n, heads, wide, value_dim = *call.query.shape[:2], call.wide, call.value.shape[2]
    logits_of, shared = Logits.of(call)
    padded_heads = power_of_two(heads)

    def zero():
        shape = (padded_heads,)
        rows = jnp.zeros((*shape, power_of_two(value_dim)), wide)
        return jnp.full(shape, -jnp.inf, wide), jnp.zeros(shape, wide), rows

    def merge(a, b):
        maximum = jnp.maximum(a[0], b[0])
        shift = finite(maximum)
        old, new = (jnp.exp(x[0] - shift) for x in (a, b))  # 0 where nothing was seen
        return maximum, old * a[1] + new * b[1], old[:, None] * a[2] + new[:, None] * b[2]

    def step(rows, ends, carry):
        shared, (key, value), (edge, bias, edge_value) = rows.shared, rows.other, rows.edge
        where = ends.node, ends.other
        logits = logits_of(shared.floats, shared.others, where, rows.own, key, edge, bias)  # [block, heads]
        logits = jnp.where(ends.live[:, None], logits, -jnp.inf)
        maximum = logits.max(0)
        weights = jnp.exp(logits - finite(maximum)[None])
        kept = logits_of.drop(shared, ends.node, ends.other[:, None], weights)
        sums = (kept[..., None] * carried(value, edge_value, wide)).sum(0)  # [heads, value_dim]
        return merge(carry, (maximum, weights.sum(0), sums)), ()

    def finish(rows, carry):
        maximum, total, sums = carry
        total = jnp.where(total == 0.0, jnp.inf, total)
        maximum = jnp.where(maximum == -jnp.inf, 0.0, maximum)  # +inf stays, and is loud
        return tuple(x[None] for x in (sums / total[:, None], maximum, total))

    shapes = (call.value.dtype, (n, heads, value_dim)), (wide, (n, heads)), (wide, (n, heads))
    outputs = [jax.ShapeDtypeStruct(shape, dtype) for dtype, shape in shapes]
    rows = Rows(call.query, (call.key, call.value), edge_rows(call), shared)
    (output, maximum, total), _ = Sweep(step, merge, finish, zero, outputs, (), heads, False)(
        runs_of(call, "receivers"), rows
    )
    return output, Sums(maximum, total)


def finite(maximum: Array) -> Array:
    """What is subtracted from logits before their exponentials are taken."""
    return jnp.where(jnp.abs(maximum) < jnp.inf, maximum, 0.0)


def runs_of(call: Call, nodes: str) -> Runs:
    """The runs of the receivers, or of the senders."""
    layout = call.layout
    if nodes == "receivers":
        return Runs.of(layout.receivers, layout.senders, layout.live, layout.order, layout.n_receivers)
    return Runs.of(layout.senders, layout.receivers, layout.live, layout.by_sender, layout.n_senders)


def backward(call: Call, output: Array, sums: Sums, gradient: Array, to_lse: Array | None = None) -> Call:
    """Gradients of all floating-point operands, as a Call."""
    wide = call.wide
    delta = (gradient.astype(wide) * output.astype(wide)).sum(-1)  # [n_receivers, heads]
    delta = delta if to_lse is None else delta - to_lse
    arriving = gradient, sums.maximum, sums.total, delta
    to_query, to_floats, (to_edges, to_bias, to_edge_value) = to_receivers(call, arriving)
    to_key, to_value = to_senders(call, arriving)
    parameters = Parameters.of(call).split()[1](to_floats)
    return replace(
        call,
        query=to_query,
        key=to_key,
        value=to_value,
        score=parameters.score,
        scale=parameters.scale,
        bias=parameters.bias if callable(call.bias) else to_bias,
        edges=to_edges,
        edge_value=to_edge_value,
    )


def weigh(logits: Array, statistics: tuple[Array, ...], live: Array, to_weights: Array) -> tuple[Array, Array]:
    """Weights and gradients of the logits, [block, heads] each, 0 where there is no edge."""
    maximum, total, delta = statistics
    exponentials = jnp.exp(logits - maximum)
    live = live[:, None]
    weights = jnp.where(live, exponentials / total, 0.0)
    return weights, jnp.where(live, exponentials * (to_weights - delta) / total, 0.0)


def to_receivers(call: Call, arriving: tuple[Array, ...]) -> tuple[Array, list[Array], list[Array | None]]:
    """Gradients of the query, of the floating-point parameters, and of edges, bias and values of edges."""
    n, heads, wide = *call.query.shape[:2], call.wide
    logits_of, shared = Logits.of(call)
    per_edge = edge_rows(call)
    wanted = [is_differentiable(x) for x in per_edge]

    def zero():
        floats = [jnp.zeros(padded_sizes(f.shape), wide) for f in shared.floats]
        return jnp.zeros((1, *padded_sizes(call.query.shape[1:])), wide), floats

    def step(rows, ends, carry):
        shared, (key, value), (edge, bias, edge_value) = rows.shared, rows.other, rows.edge
        query, gradient, *statistics = rows.own

        def logits(floats, query, edge, bias):
            return logits_of(floats, shared.others, (ends.node, ends.other), query, key, edge, bias)

        found, pull = jax.vjp(logits, shared.floats, query.astype(wide), edge, bias)
        gradient = gradient.astype(wide)
        drop = lambda x: logits_of.drop(shared, ends.node, ends.other[:, None], x)  # noqa: E731
        to_weights = drop((gradient * carried(value, edge_value, wide)).sum(-1))  # [block, heads]
        weights, to_logits = weigh(found, statistics, ends.live, to_weights)
        to_floats, to_query, to_edge, to_bias = pull(to_logits)
        each = to_edge, to_bias, drop(weights)[..., None] * gradient
        sums = to_query, [x.astype(wide) for x in to_floats]
        return add(carry, sums), tuple(x for x, want in zip(each, wanted, strict=True) if want)

    def finish(rows, carry):
        query, floats = carry
        return query, *(x[None] for x in floats)

    sizes = call.query.shape[1:], *(padded_sizes(f.shape) for f in shared.floats)
    outputs = [jax.ShapeDtypeStruct((n, *x), wide) for x in sizes]
    each = [jax.ShapeDtypeStruct(jnp.shape(x), wide) for x, want in zip(per_edge, wanted, strict=True) if want]
    rows = Rows((call.query, *arriving), (call.key, call.value), per_edge, shared)
    sweep = Sweep(step, add, finish, zero, outputs, each, heads, not ignores_zeros(call))
    (to_query, *to_floats), found = sweep(runs_of(call, "receivers"), rows)
    found = iter(found)
    to_floats = [x.sum(0)[tuple(map(slice, f.shape))] for x, f in zip(to_floats, shared.floats, strict=True)]
    return to_query, to_floats, [next(found) if want else None for want in wanted]


def to_senders(call: Call, arriving: tuple[Array, ...]) -> tuple[Array, Array]:
    """Gradients of key and value."""
    heads, wide = call.query.shape[1], call.wide
    logits_of, shared = Logits.of(call)
    tails = [(heads, *x.shape[2:]) for x in (call.key, call.value)]

    def zero():
        return tuple(jnp.zeros((1, *padded_sizes(tail)), wide) for tail in tails)

    def step(rows, ends, carry):
        shared, (key, value), (query, gradient, *statistics) = rows.shared, rows.own, rows.other
        edge, bias, edge_value = rows.edge

        def logits(key):
            return logits_of(shared.floats, shared.others, (ends.other, ends.node), query, key, edge, bias)

        found, pull = jax.vjp(logits, key.astype(wide))
        gradient = gradient.astype(wide)
        drop = lambda x: logits_of.drop(shared, ends.other[:, None], ends.node, x)  # noqa: E731
        to_weights = drop((gradient * carried(value, edge_value, wide)).sum(-1))
        weights, to_logits = weigh(found, statistics, ends.live, to_weights)
        (to_key,) = pull(to_logits)
        return add(carry, (to_key, (drop(weights)[..., None] * gradient).sum(0)[None])), ()

    outputs = [jax.ShapeDtypeStruct((call.layout.n_senders, *tail), wide) for tail in tails]
    rows = Rows((call.key, call.value), (call.query, *arriving), edge_rows(call), shared)
    sweep = Sweep(step, add, lambda rows, carry: carry, zero, outputs, (), heads, not ignores_zeros(call))
    (to_key, to_value), _ = sweep(runs_of(call, "senders"), rows)
    return grouped(to_key, call.key), grouped(to_value, call.value)


def grouped(x: Array, like: Array) -> Array:
    """Query heads of a group added up: [n, heads, ...] -> [n, key_heads, ...]."""
    return x.reshape(*like.shape[:2], -1, *like.shape[2:]).sum(2)


def add(a: Any, b: Any) -> Any:
    """Sums of two parts."""
    return jax.tree.map(jnp.add, a, b)


class EdgeKernel(Summed):
    """All edges of each node by one program of a kernel."""

    name = "edge kernel"
    when = "on GPU"

    def refusal(self, call: Call) -> str | None:
        layout, rows = call.layout, (call.query, call.key, call.value)
        if layout.order is None or layout.by_sender is None:
            return "the orders of the edges are not known; EdgeList.from_edges finds them"
        if backend() != "gpu":
            return "it is for GPUs"
        if find_spec("jax.experimental.pallas.triton") is None:
            return "this version of JAX compiles no kernels through Triton"
        if call.draw is not None and any(jnp.ndim(x) for x in call.draw.origin):
            return "the numbers of what dropout draws for are arrays"
        if max(numbers(x.shape[1:]) for x in rows) > MOST_NUMBERS:
            return f"a row has more than {MOST_NUMBERS} numbers, padded to powers of two"
        if reason := own_structure(call):
            return reason
        per_edge = [x for x in edge_rows(call) if x is not None]
        if max(x.size for x in (*rows, *per_edge)) * (call.query.shape[1] // call.key.shape[1]) >= MOST_OFFSET:
            return "an array has 2 ** 31 numbers or more"
        parameters, _ = split(Parameters.of(call))
        if sum(x.size for x in parameters) > MOST_NUMBERS:
            return f"score and bias have more than {MOST_NUMBERS} parameters"
        shapes = [x.shape[1:] for x in (*rows, *per_edge)] + [x.shape for x in parameters]
        if not ignores_zeros(call) and any(padded_sizes(x) != x for x in shapes):
            return "sizes are no powers of two, and score or bias may not be padded with zeros"
        unknown = primitives(call) - KNOWN
        return f"score or bias computes {sorted(unknown)[0]}, which it does not know" if unknown else None

    def is_faster(self, call: Call) -> bool:
        return True

    forward, backward = staticmethod(forward), staticmethod(backward)


def ignores_zeros(call: Call) -> bool:
    """Whether zeros may stand where there is nothing: in the padding of rows, and in rows of no edge."""
    return call.score.ignores_zeros and not callable(call.bias)


def edge_rows(call: Call) -> tuple[Array | None, ...]:
    """What has a row for each edge: features, bias, values."""
    return call.edges, None if callable(call.bias) else call.bias, call.edge_value


def primitives(call: Call) -> set[str]:
    """What the logits of two edges and their derivative are computed with."""
    logits_of, shared = Logits.of(call)
    size = lambda n, x: jax.ShapeDtypeStruct((n, *padded_sizes(x.shape[1:])), x.dtype)  # noqa: E731
    whole = lambda x: jax.ShapeDtypeStruct(padded_sizes(jnp.shape(x)), jnp.result_type(x))  # noqa: E731
    shared = jax.tree.map(whole, shared)
    edge, bias, _ = jax.tree.map(partial(size, 2), edge_rows(call))
    number = jax.ShapeDtypeStruct((), jnp.int32), jax.ShapeDtypeStruct((2,), jnp.int32)

    def both(floats, others, ends, *rows):
        output, pull = jax.vjp(lambda floats, *rows: logits_of(floats, others, ends, *rows), floats, *rows)
        return pull(output)

    key = jax.ShapeDtypeStruct((call.key.shape[0], *call.query.shape[1:2], *call.key.shape[2:]), call.key.dtype)
    rows = size(1, call.query), size(2, key), edge, bias
    return names_of(jax.make_jaxpr(both)(shared.floats, shared.others, number, *rows).jaxpr)
