"""Reductions on every layout: sum, mean, max, min, std, softmax, the degree normalisations and PNA's scalers."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import jraph

from tgnn.compiled import compiled
from tgnn.errors import check_edges, check_rows, check_tail
from tgnn.graphs import Layout
from tgnn.graphs.interop import as_layout
from tgnn.graphs.transforms import degrees
from tgnn.softmax import expand, sum_dtype, wide_dtype
from tgnn.typing import Array, DTypeLike


def aggregate(
    layout: Layout | jraph.GraphsTuple, x: Array, reduction: str = "sum", *, edges: Array | None = None
) -> Array:
    """Sum, mean, max, min, standard deviation or softmax of the senders' features over the in-edges of each receiver.

    Args:
      layout: which edges exist: a layout, or a `jraph.GraphsTuple`.
      x: [n_senders, ...] features, reduced in float32 or wider. Sums, maxima and minima of integers stay integers, of
        32 bits or more; their means and the others are float32.
      reduction: "sum", "mean", "max", "min", "std", or "softmax": a mean of the messages, feature by feature, with the
        softmax of the messages themselves as weights.
      edges: [*edge_shape, ...] in the caller's order, added to each message.

    Returns:
      [n_receivers, ...] in the dtype of `x`, if it is floating point; zeros where a receiver has no in-edge.

    Cost: one number per edge and feature; use `layout.aggregate` for weighted sums on dense-like layouts.

    Reference: softmax: Li et al., DeeperGCN: All You Need to Train Deeper GCNs, arXiv:2006.07739, definition 4, with a
    temperature of 1: scale `x` for another.

    >>> from tgnn import EdgeList
    >>> aggregate(EdgeList.from_edges([0, 1], [1, 1], n_receivers=2), jnp.array([3.0, 5.0]), "mean").tolist()
    [0.0, 4.0]
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {sorted(REDUCTIONS)}, got {reduction!r}")
    x = jnp.asarray(x)
    layout = as_layout(layout, x.shape[0] if x.shape else None)
    check_rows(layout, x)
    if edges is not None:
        check_edges(layout, "edges", edges)
        check_tail(layout, "edges", edges, x.shape[1:], shared=True)
        edges = jnp.asarray(edges)
    return reduced(layout, x, reduction, edges)


@compiled
def reduced(layout: Layout, x: Array, reduction: str, edges: Array | None) -> Array:
    """`aggregate` after its checks."""
    wide = message_dtype(reduction, x.dtype, *(() if edges is None else (edges.dtype,)))
    dtype = x.dtype if jnp.issubdtype(x.dtype, jnp.floating) else wide
    layout, (edges,) = layout.sorted(edges)
    messages = layout.from_senders(x.astype(wide))  # wide before the gather, whose transpose is a sum
    messages = jnp.broadcast_to(messages, layout.edge_shape + x.shape[1:])
    if edges is not None:
        messages = messages + layout.zero_dead_edges(edges.astype(wide))
    return REDUCTIONS[reduction](layout, messages).astype(dtype)


def message_dtype(reduction: str, *dtypes: DTypeLike) -> jnp.dtype:
    """The dtype in which messages are reduced: float32 or wider, and int32 or wider where integers stay integers."""
    if reduction not in ("sum", "max", "min") or any(jnp.issubdtype(x, jnp.floating) for x in dtypes):
        return wide_dtype(*dtypes)
    with jax.numpy_dtype_promotion("standard"):  # also for callers who forbid promotion: this one is meant
        dtype = jnp.result_type(*dtypes)
        # uint32 and int32 have no common type of 32 bits
        return dtype if sum_dtype(dtype) == dtype else jnp.promote_types(dtype, jnp.int32)


def sum_messages(layout: Layout, messages: Array) -> Array:
    """The sum of the live messages to each receiver, as all of these: [*edge_shape, ...] -> [n_receivers, ...]."""
    return layout.reduce(messages)


def mean_messages(layout: Layout, messages: Array) -> Array:
    """Their mean."""
    count = degrees(layout).reshape((-1,) + (1,) * (messages.ndim - len(layout.edge_shape)))
    return layout.reduce(messages) / jnp.maximum(count, 1.0)


def max_messages(layout: Layout, messages: Array) -> Array:
    """Their maximum, 0 where there is none but -inf."""
    largest = layout.reduce(messages, "max")
    if not jnp.issubdtype(messages.dtype, jnp.integer):
        return jnp.where(jnp.isneginf(largest), 0.0, largest)
    degree = degrees(layout)  # the least integer is a number like any other
    return jnp.where(expand(degree > 0, largest.ndim), largest, 0)


def min_messages(layout: Layout, messages: Array) -> Array:
    """Their minimum, 0 where there is none."""
    if not jnp.issubdtype(messages.dtype, jnp.integer):
        return -max_messages(layout, -messages)
    smallest = ~layout.reduce(~messages, "max")  # the negative of the least integer is no int32
    return jnp.where(expand(degrees(layout) > 0, smallest.ndim), smallest, 0)


def std_messages(layout: Layout, messages: Array) -> Array:
    """Centred before it is squared, so that nothing cancels; no square root of 0, where its derivative is infinite."""
    # The mean of many large numbers is rounded by more than they may differ; that of distances to the largest is not.
    largest = jax.lax.stop_gradient(layout.from_receivers(max_messages(layout, messages)))
    below = messages - largest
    centred = layout.zero_dead_edges(below - layout.from_receivers(mean_messages(layout, below)))
    variance = mean_messages(layout, centred**2)
    return jnp.where(variance == 0, 0.0, jnp.sqrt(jnp.where(variance == 0, 1.0, variance)))


