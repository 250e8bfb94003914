"""Attention by heads: each device has some heads of all nodes. Nothing is exchanged."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from tgnn.attention import attend
from tgnn.attention.call import Bias
from tgnn.attention.scores import Score
from tgnn.graphs.interop import as_layout
from tgnn.graphs.layout import Layout
from tgnn.sharding.numbering import SomeHeads
from tgnn.sharding.on_mesh import SHARED, check_mesh, check_share, on_mesh
from tgnn.sharding.options import Options, share
from tgnn.typing import Array, Graph


def attend_heads(
    layout: Graph, query: Array, key: Array, value: Array, *, mesh: Mesh, axis: str, **options: Any
) -> Any:
    """`attend` with the heads split over an axis of a mesh.

    Every layout, score, bias and execution works, since each device calls `attend` on its own heads; no device talks to
    another, forwards and backwards (but for gradients of what all heads share, such as a bias of [.., 1]).

    Args:
      layout: as for `attend`, like query, key and value: the whole of them, placed anywhere.
      query: see `attend`; its heads are a multiple of the devices.
      key: see `attend`; its heads too.
      value: see `attend`.
      mesh: with Auto axes.
      axis: its axis for heads.
      **options: the others of `attend`. Arrays of `score` with a first axis of heads are split along it.

    Returns:
      What `attend` returns, the axis of heads split over the mesh.

    Raises:
      ValueError: for numbers of heads that cannot be split, or an Explicit mesh.
    """
    chosen = Options(**options)
    query, key, value = jnp.asarray(query), jnp.asarray(key), jnp.asarray(value)
    layout = as_layout(layout, query.shape[0], key.shape[0])
    size, heads = check_mesh(mesh, axis), query.shape[1]
    count = check_share("heads of query", heads, size, axis, "choose fewer devices")
    check_share("heads of key", key.shape[1], size, axis, "repeat them, jnp.repeat(key, n, axis=1), values too")
    slots = len(layout.edge_shape)

    def along(place: int):
        """Splits an array where it has all heads on axis `place`."""
        spec = PartitionSpec(*(None,) * place, axis)
        return lambda x: spec if x.ndim > place and x.shape[place] == heads else SHARED

    if callable(chosen.bias):
        of_bias = share(chosen.bias, lambda x: SHARED)
    else:
        of_bias = share(chosen.bias, along(slots))
    specs = (SHARED, *(PartitionSpec(None, axis),) * 3, share(chosen.score, along(0)), of_bias)
    specs += share(chosen.scale, along(0)), share(chosen.edges, along(slots)), share(chosen.edge_value, along(slots))
    rest = chosen._replace(score=None, bias=None, scale=None, edges=None, edge_value=None)  # pyright: ignore
    moved = chosen.score, chosen.bias, chosen.scale, chosen.edges, chosen.edge_value
    arguments = layout, query, key, value, *moved, rest, count
    return on_mesh(some_heads, mesh, axis, (*specs, SHARED, SHARED), PartitionSpec(None, axis), *arguments)


def some_heads(
    axis: str,
    layout: Layout,
    query: Array,
    key: Array,
    value: Array,
    score: Score,
    bias: Bias,
    scale: float | Array | None,
    edges: Array | None,
    edge_value: Array | None,
    rest: Options,
    count: int,
) -> Any:
    """The heads of one device."""
    first = jax.lax.axis_index(axis) * count
    bias = SomeHeads(bias, first, count) if callable(bias) else bias
    receiver, sender, head = rest.origin
    head = head + first if jnp.ndim(head) == 0 else jax.lax.dynamic_slice_in_dim(head, first, count)
    mine = rest._replace(
        score=score, bias=bias, scale=scale, edges=edges, edge_value=edge_value, origin=(receiver, sender, head)
    )
    return attend(layout, query, key, value, **mine.keywords())
