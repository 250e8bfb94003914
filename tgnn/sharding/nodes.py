"""Attention by nodes: each device has some nodes and the edges into them, and is sent just what else they read."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from tgnn.attention import attend
from tgnn.sharding.numbering import renumber
from tgnn.sharding.on_mesh import SHARED, check_mesh, on_mesh
from tgnn.sharding.options import Options
from tgnn.sharding.partition import Partition
from tgnn.typing import Array


def attend_nodes(
    partition: Partition, query: Array, key: Array, value: Array, *, mesh: Mesh, axis: str, **options: Any
) -> Any:
    """`attend` with the nodes of a graph split over an axis of a mesh: a halo exchange of keys and values.

    Each device sends the rows that edges read elsewhere, and no others: forwards keys and values, backwards their
    gradients. A network keeps its nodes as `partition.pack` laid them out, from layer to layer.

    Args:
      partition: of `partition_nodes`, one part for each device.
      query: [parts * n_local, heads, head_dim], rows in the order of `partition.pack`.
      key: see `attend`, rows like those of query.
      value: see `attend`, rows like those of query.
      mesh: with Auto axes.
      axis: its axis for nodes.
      **options: the others of `attend`. Arrays of edges as `partition.pack_edges` makes them. A callable bias and
        dropout see the caller's numbers of nodes: the same as on one device.

    Returns:
      What `attend` returns, rows like those of query, split over the mesh; `partition.unpack` gives the caller's order.

    Raises:
      ValueError: for parts that are not one for each device, other numbers of rows, or an Explicit mesh.
    """
    chosen, size = Options(**options), check_mesh(mesh, axis)
    parts, n_local = partition.nodes.shape
    if parts != size:
        raise ValueError(
            f"partition has {parts} parts, but axis {axis!r} has {size} devices; use partition_nodes(layout, {size})"
        )
    for name, x in (("query", query), ("key", key), ("value", value)):
        if x.shape[0] != parts * n_local:
            raise ValueError(
                f"{name} has {x.shape[0]} rows, but the partition {parts} times {n_local}; use partition.pack({name})"
            )
    of_edges = chosen.per_edge
    for name, x in of_edges.items():
        if x.shape[:2] != partition.edges.shape:
            raise ValueError(
                f"{name} must have shape {[*partition.edges.shape, '...']}, got {x.shape}; use "
                f"partition.pack_edges({name})"
            )
    if any(jnp.ndim(x) for x in chosen.origin[:2]):
        raise ValueError("origin must be three integers here, since the partition knows the numbers of its nodes")
    rest = chosen._replace(**dict.fromkeys(of_edges))
    part = PartitionSpec(axis)
    mine = partition.layout, partition.nodes, partition.senders, partition.sends, of_edges
    arguments = mine, partition.hops, query, key, value, rest
    return on_mesh(some_nodes, mesh, axis, (part, SHARED, part, part, part, SHARED), part, *arguments)


def some_nodes(
    axis: str, mine: tuple[Any, ...], hops: tuple[int, ...], query: Array, key: Array, value: Array, rest: Options
) -> Any:
    """The nodes of one device."""
    layout, nodes, senders, sends, of_edges = jax.tree.map(lambda x: x[0], mine)
    key, value = (with_halo(axis, x, sends, hops) for x in (key, value))
    receiver, sender, head = rest.origin
    rest = rest._replace(**of_edges, origin=(nodes + receiver, senders + sender, head))
    if callable(rest.bias):
        rest = rest._replace(bias=renumber(rest.bias, nodes, senders))
    return attend(layout, query, key, value, **rest.keywords())


def with_halo(axis: str, x: Array, sends: tuple[Array, ...], hops: tuple[int, ...]) -> Array:
    """The rows of this device, followed by those that others send it: [n_local, ...] -> [n_senders, ...]."""
    size = jax.lax.axis_size(axis)
    came = [
        jax.lax.ppermute(x[rows], axis, [(i, (i + hop) % size) for i in range(size)])
        for rows, hop in zip(sends, hops, strict=True)
    ]
    return jnp.concatenate([x, *came])
