"""The fields of a layout: arrays and no lists, indices in which sizes can be compared, masks of their shape."""

from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from tgnn.errors import check_bool, widen_index

if TYPE_CHECKING:
    from tgnn.graphs.layout import Layout


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
