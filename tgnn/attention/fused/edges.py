"""EdgeList without any [n_edge, features] array: chunks of edges in turn, and a backward pass that recomputes.

The forward pass keeps the [n_edge, heads] logits of one scan for a second one, which adds weighted values into
[n_receivers, heads * dim] rows and divides by the normaliser at the end. The backward pass stores query, key, value,
output, the log-sum-exp (as maximum and sum, which keeps its digits where logits are large) and those logits: a number
per edge and head is little beside the rows of the edges, and saves a quarter of the time on small graphs.
Dead edges are computed like the others, from whatever rows they point to, and then dropped by every sum.
Chunks follow the order of the receivers where it is known (`EdgeList.from_edges` finds it): rows are read and added in
the order of memory, while arrays per edge stay in the caller's order.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tgnn.attention.call import Call
from tgnn.attention.fused.chunk import (
    CHUNK_NUMBERS,
    BucketSum,
    Chunk,
    Cut,
    Inputs,
    LongSum,
    Parameters,
    Rejoin,
    add_rows,
    edge_logits,
    head_sum,
    take,
    width_of,
)
from tgnn.attention.fused.derivatives import attend_with, attend_with_lse
from tgnn.attention.fused.execution import Execution, Form, Statistics, backend, own_structure
from tgnn.graphs.edge_list import EdgeList
from tgnn.softmax import is_long
from tgnn.typing import Array


class Sums(NamedTuple):
    """Of the softmax of each receiver and head, [n_receivers, heads]: log-sum-exp = maximum + log(total)."""

    maximum: Array  # 0 where there is no edge
    total: Array  # +inf where there is no edge
    logits: Array | None = None  # of the chunks, [count, size, heads]; None where they are computed again

    @property
    def statistics(self) -> Statistics:
        """The same, with the logarithm of the sum."""
        return Statistics(self.maximum, jnp.log(self.total))


def log_sum_exp(_: Call, sums: Sums) -> Array:
    """The second output of both executions of lists."""
    return sums.statistics.log_sum_exp


class Summed(Execution):
    """An execution of edge lists whose forward pass keeps `Sums`, from which the backward pass starts."""

    form: Form = "list"

    @staticmethod
    @abstractmethod
    def forward(call: Call) -> tuple[Array, Sums]:
        """The output, and the statistics of the softmax."""

    @staticmethod
    @abstractmethod
    def backward(call: Call, output: Array, sums: Sums, gradient: Array) -> Call:
        """Gradients of all floating-point operands, as a Call."""

    def run(self, call: Call) -> Array:
        return attend_with(self.forward, self.backward, call)

    def run_with_lse(self, call: Call) -> tuple[Array, Array]:
        return attend_with_lse(self.forward, self.backward, log_sum_exp, call)

    def statistics(self, call: Call) -> Statistics:
        return self.forward(call)[1].statistics


def forward(call: Call) -> tuple[Array, Sums]:
    """The output, and the statistics of the softmax."""
    n, heads, wide = *call.query.shape[:2], call.wide
    parameters, chunks = Parameters.of(call), Cut.of(call)

    def measure(maximum, chunk):
        logits = edge_logits(parameters, chunk.inputs(call), chunk, wide)  # [C, heads]
        return maximum.at[chunk.to_receiver].max(logits, mode="drop"), logits

    maximum, logits = chunks.scan(measure, jnp.full((n, heads), -jnp.inf, wide))
    shift = jnp.where(jnp.isfinite(maximum), maximum, 0.0)
    maximum = jnp.where(maximum == -jnp.inf, 0.0, maximum)  # +inf stays, and is loud
    kept = sums_of(call.layout)
    add = kept.add if kept else add_rows

    def collect(sums, chunk, logits):
        output, total = sums
        weights = jnp.exp(logits - take(shift, chunk.receiver))
        messages = chunk.drop(call, weights)[..., None] * chunk.values(call, heads, wide)  # [C, heads, value_dim]
        return (add(output, chunk.to_receiver, messages), add(total, chunk.to_receiver, weights)), None

    zeros = kept.zeros if kept else jnp.zeros
    start = zeros((n, heads, call.value.shape[2]), wide), zeros((n, heads), wide)
    (output, total), _ = chunks.scan(collect, start, logits)
    output, total = (x.total if kept else x for x in (output, total))
    total = jnp.where(total == 0.0, jnp.inf, total)
    return (output / total[..., None]).astype(call.value.dtype), Sums(maximum, total, logits)


def sums_of(layout: EdgeList) -> type[LongSum] | type[BucketSum] | None:
    """How sums are kept that plain ones would round: of long runs, and of very many edges without an order."""
    if layout.depth:
        return LongSum
    return BucketSum if layout.order is None and is_long(layout.n_edge, layout.n_receivers) else None


def backward(call: Call, output: Array, sums: Sums, gradient: Array, to_lse: Array | None = None) -> Call:
    """Gradients of all floating-point operands, as a Call."""
    gradients, floats, join = chunk_gradients(call, output, sums, gradient, to_lse)
    step = lambda found, chunk, logits: (found.add(chunk, *gradients(chunk, logits)), None)  # noqa: E731
    found, _ = Cut.of(call).scan(step, Gradients.zeros(call, floats), sums.logits)
    return found.as_call(call, join)


def chunk_gradients(
    call: Call, output: Array, sums: Sums, gradient: Array, to_lse: Array | None = None
) -> tuple[Callable[..., tuple[list[Array], Inputs, Array]], list[Array], Rejoin]:
    """`(chunk, its logits or None) -> ` gradients of parameters, inputs and values; the parameters, and their join."""
    heads, wide = call.query.shape[1], call.wide
    floats, join = Parameters.of(call).split()
    delta = (gradient.astype(wide) * output.astype(wide)).sum(-1)  # [n_receivers, heads]
    delta = delta if to_lse is None else delta - to_lse  # the slope of the log-sum-exp in a logit is its weight

    def gradients(chunk, logits=None):
        inputs = chunk.inputs(call)
        again, to_logits_of = jax.vjp(lambda f, inputs: edge_logits(join(f), inputs, chunk, wide), floats, inputs)
        maximum, total, mean = (take(x, chunk.receiver) for x in (sums.maximum, sums.total, delta))  # [C, heads] each
        exponentials = jnp.exp((again if logits is None else logits) - maximum)
        arriving = take(gradient, chunk.receiver).astype(wide)  # [C, heads, value_dim]
        to_weights = chunk.drop(call, head_sum(arriving * chunk.values(call, heads, wide)))
        # A quotient comes last because XLA computes it once per head, and a product once per feature.
        to_logits = exponentials * (to_weights - mean) / total
        to_logits = chunk.zero_dead(to_logits) if floats else to_logits
        to_floats, to_inputs = to_logits_of(to_logits)
        weights = exponentials / total
        return to_floats, to_inputs, chunk.drop(call, weights)[..., None] * arriving

    return gradients, floats, join


class Gradients(NamedTuple):
    """The gradients that the backward pass adds up."""

    floats: list[Array]
    query: Array
    key: Array
    value: Array
    edges: Array | None
    bias: Array | None
    edge_value: Array | None

    @classmethod
    def zeros(cls, call: Call, floats: list[Array]) -> "Gradients":
        """Sums over no edge."""
        per_edge = (x if is_differentiable(x) else None for x in (call.edges, call.bias, call.edge_value))
        like = floats, call.query, call.key, call.value, *per_edge
        return cls(*jax.tree.map(lambda x: jnp.zeros(x.shape, call.wide), like))

    def add(self, chunk: Chunk, to_floats: list[Array], to_inputs: Inputs, to_values: Array) -> "Gradients":
        """Sums over one chunk more. `to_values` are the gradients of what the edges carry, [C, heads, value_dim]."""
        grouped = to_values
        if self.value.shape[1] != to_values.shape[1]:
            grouped = to_values.reshape(to_values.shape[0], self.value.shape[1], -1, to_values.shape[2]).sum(2)
        per_edge = (self.edges, to_inputs.edges), (self.bias, to_inputs.bias), (self.edge_value, to_values)
        return Gradients(
            [x + y.astype(x.dtype) for x, y in zip(self.floats, to_floats, strict=True)],
            add_rows(self.query, chunk.to_receiver, to_inputs.receiver),
            add_rows(self.key, chunk.to_sender, to_inputs.sender),
            add_rows(self.value, chunk.to_sender, grouped),
            *(None if x is None else add_rows(x, chunk.to_position, rows) for x, rows in per_edge),
        )

    def as_call(self, call: Call, join: Rejoin) -> Call:
        """The gradients in the places of their operands, None where there is nothing to say."""
        parameters = join(self.floats)
        bias = parameters.bias if callable(call.bias) else self.bias
        return replace(
            call,
            query=self.query,
            key=self.key,
            value=self.value,
            score=parameters.score,
            bias=bias,
            scale=parameters.scale,
            edges=self.edges,
            edge_value=self.edge_value,
        )


def is_differentiable(x: Any) -> bool:
    """Whether `x` is an array that gradients may be asked of."""
    return hasattr(x, "dtype") and jnp.issubdtype(x.dtype, jnp.floating)


class Chunks(Summed):
    """Chunks of an edge list, one after the other."""

    name = "chunks of edges"
    when = "on CPU from one full chunk on; below, the definition compiles sooner"

    def refusal(self, call: Call) -> str | None:
        return own_structure(call)

    def is_faster(self, call: Call) -> bool:
        return backend() == "cpu" and call.layout.n_edge * width_of(call) >= CHUNK_NUMBERS

    forward, backward = staticmethod(forward), staticmethod(backward)
