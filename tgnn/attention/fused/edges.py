"""EdgeList without any [n_edge, features] array: chunks of edges in turn, and a backward pass that recomputes.

The forward pass keeps the [n_edge, heads] logits of one scan for a second one, which adds weighted values into
[n_receivers, heads * dim] rows and divides by the normaliser at the end. The backward pass stores query, key, value,
output, the log-sum-exp (as maximum and sum, which keeps its digits where logits are large) and those logits: a number
per edge and head is little beside the rows of the edges, and saves a quarter of the time on small graphs.
Dead edges are computed like the others, from whatever rows they point to, and then dropped by every sum.
Edges may stand in any order; sorted by receiver, as `EdgeList.from_edges` does, they read memory in order.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tgnn.attention.fused import sorted_edges
from tgnn.attention.fused.chunk import (
    CHUNK_NUMBERS,
    Chunk,
    Chunks,
    Inputs,
    Parameters,
    add_rows,
    edge_logits,
    head_sum,
    node_rows,
    take,
)
from tgnn.attention.fused.derivatives import Call, attend_with
from tgnn.attention.scores import DotProduct, Score
from tgnn.errors import check_bias
from tgnn.softmax import wide_dtype
from tgnn.typing import Array


class Statistics(NamedTuple):
    """Of the softmax of each receiver and head, [n_receivers, heads]: log-sum-exp = maximum + log(total)."""

    maximum: Array  # 0 where there is no edge
    total: Array  # 1 where there is no edge
    logits: Array | None = None  # of the chunks, [count, size, heads]; None where they are computed again


def why_not(layout, score, query, key, value, bias, edges, edge_value) -> str | None:
    """None where `run` can run a call, else the reason why it cannot, as the end of a sentence."""
    if type(score).__call__ not in (Score.__call__, DotProduct.__call__):
        return f"{type(score).__name__} defines __call__ itself; define receiver, sender and pair instead"
    for name, x in (("score", score), ("bias", bias)):
        if not all(hasattr(leaf, "dtype") or isinstance(leaf, (bool, int, float)) for leaf in jax.tree.leaves(x)):
            return f"{name} is no registered pytree of arrays (see jax.tree_util.register_dataclass)"
    return None


def is_faster(layout, score, query, key, value, bias, edges, edge_value) -> bool:
    """On CPU from one full chunk on, else the definition compiles sooner; on GPU without scatter: not measured."""
    width = max(x.shape[1] * x.shape[2] for x in (query, key, value))
    enough = jax.default_backend() == "cpu" and layout.n_edge * width >= CHUNK_NUMBERS
    return enough or without_scatter(layout)


def without_scatter(layout) -> bool:
    """Whether sums run over sorted edges instead of scattering."""
    return jax.default_backend() == "gpu" and sorted_edges.fits(layout)


def run(layout, query, key, value, score, bias, scale, edges, edge_value, dropout_rate, rng) -> Array:
    """`attend` for an EdgeList."""
    if 0 in (layout.n_edge, layout.n_receivers, layout.n_senders):
        return jnp.zeros((layout.n_receivers, query.shape[1], value.shape[2]), value.dtype)
    scale = score.default_scale(query.shape[-1]) if scale is None else scale
    edges = None if edges is None else jnp.asarray(edges)
    if edge_value is not None:
        edge_value = jnp.broadcast_to(edge_value, (layout.n_edge, query.shape[1], value.shape[2]))
    bias = bias if bias is None or callable(bias) else check_bias(layout, jnp.asarray(bias), query.shape[1])
    rng = rng if dropout_rate > 0.0 else None
    call = Call(layout, query, key, value, score, bias, scale, edges, edge_value, rng, dropout_rate)
    return attend_with(forward, backward, call)


def forward(call: Call) -> tuple[Array, Statistics]:
    """The output, and the statistics of the softmax."""
    if without_scatter(call.layout):
        output, *statistics = sorted_edges.forward(call, wide_of(call))
        return output, Statistics(*statistics)
    n, heads, wide = *call.query.shape[:2], wide_of(call)
    parameters, chunks = Parameters.of(call), Chunks.of(call)
    receiver, sender = node_rows(parameters, call.query, call.key)

    def measure(maximum, chunk):
        logits = edge_logits(parameters, chunk.inputs(call, receiver, sender), chunk, wide)
        return maximum.at[chunk.to_receiver].max(logits, mode="drop"), logits

    maximum, logits = chunks.scan(measure, jnp.full((n, heads), -jnp.inf, wide))
    maximum = jnp.where(jnp.isfinite(maximum), maximum, 0.0)

    def collect(sums, chunk, logits):
        output, total = sums
        weights = jnp.exp(logits - take(maximum, chunk.receiver))
        messages = chunk.survive(call, weights)[..., None] * chunk.values(call, heads, wide)
        return (add_rows(output, chunk.to_receiver, messages), add_rows(total, chunk.to_receiver, weights)), None

    zeros = jnp.zeros((n, heads, call.value.shape[2]), wide), jnp.zeros((n, heads), wide)
    (output, total), _ = chunks.scan(collect, zeros, logits)
    total = jnp.where(total == 0.0, 1.0, total)
    return (output / total[..., None]).astype(call.value.dtype), Statistics(maximum, total, logits)


def backward(call: Call, output: Array, statistics: Statistics, gradient: Array) -> Call:
    """Gradients of all floating-point arguments, as a Call."""
    heads, wide = call.query.shape[1], wide_of(call)
    floats, join = Parameters.of(call).split()
    maps = lambda floats, query, key: node_rows(join(floats), query, key)  # noqa: E731
    (receiver, sender), pull_maps = jax.vjp(maps, floats, call.query, call.key)
    delta = (gradient.astype(wide) * output.astype(wide)).sum(-1)
    stored = jnp.concatenate([statistics.maximum, statistics.total, delta], axis=1)

    def gradients(chunk, logits=None):
        inputs = chunk.inputs(call, receiver, sender)
        again, pull = jax.vjp(lambda floats, inputs: edge_logits(join(floats), inputs, chunk, wide), floats, inputs)
        maximum, total, delta = jnp.split(take(stored, chunk.receiver), 3, axis=1)
        exponentials = jnp.exp((again if logits is None else logits) - maximum)
        arriving = take(gradient, chunk.receiver).astype(wide)
        to_weights = chunk.survive(call, head_sum(arriving * chunk.values(call, heads, wide)))
        # A quotient comes last because XLA computes it once per head, and a product once per feature.
        to_logits = exponentials * (to_weights - delta) / total
        to_logits = chunk.keep(to_logits) if floats else to_logits
        to_floats, to_inputs = pull(to_logits)
        weights = exponentials / total
        return to_floats, to_inputs, chunk.survive(call, weights)[..., None] * arriving

    if without_scatter(call.layout):
        sums = Sums(*sorted_edges.backward(call, gradients, receiver, sender))
    else:
        step = lambda sums, chunk, logits: (sums.add(chunk, *gradients(chunk, logits)), None)  # noqa: E731
        sums, _ = Chunks.of(call).scan(step, Sums.zeros(call, floats, receiver, sender, wide), statistics.logits)
    like = lambda sums, x: sums.astype(x.dtype)  # noqa: E731
    to_maps, to_query, to_key = pull_maps((like(sums.receiver, receiver), like(sums.sender, sender)))
    to_parameters = join([x + y for x, y in zip(sums.floats, to_maps, strict=True)])
    return Call(
        call.layout,
        to_query,
        to_key,
        sums.value,
        to_parameters.score,
        to_parameters.bias if callable(call.bias) else sums.bias,
        to_parameters.scale,
        sums.edges,
        sums.edge_value,
        call.rng,
        call.dropout_rate,
    )


class Sums(NamedTuple):
    """The gradients that the backward scan adds up."""

    floats: list[Array]
    receiver: Array
    sender: Array
    value: Array
    edges: Array | None
    bias: Array | None
    edge_value: Array | None

    @classmethod
    def zeros(cls, call: Call, floats, receiver: Array, sender: Array, wide) -> "Sums":
        """Sums over no edge."""
        per_edge = (x if is_differentiable(x) else None for x in (call.edges, call.bias, call.edge_value))
        like = floats, receiver, sender, call.value, *per_edge
        return cls(*jax.tree.map(lambda x: jnp.zeros(x.shape, wide), like))

    def add(self, chunk: Chunk, to_floats, to_inputs: Inputs, to_values: Array) -> "Sums":
        """Sums over one chunk more. `to_values` are the gradients of what the edges carry, [C, heads, value_dim]."""
        grouped = to_values
        if self.value.shape[1] != to_values.shape[1]:
            grouped = to_values.reshape(to_values.shape[0], self.value.shape[1], -1, to_values.shape[2]).sum(2)
        per_edge = (self.edges, to_inputs.edges), (self.bias, to_inputs.bias), (self.edge_value, to_values)
        return Sums(
            [x + y.astype(x.dtype) for x, y in zip(self.floats, to_floats, strict=True)],
            add_rows(self.receiver, chunk.to_receiver, to_inputs.receiver),
            add_rows(self.sender, chunk.to_sender, to_inputs.sender),
            add_rows(self.value, chunk.to_sender, grouped),
            *(None if x is None else add_rows(x, chunk.to_position, rows) for x, rows in per_edge),
        )


def is_differentiable(x) -> bool:
    """Whether `x` is an array that gradients may be asked of."""
    return hasattr(x, "dtype") and jnp.issubdtype(x.dtype, jnp.floating)


def wide_of(call: Call):
    """The dtype of logits and sums."""
    return wide_dtype(call.query.dtype, call.key.dtype, call.value.dtype)