def softmax_messages(layout: Layout, messages: Array) -> Array:
    """Their mean, weighted by their own softmax."""
    return layout.reduce(layout.normalize(messages) * messages)


REDUCTIONS = {
    "sum": sum_messages,
    "mean": mean_messages,
    "max": max_messages,
    "min": min_messages,
    "std": std_messages,
    "softmax": softmax_messages,
}


def principal_neighbourhood(
    layout: Layout,
    x: Array,
    mean_log_degree: float | Array,
    *,
    reductions: Sequence[str] = ("mean", "max", "min", "std"),
    edges: Array | None = None,
) -> Array:
    """PNA: several reductions side by side, each as it is, amplified and attenuated by the logarithm of the degree.

    Args:
      layout: which edges exist.
      x: [n_senders, dim] features.
      mean_log_degree: the mean of `log(degree + 1)` over the nodes of the training graphs (`mean_log_degree(layout)`);
        0, where these have no edges, counts as 1.
      reductions: names that `aggregate` knows.
      edges: as for `aggregate`.

    Returns:
      [n_receivers, 3 * len(reductions) * dim]: all reductions, then all amplified, then all attenuated.

    Reference: Corso et al., Principal Neighbourhood Aggregation for Graph Nets, arXiv:2004.05718, equations 5 to 7.
    """
    x = jnp.asarray(x)
    wide = wide_dtype(x.dtype)
    each = [aggregate(layout, x.astype(wide), reduction, edges=edges) for reduction in reductions]
    reduced = jnp.concatenate(each, axis=-1)
    # A node of degree 0 has nothing to scale; taking its degree as 1 keeps the quotient finite.
    unit = jnp.asarray(mean_log_degree, wide)
    unit = jnp.where(unit > 0, unit, 1.0)
    amplified = jnp.log1p(jnp.maximum(degrees(layout), 1.0)).astype(wide)[:, None] / unit
    scaled = jnp.concatenate([reduced, reduced * amplified, reduced / amplified], axis=-1)
    return scaled.astype(x.dtype if jnp.issubdtype(x.dtype, jnp.floating) else wide)


def mean_log_degree(layout: Layout) -> Array:
    """The mean of `log(degree + 1)` over the receivers: the unit of `principal_neighbourhood`."""
    return jnp.log1p(degrees(layout)).mean()


def symmetric_weights(
    layout: Layout | jraph.GraphsTuple,
    edge_weight: Array | None = None,
    node_degrees: tuple[Array, Array] | None = None,
) -> Array:
    """GCN's weights `w / sqrt(degree_i * degree_j)` on every edge: [*edge_shape, 1], in the caller's order.

    Degrees sum the weights of in-edges of receivers and, as in PyG, of in-edges of senders where both are one set of
    nodes; else of out-edges of senders. As many senders as receivers are taken for one set: where they are two, give
    `node_degrees`. Nodes of a degree of at most 0 have weight 0.

    Args:
      layout: which edges exist, a layout or a graph.
      edge_weight: [*edge_shape] in the caller's order; None: 1 each.
      node_degrees: of the senders, [n_senders], and of the receivers, [n_receivers], where the layout is a part of the
        graph whose degrees count, such as a sample; None: those of the layout.

    Reference: Kipf & Welling, arXiv:1609.02907, equation 2, where A may be weighted.
    """
    layout = as_layout(layout)
    if edge_weight is not None:
        check_edges(layout, "edge_weight", edge_weight)
        edge_weight = jnp.asarray(edge_weight)
    if node_degrees is not None:
        node_degrees = check_node_degrees(layout, node_degrees)
    return by_degrees(layout, edge_weight, node_degrees)


def check_node_degrees(layout: Layout, node_degrees: tuple[Array, Array]) -> tuple[Array, Array]:
    """A number for each sender and for each receiver, as float32 or wider, or a ValueError."""
    sizes = (layout.n_senders,), (layout.n_receivers,)
    found = tuple(map(jnp.shape, node_degrees)) if isinstance(node_degrees, tuple | list) else type(node_degrees)
    if found != sizes:
        raise ValueError(
            f"node_degrees must be a pair of shapes {sizes}, of the senders and of the receivers, got {found}; give "
            "one number for each node"
        )
    senders, receivers = map(jnp.asarray, node_degrees)
    return senders.astype(wide_dtype(senders.dtype)), receivers.astype(wide_dtype(receivers.dtype))


@compiled
def by_degrees(layout: Layout, edge_weight: Array | None, node_degrees: tuple[Array, Array] | None = None) -> Array:
    """`symmetric_weights` after its checks."""
    if node_degrees is not None:
        outer, inner = node_degrees
    else:
        inner = degrees(layout, edge_weight=edge_weight)
        square = layout.n_receivers == layout.n_senders
        outer = inner if square else degrees(layout, "senders", edge_weight=edge_weight)
    roots = layout.from_receivers(inverse_root(inner)) * layout.from_senders(inverse_root(outer))
    weights = roots if edge_weight is None else roots * layout.zero_dead_edges(edge_weight.astype(roots.dtype))
    return layout.zero_dead_edges(weights[..., None])


@compiled
def row_weights(layout: Layout) -> Array:
    """`1 / degree_i` on every edge: [*edge_shape, 1], in the caller's order."""
    inverse = layout.from_receivers(1.0 / jnp.maximum(degrees(layout), 1.0))
    return layout.zero_dead_edges(jnp.broadcast_to(inverse, layout.edge_shape)[..., None])


def inverse_root(degree: Array) -> Array:
    """`degree ** -0.5`, and 0 for degrees of at most 0; NaN stays NaN."""
    nothing = degree <= 0
    return jnp.where(nothing, 0.0, 1.0 / jnp.sqrt(jnp.where(nothing, 1.0, degree)))
