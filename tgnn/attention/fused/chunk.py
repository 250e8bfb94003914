"""A chunk of an edge list: its rows, its logits, and sums back into nodes. What the scans of `edges.py` are made of.

Rows are gathered and summed as [n, features]: XLA's gather and scatter are slow for rows of several axes. Sums over
each head are a product with a one-hot matrix and their transpose is a broadcast: measured faster than reductions.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.attention.bias import bias_at
from tgnn.attention.call import Call, repeat_heads
from tgnn.attention.dropout import apply_dropout
from tgnn.attention.fused.derivatives import vary_alike
from tgnn.attention.live import on_live
from tgnn.softmax import expand, sum_in_buckets
from tgnn.typing import Array, DTypeLike, Params

CHUNK_NUMBERS = 2**16  # numbers in one array of a chunk: a few of them fit into the second-level cache
CHUNK_EDGES = 128, 4096  # the least and the most edges of a chunk
LANES = 16  # chunks are multiples of this


class Parameters(NamedTuple):
    """What the logits depend on beside the edge: shared by all edges, so its gradient is a sum over chunks."""

    score: Any
    bias: Any  # callable, or None
    scale: Any  # Array, Python number

    @classmethod
    def of(cls, call: Call) -> "Parameters":
        """The parameters of a call."""
        return cls(call.score, call.bias if callable(call.bias) else None, call.scale)

    def split(self) -> tuple[list[Array], "Rejoin"]:
        """Floating-point leaves, and the function that puts others in their place."""
        leaves, treedef = jax.tree.flatten(self)
        which = [i for i, x in enumerate(leaves) if hasattr(x, "dtype") and jnp.issubdtype(x.dtype, jnp.floating)]

        def join(floats: Sequence[Array]) -> "Parameters":
            new = list(leaves)
            for i, x in zip(which, floats, strict=True):
                new[i] = x
            return treedef.unflatten(new)

        return [leaves[i] for i in which], join


Rejoin: TypeAlias = Callable[[Sequence[Array]], Parameters]  # puts other leaves in their place


class Inputs(NamedTuple):
    """What the logits of a chunk of C edges depend on and may be differentiated in."""

    receiver: Array  # [C, heads, ...]
    sender: Array  # [C, heads or key_heads, ...]
    edges: Array | None  # [C, ...]
    bias: Array | None  # [C, heads or 1]


def edge_logits(parameters: Parameters, inputs: Inputs, chunk: "Chunk", wide: DTypeLike) -> Array:
    """Scale * score + bias: [C, heads]; unspecified where the edge is dead."""
    rows = inputs.receiver, repeat_heads(inputs.sender, inputs.receiver.shape[1]), inputs.edges

    def logits(parameters: Parameters, receiver: Array, sender: Array, edge: Array | None, *rest: Any) -> Array:
        score, function, scale = parameters
        *ends, bias = rest
        if score.is_inner_product:
            sender = sender.astype(wide) if edge is None else sender.astype(wide) + edge.astype(wide)
            scores = head_sum(receiver.astype(wide) * sender)
        else:
            scores = score.pair(receiver, sender, edge).astype(wide)
        return scaled_and_biased(scores, scale, function, ends, bias)

    # Sums over edges drop the dead ones; parameters are shared by all edges, so there dead rows must not be seen.
    learnt = bool(parameters.split()[0])
    if learnt and parameters.score.ignores_zeros and parameters.bias is None:
        rows = tuple(x if x is None else chunk.zero_dead(x) for x in rows)
    elif learnt:
        return on_live(logits, chunk.live, parameters, *rows, chunk.receiver, chunk.sender, inputs.bias)
    return logits(parameters, *rows, chunk.receiver, chunk.sender, inputs.bias)


def scaled_and_biased(scores: Array, scale: Any, function: Any, ends: Sequence[Array], bias: Array | None) -> Array:
    """Logits [C, heads] of scores: times the scale, plus a function of the edges' ends or an array."""
    if not (isinstance(scale, float) and scale == 1.0):
        scale = jnp.asarray(scale, scores.dtype)
        scores = scores * (scale if scale.ndim == 0 else scale[None])
    if function is not None:
        bias = bias_at(function, *ends)
    return scores if bias is None else scores + bias.astype(scores.dtype)


