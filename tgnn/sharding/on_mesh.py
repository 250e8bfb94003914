"""A function of pytrees on every device of one axis of a mesh: `shard_map`, with what is no array left as it is.

Values, bytes and work are under control inside of `shard_map` only: under plain `jit` with sharded operands XLA gathers
query, key and value for every fused scan. The other axes of the mesh stay with the compiler, so that a batch may be
split over them.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, PartitionSpec

from tgnn.compiled import compiled, is_array

SHARED = PartitionSpec()


def check_mesh(mesh: Mesh, axis: str) -> int:
    """The number of devices along an axis of a mesh.

    Raises:
      ValueError: for a mesh without this axis, or one whose axes are Explicit.
    """
    if axis not in mesh.axis_names:
        raise ValueError(f"axis must be one of the mesh, {mesh.axis_names}, got {axis!r}; name one of them")
    kinds = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
    if any(kind != AxisType.Auto for kind in kinds.values()):
        raise ValueError(
            f"mesh must have Auto axes, got {kinds}; make it with jax.make_mesh({tuple(mesh.shape.values())}, "
            f"{mesh.axis_names}, axis_types=(jax.sharding.AxisType.Auto,) * {len(kinds)})"
        )
    return mesh.shape[axis]


def check_share(name: str, count: int, size: int, axis: str, remedy: str) -> int:
    """The equal share of each device, or a ValueError."""
    if count % size:
        raise ValueError(f"{name} must be a multiple of the {size} devices of axis {axis!r}, got {count}; {remedy}")
    return count // size


@compiled
def on_mesh(function: Callable, mesh: Mesh, axis: str, specs: tuple, out: PartitionSpec, *arguments) -> Any:
    """`function(axis, *arguments)` on the devices of an axis, each with its part of the arguments.

    Args:
      function: of the library, defined in a module, so that an eager call compiles once.
      mesh: see `check_mesh`.
      axis: which is split; the others stay with the compiler.
      specs: for each argument a PartitionSpec of all its arrays, or a tuple of one for each of its leaves.
      out: of all results.
      *arguments: pytrees.
    """
    leaves, structure = jax.tree.flatten(arguments)
    each = []
    for spec, argument in zip(specs, arguments, strict=True):
        each += list(spec) if isinstance(spec, tuple) else [spec] * len(jax.tree.leaves(argument))
    chosen = [i for i, x in enumerate(leaves) if is_array(x)]

    def run(*arrays):
        new = dict(zip(chosen, arrays, strict=True))
        return function(axis, *structure.unflatten([new.get(i, x) for i, x in enumerate(leaves)]))

    in_specs = tuple(each[i] for i in chosen)
    split = jax.shard_map(run, mesh=mesh, in_specs=in_specs, out_specs=out, axis_names={axis})
    return split(*(leaves[i] for i in chosen))
