"""Where the arrays of a pytree lie on a mesh, by rules on their paths; the compiler does the rest (GSPMD).

Reference: Xu et al., GSPMD: General and Scalable Parallelization for ML Computation Graphs, arXiv:2105.04663.
"""

import re
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from tgnn.sharding.processes import spread


def shardings(tree: Any, mesh: Mesh, rules: Mapping[str, PartitionSpec]) -> Any:
    """A NamedSharding for each leaf of `tree`: that of the first rule found in its path, else the same on all devices.

    Paths are keys and numbers joined by "/", such as "blocks/0/query/kernel". The moments of an optimizer have the
    paths of their weights with something before, so that the same rules place a whole `TrainState`.

    Args:
      tree: of arrays, or of their shapes (`jax.eval_shape`).
      mesh: its axes are named by the rules.
      rules: from regular expressions to the axes of the arrays that they are found in.

    Raises:
      ValueError: for a rule that no path has, and arrays whose axes are missing or not a multiple of the devices.

    >>> mesh = jax.make_mesh((1,), ("model",), axis_types=(jax.sharding.AxisType.Auto,))
    >>> placed = shardings({"a": {"kernel": np.ones((4, 2))}}, mesh, {"a/kernel$": PartitionSpec(None, "model")})
    >>> tuple(placed["a"]["kernel"].spec)
    (None, 'model')
    """
    found = set()

    def choose(path, x) -> NamedSharding:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        for rule, spec in rules.items():
            if re.search(rule, name):
                found.add(rule)
                check_spec(name, np.shape(x), mesh, spec)
                return NamedSharding(mesh, spec)
        return NamedSharding(mesh, PartitionSpec())

    placed = jax.tree_util.tree_map_with_path(choose, tree)
    for rule in rules:
        if rule not in found:
            raise ValueError(
                f"rules has {rule!r}, which no path has, or only ones that a rule before it takes; drop it"
            )
    return placed


def check_spec(name: str, shape: tuple[int, ...], mesh: Mesh, spec: PartitionSpec) -> None:
    """A ValueError where an array cannot be split so."""
    if len(spec) > len(shape):
        raise ValueError(f"{name} has shape {shape}, but its rule {spec} has {len(spec)} axes; narrow the pattern")
    for size, axes in zip(shape, spec, strict=False):
        axes = axes if isinstance(axes, tuple) else () if axes is None else (axes,)
        missing = [axis for axis in axes if axis not in mesh.axis_names]
        if missing:
            raise ValueError(f"the rule {spec} of {name} names {missing[0]!r}, but the mesh has {mesh.axis_names}")
        count = int(np.prod([mesh.shape[axis] for axis in axes]))
        if size % count:
            raise ValueError(
                f"{name} has shape {shape}, whose {size} is no multiple of the {count} devices of {axes}; choose "
                "another axis, or a multiple"
            )


def place(tree: Any, mesh: Mesh, rules: Mapping[str, PartitionSpec] | None = None) -> Any:
    """`tree` on the devices of a mesh, as `shardings` says: parameters, or the whole state of a training run.

    Of many processes (`join`) each gives the whole tree.
    """
    return jax.tree.map(spread, tree, shardings(tree, mesh, rules or {}))


def place_batch(batch: Any, mesh: Mesh, axis: str) -> Any:
    """A batch with the first axis of each array split over an axis of the mesh: data parallel training.

    `tgnn.train.make_step` then needs nothing else: the compiler adds gradients up over the devices.
    """
    return place(batch, mesh, {"": PartitionSpec(axis)})
