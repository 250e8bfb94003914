"""The fields of a layout: arrays and no lists, indices in which sizes can be compared, masks of their shape."""

import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar

import jax
import numpy as np

from tgnn.errors import check_bool, widen_index

if TYPE_CHECKING:
    from tgnn.graphs.layout import Layout

Class = TypeVar("Class", bound=type)


def register_with_offset(cls: Class) -> Class:
    """Makes a dataclass a pytree, as `jax.tree_util.register_dataclass` does, but for an offset of 0: it is no leaf.

    A plain graph stays known as one where it is an argument of a jitted function, and the kernels that need to know are
    chosen. Any other offset may be traced, so that decoding never compiles again.
    """
    fields = {field.name: field.metadata.get("static", False) for field in dataclasses.fields(cls)}
    statics, children = ([name for name, is_static in fields.items() if is_static is kind] for kind in (True, False))

    def flatten(layout: Any) -> tuple[list[tuple[Any, Any]], tuple[Any, ...]]:
        plain = isinstance(layout.offset, int) and layout.offset == 0
        found = [None if plain and name == "offset" else getattr(layout, name) for name in children]
        keyed = [(jax.tree_util.GetAttrKey(name), x) for name, x in zip(children, found, strict=True)]
        return keyed, tuple(getattr(layout, name) for name in statics)

    def unflatten(values: tuple[Any, ...], found: Any) -> Any:
        given = {name: x for name, x in zip(children, found, strict=True) if x is not None}
        return cls(**dict(zip(statics, values, strict=True)), **given)

    jax.tree_util.register_pytree_with_keys(cls, flatten, unflatten)
    return cls


def settle(layout: "Layout", *indices: str, alike: tuple[str, ...] = (), axes: int = 0) -> None:
    """Checks what a layout was made of, and widens its small integers. What is no array stays: pytrees hold anything.

    Args:
      layout: as it is made, under jit too.
      indices: names of the fields that hold integers.
      alike: names of the fields whose last `axes` axes are those of the first.
      axes: how many.
    """
    for name, x in vars(layout).items():
        if isinstance(x, list):
            raise ValueError(f"{name} of {type(layout).__name__} must be an array, got a list; use jnp.asarray({name})")
    for name in indices:
        object.__setattr__(layout, name, as_integers(name, getattr(layout, name)))
    check_bool("mask", getattr(layout, "mask", None))
    shapes = {name: np.shape(x)[-axes:] for name in alike if is_array(x := getattr(layout, name)) and x.ndim >= axes}
    if len(set(shapes.values())) > 1:
        raise ValueError(
            f"the arrays of {type(layout).__name__} must have one shape, got "
            + ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
            + "; give one entry for each edge"
        )


def as_integers(name: str, x: Any) -> Any:
    """Integers in a type that holds every size, a NumPy number as a Python one, or a ValueError for real numbers."""
    if isinstance(x, np.integer):
        return int(x)
    if not is_array(x) or x.dtype == jax.dtypes.float0:  # the derivative of an integer
        return x
    if jax.numpy.issubdtype(x.dtype, jax.numpy.floating) or x.dtype == bool:
        raise ValueError(f"{name} must be integers, got {x.dtype}; convert them with {name}.astype(int)")
    return widen_index(x)


def is_array(x: object) -> bool:
    """An array, traced or not."""
    return isinstance(x, jax.Array | np.ndarray)
