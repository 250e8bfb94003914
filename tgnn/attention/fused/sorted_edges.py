"""EdgeList without scatter: sums over sorted runs of edges, by small matrix products and gathers.

For GPUs, where adding rows from many edges to one node needs atomics: slow, and not the same twice. The forward pass
reads edges sorted by receiver, the backward pass once more sorted by sender, so every sum runs over neighbours in
memory: two runs give the same bits. Memory grows as [n_edge, features], unlike that of `edges.py`.
"""

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.attention.call import Call
from tgnn.attention.fused.chunk import Chunk, Parameters, edge_logits, take
from tgnn.attention.fused.edges import Gradients, Summed, Sums, chunk_gradients, is_differentiable
from tgnn.attention.fused.execution import backend, own_structure
from tgnn.errors import widen_index
from tgnn.typing import Array

BLOCK = 32  # edges that one product adds up; sums of blocks are added up in the same way, level by level


def forward(call: Call) -> tuple[Array, Sums]:
    """The output, and maximum and sum of the exponentials of each receiver and head."""
    n, heads, wide = *call.query.shape[:2], call.wide
    parameters, chunk = Parameters.of(call), ordered(call, call.layout.order)
    logits = edge_logits(parameters, chunk.inputs(call), chunk, wide)  # [n_edge, heads]
    logits = jnp.where(chunk.live[:, None], logits, -jnp.inf)
    maximum = reduce_runs(logits[..., None], chunk.to_receiver, n, "max")[..., 0]
    shift = jnp.where(jnp.isfinite(maximum), maximum, 0.0)
    maximum = jnp.where(maximum == -jnp.inf, 0.0, maximum)  # +inf stays, and is loud
    weights = jnp.exp(logits - take(shift, chunk.receiver))
    messages = chunk.zero_dead(chunk.drop(call, weights)[..., None] * chunk.values(call, heads, wide))
    sums = reduce_runs(jnp.concatenate([messages, weights[..., None]], axis=-1), chunk.to_receiver, n)
    total = jnp.where(sums[..., -1] == 0.0, jnp.inf, sums[..., -1])
    return (sums[..., :-1] / total[..., None]).astype(call.value.dtype), Sums(maximum, total)


def backward(call: Call, output: Array, sums: Sums, gradient: Array, to_lse: Array | None = None) -> Call:
    """Gradients of all floating-point operands, as a Call."""
    layout = call.layout
    gradients, _, join = chunk_gradients(call, output, sums, gradient, to_lse)
    chunk = ordered(call, layout.order)
    to_floats, to_inputs, to_values = gradients(chunk)
    to_receiver = reduce_runs(rows_of(chunk, to_inputs.receiver, call.query), chunk.to_receiver, layout.n_receivers)
    back = jnp.argsort(layout.order)  # from the order of the receivers to the caller's
    per_edge = (call.edges, to_inputs.edges), (call.bias, to_inputs.bias), (call.edge_value, to_values)
    per_edge = [chunk.zero_dead(x)[back] if is_differentiable(like) else None for like, x in per_edge]
    chunk = ordered(call, layout.by_sender)
    _, to_inputs, to_values = gradients(chunk)
    rows = rows_of(chunk, to_inputs.sender, call.key), rows_of(chunk, to_values, call.value)
    to_sender, to_value = (reduce_runs(x, chunk.to_sender, layout.n_senders) for x in rows)
    nodes = (to_receiver, call.query), (to_sender, call.key), (to_value, call.value)
    return Gradients(to_floats, *(x.reshape(like.shape) for x, like in nodes), *per_edge).as_call(call, join)


