"""Reductions of messages that are no softmax: sum, mean, max, min, std and the degree normalisations, on every layout."""

import jax.numpy as jnp

from tgnn.graphs import degrees
from tgnn.layouts import Layout
from tgnn.softmax import wide_dtype
from tgnn.typing import Array


def aggregate(layout: Layout, x: Array, reduction: str = "sum", *, edges: Array | None = None) -> Array:
    """Sum, mean, max, min or standard deviation of the senders' features over the in-edges of each receiver.

    Args:
      layout: which edges exist.
      x: [n_senders, ...] features.
      reduction: "sum", "mean", "max", "min" or "std".
      edges: [*edge_shape, ...] in the caller's order, added to each message.

    Returns:
      [n_receivers, ...] in the dtype of `x`; zeros where a receiver has no in-edge.

    Cost: one number per edge and feature; use `layout.aggregate` for weighted sums on dense-like layouts.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {sorted(REDUCTIONS)}, got {reduction!r}")
    messages = layout.from_senders(x)
    messages = jnp.broadcast_to(messages, layout.edge_shape + x.shape[1:])
    if edges is not None:
        messages = messages + layout.keep(layout.from_caller(edges))
    return REDUCTIONS[reduction](layout, messages.astype(wide_dtype(x.dtype))).astype(x.dtype)


def sum_messages(layout, messages):
    return layout.reduce(messages)


def mean_messages(layout, messages):
    count = degrees(layout).reshape((-1,) + (1,) * (messages.ndim - len(layout.edge_shape)))
    return layout.reduce(messages) / jnp.maximum(count, 1.0)


def max_messages(layout, messages):
    largest = layout.reduce(messages, "max")
    return jnp.where(jnp.isneginf(largest), 0.0, largest)


def min_messages(layout, messages):
    return -max_messages(layout, -messages)


def std_messages(layout, messages):
    """Two passes, so that nothing cancels; the square root is kept away from 0, where its derivative is infinite."""
    centred = layout.keep(messages - layout.from_receivers(mean_messages(layout, messages)))
    variance = mean_messages(layout, centred**2)
    return jnp.where(variance > 0, jnp.sqrt(jnp.where(variance > 0, variance, 1.0)), 0.0)


REDUCTIONS = {"sum": sum_messages, "mean": mean_messages, "max": max_messages, "min": min_messages, "std": std_messages}


def symmetric_weights(layout: Layout) -> Array:
    """GCN's weights `1 / sqrt(degree_i * degree_j)` on every edge: [*edge_shape, 1], in the layout's own order.

    Degrees count in-edges of receivers and, as in PyG, in-edges of senders where both are one set of nodes; else
    out-edges of senders. Reference: Kipf & Welling, arXiv 1609.02907, equation 2.
    """
    inner = degrees(layout)
    outer = inner if layout.n_receivers == layout.n_senders else degrees(layout, of="senders")
    return layout.keep(
        (layout.from_receivers(inverse_root(inner)) * layout.from_senders(inverse_root(outer)))[..., None]
    )


def row_weights(layout: Layout) -> Array:
    """`1 / degree_i` on every edge: [*edge_shape, 1], in the layout's own order."""
    inverse = layout.from_receivers(1.0 / jnp.maximum(degrees(layout), 1.0))
    return layout.keep(jnp.broadcast_to(inverse, layout.edge_shape)[..., None])


def inverse_root(degree: Array) -> Array:
    return jnp.where(degree > 0, 1.0 / jnp.sqrt(jnp.maximum(degree, 1.0)), 0.0)
