"""Attention over a union of edges, from attention over its parts: what shards, rings and caches are put together by."""

from collections.abc import Sequence

import jax.numpy as jnp

from tgnn.softmax import group_log_sum_exp, group_softmax, wide_dtype
from tgnn.typing import Array


def merge(outputs: Array | Sequence[Array], lses: Array | Sequence[Array]) -> tuple[Array, Array]:
    """`attend(..., return_lse=True)` of all edges, from that of parts which share no edge. Exact, in any grouping.

    The parts are weighed by a softmax of their log-sum-exps, the share that each has in the whole sum; a part without
    an edge has -inf there and weight 0. Dropout is drawn in the parts.

    Args:
      outputs: of the parts, each [n_receivers, heads, value_dim]; or one array with a first axis of parts.
      lses: of the parts, each [n_receivers, heads]; or one array.

    Returns:
      The output, in the dtype of `outputs`, and the log-sum-exp of the union.

    Raises:
      ValueError: for other shapes.

    >>> from tgnn import Complete, attend
    >>> x = jnp.arange(6.0).reshape(6, 1, 1)
    >>> parts = [attend(Complete(6, 3), x, y, y, return_lse=True) for y in (x[:3], x[3:])]
    >>> output, _ = merge(*zip(*parts))
    >>> bool(jnp.allclose(output, attend(Complete(6), x, x, x), rtol=1e-6))
    True
    """
    outputs, lses = jnp.asarray(outputs), jnp.asarray(lses)  # [parts, n_receivers, heads, ...]
    if outputs.ndim != 4 or outputs.shape[:3] != lses.shape:
        raise ValueError(
            "outputs must have shape [parts, n_receivers, heads, value_dim] and lses [parts, n_receivers, heads], got "
            f"{outputs.shape} and {lses.shape}; give what attend(..., return_lse=True) returned for each part"
        )
    wide = wide_dtype(outputs.dtype, lses.dtype)
    rules = None, lambda x, op: x.max(0) if op == "max" else x.sum(0), lambda x: x[None]
    shares = group_softmax(lses.astype(wide), *rules)[..., None]
    return (shares * outputs.astype(wide)).sum(0).astype(outputs.dtype), group_log_sum_exp(lses.astype(wide), *rules)
