"""The one numerical policy: sums, maxima and softmax over the in-edges of each receiver.

Everything is computed in float32 or wider; an edge that is masked, out of range or whose logit is -inf has weight 0
and gradient 0; a receiver without a live edge gets zeros, never NaN.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from tgnn.errors import as_index, check_bool, widen_index
from tgnn.typing import Array, DTypeLike

LONG = 2**20  # rows from which a plain sum in float32 loses digits, if few segments have them all
BUCKET = 4096  # the most segments whose sums are kept for every bucket of rows
PART = 32  # rows that are added one after the other, where a segment is known to be long


def wide_dtype(*dtypes: DTypeLike) -> jnp.dtype:
    """The dtype in which logits, weights and sums are kept: float32 or wider.

    >>> wide_dtype(jnp.bfloat16)
    dtype('float32')
    """
    with jax.numpy_dtype_promotion("standard"):  # also for callers who forbid promotion: this one is meant
        return jnp.promote_types(jnp.result_type(*(jnp.dtype(x) for x in dtypes)), jnp.float32)


def sum_dtype(dtype: DTypeLike) -> jnp.dtype:
    """In which reductions are kept: integers of 32 bits and more as they are, all else float32 or wider.

    >>> sum_dtype(jnp.uint8), sum_dtype(jnp.int32)
    (dtype('float32'), dtype('int32'))
    """
    dtype = jnp.dtype(dtype)
    return dtype if jnp.issubdtype(dtype, jnp.integer) and dtype.itemsize >= 4 else wide_dtype(dtype)


def least(dtype: DTypeLike) -> float | int:
    """The maximum of nothing: -inf, or the least integer."""
    return int(jnp.iinfo(dtype).min) if jnp.issubdtype(dtype, jnp.integer) else -jnp.inf


def least_where_dead(x: Array, live: Array | None) -> Array:
    """`x` in the dtype of its reductions, with what no maximum picks wherever `live` is False."""
    x = x.astype(sum_dtype(x.dtype))
    return x if live is None else jnp.where(expand(live, x.ndim), x, jnp.asarray(least(x.dtype), x.dtype))


def expand(mask: Array, ndim: int) -> Array:
    """Appends axes of size 1 to `mask` until it has `ndim` axes."""
    return mask.reshape(mask.shape + (1,) * (ndim - mask.ndim))


def group_softmax(
    logits: Array, mask: Array | None, reduce: Callable[[Array, str], Array], to_edges: Callable[[Array], Array]
) -> Array:
    """Softmax over groups of edges, for any storage of the edges.

    Args:
      logits: [*edge_shape, heads]; -inf means no edge.
      mask: bool [*edge_shape] (True = keep), or None where every edge is live.
      reduce: `(x [*edge_shape, heads], "sum" | "max") -> [n_receivers, heads]`.
      to_edges: `[n_receivers, heads] ->` broadcastable to `[*edge_shape, heads]`.

    Returns:
      weights [*edge_shape, heads], float32 or wider: 0 on dead edges, summing to 1 over each group with a live edge.
      A NaN or +inf logit on a live edge makes its own group NaN: loud, and confined to it.
    """
    exponentials, _, total = group_exponentials(logits, mask, reduce, to_edges)
    total = to_edges(total)
    return exponentials / jnp.where(total == 0.0, 1.0, total)


def group_log_sum_exp(
    logits: Array, mask: Array | None, reduce: Callable[[Array, str], Array], to_edges: Callable[[Array], Array]
) -> Array:
    """The logarithm of the sums by which `group_softmax` divides: [n_receivers, heads], -inf for a group of no edge."""
    _, maximum, total = group_exponentials(logits, mask, reduce, to_edges)
    empty = total == 0.0
    return jnp.where(empty, -jnp.inf, maximum + jnp.log(jnp.where(empty, 1.0, total)))


def group_exponentials(
    logits: Array, mask: Array | None, reduce: Callable[[Array, str], Array], to_edges: Callable[[Array], Array]
) -> tuple[Array, Array, Array]:
    """exp(logits - maximum) on the edges, 0 on dead ones; the maximum of each group, 0 for none; the sum of each."""
    logits = logits.astype(wide_dtype(logits.dtype))
    live = logits != -jnp.inf
    if mask is not None:
        live = live & expand(mask, logits.ndim)
    maximum = reduce(jax.lax.stop_gradient(jnp.where(live, logits, -jnp.inf)), "max")
    maximum = jnp.where(jnp.isfinite(maximum), maximum, 0.0)
    # Two wheres: the inner one keeps exp and its derivative finite on dead edges, the outer one removes them.
    exponentials = jnp.where(live, jnp.exp(jnp.where(live, logits - to_edges(maximum), 0.0)), 0.0)
    return exponentials, maximum, reduce(exponentials, "sum")


def segment_reduce(x: Array, segment_ids: Array, num_segments: int, op: str = "sum", *, depth: int = 0) -> Array:
    """Sum or maximum of the rows of each segment; ids outside [0, num_segments) are dropped.

    Args:
      x: [n, ...]; reduced in the dtype that `sum_dtype` tells.
      segment_ids: int [n], of any integer type.
      num_segments: number of rows of the result.
      op: "sum" or "max"; an empty segment has sum 0 and maximum -inf (the least integer, of integers).
      depth: levels of partial sums (`depth_of`), for ids that never fall, apart from those that are dropped.
    """
    x = x.astype(sum_dtype(x.dtype))
    if num_segments == 0:  # a scatter into nothing has no derivative in JAX
        return jnp.zeros((0, *x.shape[1:]), x.dtype)
    ids = widen_index(segment_ids)
    ids = jnp.where(ids < 0, num_segments, ids)
    if op == "max":
        return jraph.segment_max(x, ids, num_segments)
    if depth:
        return sum_in_parts(x, jnp.minimum(ids, num_segments), num_segments, depth)
    if is_long(x.shape[0], num_segments):
        return sum_in_buckets(x, jnp.minimum(ids, num_segments), num_segments)
    return jraph.segment_sum(x, ids, num_segments)


def is_long(rows: int, num_segments: int) -> bool:
    """Whether rows in any order are so many, and their segments so few, that they are added in buckets."""
    return rows >= LONG and num_segments <= BUCKET


def sum_in_buckets(x: Array, ids: Array, n: int) -> Array:
    """Sums of rows in any order: of buckets of rows first, which are no more than the rows, then of `PART` buckets.

    Args:
      x: [rows, ...].
      ids: int [rows], in [0, n]; those of `n` are dropped.
      n: number of segments.
    """
    size = max(n, PART)
    parts = -(-x.shape[0] // size)
    place = jnp.where(ids == n, parts * n, jnp.arange(x.shape[0]) // size * n + ids)
    sums = jraph.segment_sum(x, place, parts * n).reshape(parts, n, *x.shape[1:])
    while len(sums) > 1:
        spare = -len(sums) % PART
        sums = jnp.pad(sums, [(0, spare)] + [(0, 0)] * (sums.ndim - 1)).reshape(-1, PART, *sums.shape[1:]).sum(1)
    return sums[0]


def depth_of(longest: int) -> int:
    """How many levels of partial sums keep float32 exact to a few digits of its last ones: 0 up to 4,096 rows.

    >>> depth_of(4096), depth_of(20_000_000)
    (0, 4)
    """
    return 0 if longest <= 4096 else math.ceil(math.log(longest / (2 * PART), PART) - 1e-9)


def sum_in_parts(x: Array, ids: Array, n: int, depth: int) -> Array:
    """Sums of long runs as sums of sums of `PART` rows: one number after the other, float32 stops at 2 ** 24 ones.

    Args:
      x: [rows, ...].
      ids: int [rows]: rising, apart from `n`, which is dropped.
      n: number of segments.
      depth: how often.
    """
    rows = x.shape[0]
    if not depth or rows <= PART:
        return jraph.segment_sum(x, ids, n)
    parts = -(-rows // PART)
    # Both the segment and the part never fall, so that each pair of them has a number of its own.
    pair = jnp.where(ids == n, n + parts, ids + jnp.arange(rows) // PART)
    owner = jax.ops.segment_max(ids, pair, n + parts)
    owner = jnp.where(owner < 0, n, owner)  # numbers of no pair
    return sum_in_parts(jraph.segment_sum(x, pair, n + parts), owner, n, depth - 1)


def segment_softmax(logits: Array, segment_ids: Array, num_segments: int, mask: Array | None = None) -> Array:
    """Softmax over the rows of each segment: jraph's function, safe and accurate.

    Args:
      logits: [n, ...].
      segment_ids: int [n]; ids outside [0, num_segments) are dead rows.
      num_segments: number of segments.
      mask: bool [n], True = keep.

    Returns:
      weights of the shape of `logits`, float32 or wider.

    >>> weights = segment_softmax(jnp.zeros(4), jnp.array([0, 0, 2, 7]), 3)
    >>> weights.tolist()
    [0.5, 0.5, 1.0, 0.0]
    """
    logits, segment_ids = jnp.asarray(logits), as_index("segment_ids", segment_ids)
    segment_ids = jnp.asarray(segment_ids)
    for name, x in (("segment_ids", segment_ids), ("mask", mask)):
        if x is not None and np.shape(x) != logits.shape[:1]:
            raise ValueError(
                f"{name} must have shape [n] for logits [n, ...], got {np.shape(x)} and {logits.shape}; "
                "give one entry for each row"
            )
    if mask is not None:
        mask = jnp.asarray(mask)
        check_bool("mask", mask)
    live = (segment_ids >= 0) & (segment_ids < num_segments)
    if mask is not None:
        live = live & mask
    inside = jnp.clip(segment_ids, 0, max(num_segments - 1, 0))
    return group_softmax(
        logits,
        live,
        lambda x, op: segment_reduce(x, jnp.where(live, segment_ids, num_segments), num_segments, op),
        lambda x: x[inside] if num_segments else jnp.zeros_like(logits),
    )
