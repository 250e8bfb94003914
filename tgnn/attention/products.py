"""Sums of values whose weights are inner products of either sign, without a softmax: O(n) where all are seen."""

import jax.numpy as jnp
import jraph

from tgnn.attention.call import repeat_heads
from tgnn.attention.fused.running import (
    Line,
    exact,
    is_linear,
    line_up,
    past,
    rows_where,
    run_along,
    sees_all,
    sum_products,
)
from tgnn.compiled import compiled
from tgnn.errors import check_implementation, check_nodes
from tgnn.graphs import Layout
from tgnn.graphs.interop import as_layout
from tgnn.softmax import wide_dtype
from tgnn.typing import Array


def aggregate_products(
    layout: Layout | jraph.GraphsTuple, query: Array, key: Array, value: Array, *, implementation: str | None = None
) -> Array:
    """`sum_j <query_i, key_j> * value_j` over the in-edges of each receiver: attention without its softmax.

    The definition is `layout.aggregate(layout.score(query, key), value)`. Where each receiver sees all senders (of its
    segment) up to one, as in `Complete`, `Causal` and `Prefix`, products of keys and values are summed first: the same
    number, in O(n) time and memory.

    Args:
      layout: which edges exist: a layout, or a `jraph.GraphsTuple`.
      query: [n_receivers, heads, dim]; not scaled.
      key: [n_senders, key_heads, dim]; query head `a` uses key head `a // (heads // key_heads)`.
      value: [n_senders, key_heads, value_dim].
      implementation: None chooses; "definition" runs the verbs; "fused" sums first, or an error says why not.

    Returns:
      [n_receivers, heads, value_dim] in the dtype of `value`, summed in float32 or wider; zeros without an in-edge.

    Raises:
      ValueError: for shapes that disagree with the layout or with each other, and for "fused" on other layouts.

    >>> from tgnn import Causal
    >>> x = jnp.array([1.0, -2.0, 3.0]).reshape(3, 1, 1)
    >>> aggregate_products(Causal(3), x, x, x).ravel().tolist()
    [1.0, -10.0, 42.0]
    """
    query, key, value = jnp.asarray(query), jnp.asarray(key), jnp.asarray(value)
    layout = as_layout(layout, query.shape[0] if query.ndim else None, key.shape[0] if key.ndim else None)
    check_implementation(implementation)
    check_nodes(layout, query, key, value)
    if implementation == "fused" and not is_linear(layout.stored):
        raise ValueError(
            f"no fused execution of products takes {type(layout).__name__}, but only layouts whose receivers see all "
            'senders up to one, such as Complete and Causal; use implementation=None or "definition"'
        )
    return products(layout, query, key, value, implementation != "definition")


@compiled
def products(layout: Layout, query: Array, key: Array, value: Array, first: bool) -> Array:
    """`aggregate_products` after its checks; `first`: keys and values are summed before the queries, if that may be."""
    heads, wide = query.shape[1], wide_dtype(query.dtype, key.dtype, value.dtype)
    output_dtype, layout = value.dtype, layout.stored
    query, key, value = (repeat_heads(x, heads).astype(wide) for x in (query, key, value))
    if 0 in (*query.shape, *key.shape, *value.shape):
        return jnp.zeros((*query.shape[:2], value.shape[2]), output_dtype)
    if not first or not is_linear(layout):
        return layout.aggregate(layout.score(query, key), value).astype(output_dtype)
    if sees_all(layout):
        return exact("nhr,hrd->nhd", query, sum_products(key, value)).astype(output_dtype)
    line, places = line_up(layout, query, key, value, nothing=0.0)
    nothing = jnp.zeros((*key.shape[1:], value.shape[2]), wide), jnp.full((), -1, line.segment.dtype)
    received = run_along(line, chunk, nothing)
    return (received if places is None else received[places]).astype(output_dtype)


def chunk(carry: tuple[Array, Array], line: Line) -> tuple[tuple[Array, Array], Array]:
    """The sums behind a chunk and their segment, and what its receivers receive."""
    sums, segment = carry
    before = rows_where(line.segment == segment, exact("nhr,hrd->nhd", line.receiver, sums))
    weights = exact("nhr,mhr->nmh", line.receiver, line.sender)
    within = exact("nmh,mhd->nhd", jnp.where(past(line.segment)[..., None], weights, 0.0), line.value)
    now = line.segment[-1]
    new = sum_products(rows_where(line.segment == now, line.sender), rows_where(line.segment == now, line.value))
    return (jnp.where(now == segment, sums, 0.0) + new, now), before + within