def rows_of(chunk: Chunk, x: Array, like: Array) -> Array:
    """Gradients of edges' rows as [n_edge, heads of `like`, numbers], query heads of a group added up."""
    if like.ndim == 1:
        return chunk.zero_dead(x)[:, None, None]
    heads = like.shape[1]
    grouped = x.reshape(x.shape[0], heads, x.shape[1] // heads, -1).sum(2)
    return chunk.zero_dead(grouped)


def ordered(call: Call, order: Array) -> Chunk:
    """All edges as one chunk, in an order.

    `to_receiver` in the order of the receivers, and `to_sender` in that of the senders, never falls; dead edges take
    the number of an edge before them, and must bring nothing.
    """
    layout = call.layout
    pick = lambda x: widen_index(x).at[order].get(mode="promise_in_bounds")  # noqa: E731
    receivers, senders, live = pick(layout.receivers), pick(layout.senders), pick(layout.live)
    rising = lambda x: jax.lax.cummax(jnp.where(live, x, 0))  # noqa: E731
    return Chunk(
        jnp.clip(receivers, 0, layout.n_receivers - 1),
        jnp.clip(senders, 0, layout.n_senders - 1),
        rising(receivers),
        rising(senders),
        order,
        order,
        live,
    )


def reduce_runs(x: Array, numbers: Array, n: int, op: str = "sum") -> Array:
    """Sum or maximum over the edges of each node: [n_edge, heads, dim] -> [n, heads, dim], 0 or -inf for none.

    Args:
      x: [n_edge, heads, dim]; dead edges bring 0 or -inf.
      numbers: the node of each edge, never falling.
      n: number of nodes.
      op: "sum" or "max".

    A product with ones would spread a NaN over its block, so what is not finite is counted and put back by head.
    """
    flat = x.reshape(x.shape[0], -1)
    if op == "sum":
        finite = jnp.isfinite(x)
        wrong = (~finite).any(-1).astype(x.dtype)
        flat = jnp.concatenate([jnp.where(finite, x, 0.0).reshape(flat.shape), wrong], axis=1)
    nodes = jnp.arange(n)
    last = jnp.searchsorted(numbers, nodes, side="right") - 1
    place = jnp.maximum(last, 0)
    found = (last >= 0) & (numbers.at[place].get(mode="promise_in_bounds") == nodes)
    result = jnp.where(found[:, None], running(flat, numbers, place, op), 0.0 if op == "sum" else -jnp.inf)
    if op == "max":
        return result.reshape(n, *x.shape[1:])
    sums, wrong = result[:, : -x.shape[1]].reshape(n, *x.shape[1:]), result[:, -x.shape[1] :]
    return jnp.where((wrong > 0)[..., None], jnp.nan, sums)


def running(x: Array, numbers: Array, at: Array, op: str) -> Array:
    """The reduction of each run up to the edges `at`, inclusive: [n_edge, features] -> [len(at), features]."""
    blocks = -(-x.shape[0] // BLOCK)
    spare = blocks * BLOCK - x.shape[0]
    x = jnp.pad(x, [(0, spare), (0, 0)]).reshape(blocks, BLOCK, -1)
    numbers = jnp.pad(numbers, (0, spare), mode="edge").reshape(blocks, BLOCK)
    alike = (numbers[:, :, None] == numbers[:, None, :]) & np.tri(BLOCK, dtype=bool)[None]
    if op == "sum":
        inside = jnp.einsum("bij,bjf->bif", alike.astype(x.dtype), x, precision="highest")
    else:
        inside = jnp.where(alike[..., None], x[:, None], -jnp.inf).max(2)
    fetch = lambda y, index: y.at[index].get(mode="promise_in_bounds")  # noqa: E731
    result = fetch(inside.reshape(-1, x.shape[-1]), at)
    if blocks == 1:
        return result
    block = at // BLOCK
    before, number = jnp.maximum(block - 1, 0), fetch(numbers.reshape(-1), at)
    joined = (block > 0) & (fetch(numbers[:, 0], block) == number) & (fetch(numbers[:, -1], before) == number)
    brought = running(inside[:, -1], numbers[:, -1], before, op)
    brought = jnp.where(joined[:, None], brought, 0.0 if op == "sum" else -jnp.inf)
    return result + brought if op == "sum" else jnp.maximum(result, brought)


class SortedEdges(Summed):
    """All edges at once, in the orders of their receivers and of their senders."""

    name = "sorted edges"
    when = "on GPU, where scattering needs atomics; not measured"

    def refusal(self, call: Call) -> str | None:
        if call.layout.order is None or call.layout.by_sender is None:
            return "the orders of the edges are not known; EdgeList.from_edges finds them"
        if backend() != "gpu":
            return "it is for GPUs"
        return own_structure(call)

    def is_faster(self, call: Call) -> bool:
        return True

    forward, backward = staticmethod(forward), staticmethod(backward)
