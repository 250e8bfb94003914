"""The one numerical policy: sums, maxima and softmax over the in-edges of each receiver.

Everything is computed in float32 or wider; an edge that is masked, out of range or whose logit is -inf has weight 0
and gradient 0; a receiver without a live edge gets zeros, never NaN.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import jraph

from tgnn.typing import Array


def wide_dtype(*dtypes) -> jnp.dtype:
    """The dtype in which logits, weights and sums are kept: float32 or wider.

    >>> wide_dtype(jnp.bfloat16)
    dtype('float32')
    """
    with jax.numpy_dtype_promotion("standard"):  # also for callers who forbid promotion: this one is meant
        return jnp.promote_types(jnp.result_type(*dtypes), jnp.float32)


def expand(mask: Array, ndim: int) -> Array:
    """Appends axes of size 1 to `mask` until it has `ndim` axes."""
    return mask.reshape(mask.shape + (1,) * (ndim - mask.ndim))


def group_softmax(
    logits: Array, mask: Array | None, reduce: Callable[[Array, str], Array], spread: Callable[[Array], Array]
) -> Array:
    """Softmax over groups of edges, for any storage of the edges.

    Args:
      logits: [*edge_shape, heads]; -inf means no edge.
      mask: bool [*edge_shape] (True = keep), or None where every edge is live.
      reduce: `(x [*edge_shape, heads], "sum" | "max") -> [n_receivers, heads]`.
      spread: `[n_receivers, heads] ->` broadcastable to `[*edge_shape, heads]`.

    Returns:
      weights [*edge_shape, heads], float32 or wider: 0 on dead edges, summing to 1 over each group with a live edge.
      A NaN or +inf logit on a live edge makes its own group NaN: loud, and confined to it.
    """
    logits = logits.astype(wide_dtype(logits.dtype))
    live = logits != -jnp.inf
    if mask is not None:
        live = live & expand(mask, logits.ndim)
    maximum = reduce(jax.lax.stop_gradient(jnp.where(live, logits, -jnp.inf)), "max")
    maximum = jnp.where(jnp.isfinite(maximum), maximum, 0.0)
    # Two wheres: the inner one keeps exp and its derivative finite on dead edges, the outer one removes them.
    exponentials = jnp.where(live, jnp.exp(jnp.where(live, logits - spread(maximum), 0.0)), 0.0)
    total = spread(reduce(exponentials, "sum"))
    return exponentials / jnp.where(total == 0.0, 1.0, total)


def segment_reduce(x: Array, segment_ids: Array, num_segments: int, op: str = "sum") -> Array:
    """Sum or maximum of the rows of each segment; ids outside [0, num_segments) are dropped.

    Args:
      x: [n, ...]; summed in float32 or wider, whatever its dtype.
      segment_ids: int [n].
      num_segments: number of rows of the result.
      op: "sum" or "max"; an empty segment has sum 0 and maximum -inf.
    """
    x = x.astype(wide_dtype(x.dtype))
    if num_segments == 0:  # a scatter into nothing has no derivative in JAX
        return jnp.zeros((0, *x.shape[1:]), x.dtype)
    ids = jnp.where(segment_ids < 0, num_segments, segment_ids)
    if op == "max":
        return jraph.segment_max(x, ids, num_segments)
    return jraph.segment_sum(x, ids, num_segments)


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