@dataclass(frozen=True)
class Cut:
    """The edges of a call, cut into `count` chunks of `size`. The last one starts early enough to be full."""

    call: Call
    receivers: Array  # [n_edge], in the order of the receivers where it is known; dead edges go to no receiver
    size: int
    count: int

    @classmethod
    def of(cls, call: Call) -> "Cut":
        """Chunks whose arrays stay in cache."""
        layout = call.layout
        least, most = CHUNK_EDGES
        size = min(max(CHUNK_NUMBERS // max(width_of(call), 1), least), most)
        count = -(-layout.n_edge // size)
        even = -(-layout.n_edge // (count * LANES)) * LANES
        # Sorted once: the senders are gathered in every chunk, to store 4 bytes an edge less.
        (receivers,) = layout.in_order(jnp.where(layout.live, layout.receiver_index, layout.n_receivers))
        return cls(call, receivers, min(even, layout.n_edge), count)

    def scan(self, step: Callable[..., tuple[Any, Any]], carry: Params, *xs: Params) -> Any:
        """`jax.lax.scan` of `step(carry, chunk, *xs)`."""

        def numbered(carry, xs):
            number, *xs = xs
            return step(carry, self.cut(number), *xs)

        return jax.lax.scan(numbered, vary_alike(carry, self.call.query), (jnp.arange(self.count), *xs))

    def cut(self, number: Array) -> "Chunk":
        """The chunk of this number."""
        layout, size = self.call.layout, self.size
        start = jnp.minimum(number * size, layout.n_edge - size)
        part = partial(jax.lax.dynamic_slice_in_dim, start_index=start, slice_size=size)
        places = start + jnp.arange(size)
        receivers = part(self.receivers)
        live = (receivers < layout.n_receivers) & (places >= number * size)  # before: edges of the chunk before
        positions = places if layout.order is None else part(layout.order)
        senders = layout.sender_index.at[positions].get(mode="promise_in_bounds")
        return Chunk(
            jnp.minimum(receivers, layout.n_receivers - 1),
            jnp.clip(senders, 0, layout.n_senders - 1),
            jnp.where(live, receivers, layout.n_receivers),
            jnp.where(live, senders, layout.n_senders),
            positions,
            jnp.where(live, positions, layout.n_edge),
            live,
        )


class Chunk(NamedTuple):
    """C edges: where to read and where to add. Dead ones read any row and add to a row that does not exist."""

    receiver: Array
    sender: Array
    to_receiver: Array
    to_sender: Array
    position: Array
    to_position: Array
    live: Array

    def zero_dead(self, x: Array) -> Array:
        """Zeros on dead edges."""
        return jnp.where(expand(self.live, x.ndim), x, jnp.zeros((), x.dtype))

    def inputs(self, call: Call) -> Inputs:
        """The rows that the logits need."""
        edges, bias = (None if x is None or callable(x) else take(x, self.position) for x in (call.edges, call.bias))
        return Inputs(take(call.query, self.receiver), take(call.key, self.sender), edges, bias)

    def values(self, call: Call, heads: int, wide: DTypeLike) -> Array:
        """What the edges carry: [C, heads, value_dim]."""
        rows = repeat_heads(take(call.value, self.sender).astype(wide), heads)
        return rows if call.edge_value is None else rows + take(call.edge_value, self.position).astype(wide)

    def drop(self, call: Call, x: Array) -> Array:
        """Dropout of [C, heads] by the edges' hash."""
        heads = jnp.arange(x.shape[1])[None]
        return apply_dropout(call.draw, call.dropout_rate, x, self.receiver[:, None], self.sender[:, None], heads)


def width_of(call: Call) -> int:
    """Numbers in the widest row of an edge."""
    return max(math.prod(x.shape[1:]) for x in (call.query, call.key, call.value))


def take(x: Array, index: Array) -> Array:
    """Rows of `x`; indices are in range."""
    rows = x.reshape(x.shape[0], -1).at[index].get(mode="promise_in_bounds")
    return rows.reshape(index.shape[0], *x.shape[1:])


def add_rows(total: Array, index: Array, rows: Array) -> Array:
    """Adds rows to `total` where the index is in range."""
    flat = total.reshape(total.shape[0], -1)
    flat = flat.at[index].add(rows.reshape(rows.shape[0], -1).astype(total.dtype), mode="drop")
    return flat.reshape(total.shape)


class LongSum(NamedTuple):
    """Sums of rows sorted by their index, of which a few indices may have millions: compensated, so that none is lost.

    Only the first index of a chunk can go on from the chunk before. Its rows are added to each other first, and their
    sum then to that of the run, with what rounding takes away kept beside it (Kahan's summation). A run enters the
    table once it is over: a table that is read while it is written would be copied for every chunk.
    """

    table: Array
    index: Array  # of the run that may go on; the number of rows where there is none
    run: Array  # its sum
    lost: Array  # what was added to that too much

    @classmethod
    def zeros(cls, shape: tuple[int, ...], dtype: DTypeLike) -> "LongSum":
        """Sums over nothing."""
        nothing = jnp.zeros(shape[1:], dtype)
        return cls(jnp.zeros(shape, dtype), jnp.full((), shape[0], jnp.int32), nothing, nothing)

    def add(self, index: Array, rows: Array) -> "LongSum":
        """Sums over one chunk more: int [C], rising apart from what is out of range; [C, ...]."""
        n, first = self.table.shape[0], index.min().astype(jnp.int32)  # what is out of range is beyond
        goes_on = (first == self.index) | (first >= n)
        begins = index == first
        inner = jnp.where(begins.reshape(-1, *(1,) * (rows.ndim - 1)) & (first < n), rows, 0.0)
        spare = -len(index) % LANES
        inner = jnp.pad(inner, [(0, spare)] + [(0, 0)] * (rows.ndim - 1))
        inner = inner.reshape(-1, LANES, *rows.shape[1:]).sum(1).sum(0)  # [...]
        old, lost = (jnp.where(goes_on, x, 0.0) for x in (self.run, self.lost))
        step = inner - lost
        new = old + step
        table = add_rows(self._closed(jnp.where(goes_on, n, self.index)), jnp.where(begins, n, index), rows)
        return LongSum(table, jnp.where(first < n, first, self.index), new, (new - old) - step)

    @property
    def total(self) -> Array:
        """The sums of all rows."""
        return self._closed(self.index)

    def _closed(self, index: Array) -> Array:
        """The table with the run at an index; as it is where that is out of range."""
        return add_rows(self.table, index[None], (self.run - self.lost)[None])


class BucketSum(NamedTuple):
    """Sums of very many rows in any order to a few indices: those of each chunk are compensated, as in `LongSum`."""

    total: Array
    lost: Array

    @classmethod
    def zeros(cls, shape: tuple[int, ...], dtype: DTypeLike) -> "BucketSum":
        """Sums over nothing."""
        return cls(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))

    def add(self, index: Array, rows: Array) -> "BucketSum":
        """Sums over one chunk more: int [C], in any order; [C, ...]."""
        n = self.total.shape[0]
        step = sum_in_buckets(rows.astype(self.total.dtype), jnp.minimum(index, n), n) - self.lost
        new = self.total + step
        return BucketSum(new, (new - self.total) - step)


@jax.custom_vjp
def head_sum(x: Array) -> Array:
    """[C, heads, dim] -> [C, heads]."""
    heads, dim = x.shape[1:]
    ones = np.repeat(np.eye(heads, dtype=x.dtype), dim, axis=0)
    return jnp.matmul(x.reshape(x.shape[0], heads * dim), ones, precision="highest")


head_sum.defvjp(
    lambda x: (head_sum(x), jnp.zeros((0, x.shape[2]))),
    lambda saved, g: (jnp.broadcast_to(g[..., None], (*g.shape, saved.shape[1])),),
)
