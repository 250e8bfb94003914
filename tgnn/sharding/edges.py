"""Attention by edges: each device has some edges and all nodes. Maxima and sums of the softmax are reduced."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from tgnn.attention import attend
from tgnn.graphs.edge_list import EdgeList
from tgnn.graphs.interop import as_layout
from tgnn.graphs.layout import is_traced
from tgnn.graphs.padding import stack
from tgnn.sharding.collective import merge_over
from tgnn.sharding.on_mesh import SHARED, check_mesh, on_mesh
from tgnn.sharding.options import Options
from tgnn.softmax import wide_dtype
from tgnn.typing import Array, Graph


def split_edges(layout: Graph, parts: int) -> EdgeList:
    """The edges of a list in equal shares, in the caller's order: an EdgeList of [parts, size], the rest dead.

    On the host each part finds its own orders, in which it is read fastest; call it once, outside of jit. Inside, where
    edges are traced, the parts have none.

    Raises:
      ValueError: for layouts that are no list.
    """
    edges: Any = as_layout(layout)
    if edges.form != "list":
        raise ValueError(f"layout must be an EdgeList, got {type(edges).__name__}; use layout.to_edges()")
    size = -(-max(edges.n_edge, parts) // parts)
    edges = edges.pad_slots(size * parts)
    arrays = edges.sender_index, edges.receiver_index, edges.live
    sizes = {"n_receivers": edges.n_receivers, "n_senders": edges.n_senders}
    if any(map(is_traced, arrays)):
        senders, receivers, live = (x.reshape(parts, size) for x in arrays)
        return EdgeList(senders, receivers, *sizes.values(), live)
    senders, receivers, live = (np.asarray(x).reshape(parts, size) for x in arrays)
    each = zip(senders, receivers, live, strict=True)
    found = stack([EdgeList.from_edges(s, r, mask=x, **sizes) for s, r, x in each])
    return replace(found, mask=jnp.asarray(live))  # pyright: ignore


def attend_edges(
    layout: Graph, query: Array, key: Array, value: Array, *, mesh: Mesh, axis: str, **options: Any
) -> Any:
    """`attend` with the edges of a list split over an axis of a mesh; every device has all nodes.

    For graphs whose edges outweigh their nodes. Each device sends numbers for every receiver, whatever the edges are:
    for graphs that fall into parts, `attend_nodes` sends less.

    Args:
      layout: an EdgeList, a GraphsTuple, or what `split_edges` made of one.
      query: see `attend`.
      key: see `attend`.
      value: see `attend`.
      mesh: with Auto axes.
      axis: its axis for edges.
      **options: the others of `attend`; arrays of edges in the caller's order, [n_edge, ...].

    Returns:
      What `attend` returns, the same on every device.

    Raises:
      ValueError: for layouts that are no list, parts that are not one for each device, or an Explicit mesh.
    """
    chosen, size = Options(**options), check_mesh(mesh, axis)
    parts: Any = layout if np.ndim(getattr(layout, "receivers", 0)) == 2 else split_edges(layout, size)
    shape = parts.senders.shape
    if shape[0] != size:
        raise ValueError(
            f"layout has {shape[0]} parts, but axis {axis!r} has {size} devices; use split_edges(layout, {size})"
        )
    for name, x in chosen.per_edge.items():
        spare = shape[0] * shape[1] - x.shape[0]
        if not 0 <= spare < max(shape[0] * 2, 2):
            raise ValueError(
                f"{name} has {x.shape[0]} rows, but the layout at most {shape[0] * shape[1]} edges; see bias"
            )
        padded = jnp.pad(x, [(0, spare)] + [(0, 0)] * (x.ndim - 1))
        chosen = chosen._replace(**{name: padded.reshape(*shape, *x.shape[1:])})
    of_edges = {name: getattr(chosen, name) for name in chosen.per_edge}
    rest = chosen._replace(**dict.fromkeys(of_edges))
    part = PartitionSpec(axis)
    arguments = parts, of_edges, query, key, value, rest
    output, lse = on_mesh(some_edges, mesh, axis, (part, part, *(SHARED,) * 4), SHARED, *arguments)
    return (output, lse) if chosen.return_lse else output


def some_edges(
    axis: str, parts: EdgeList, of_edges: dict[str, Array], query: Array, key: Array, value: Array, rest: Options
) -> Any:
    """The edges of one device, and the whole from all."""
    layout, of_edges = jax.tree.map(lambda x: x[0], (parts, of_edges))
    wide = value.astype(wide_dtype(value.dtype))
    mine = rest._replace(**of_edges, return_lse=True)
    output, lse = merge_over(axis, *attend(layout, query, key, wide, **mine.keywords()))
    return output.astype(value.dtype), lse
