"""Names for the types that every module speaks about."""

from typing import TYPE_CHECKING, Any, TypeAlias

import jax
import numpy.typing

Array: TypeAlias = jax.Array
"""A JAX array; functions also accept what `jnp.asarray` accepts."""

ArrayLike: TypeAlias = numpy.typing.ArrayLike
"""What is read on the host, by `np.asarray`: an array of NumPy or JAX, a list, a number."""

DTypeLike: TypeAlias = numpy.typing.DTypeLike
"""What names a dtype: one of NumPy or JAX, a type, a string."""

Span: TypeAlias = tuple[Array | int, int]
"""Nodes side by side: the number of the first, which may be traced, and how many."""

Params: TypeAlias = Any
"""A pytree of arrays: nested dicts, with lists where blocks differ in shape."""

if TYPE_CHECKING:  # layouts import this module
    import jraph

    from tgnn.graphs.layout import Layout

    Graph: TypeAlias = Layout | jraph.GraphsTuple
    """Which edges exist: a layout, or a graph of jraph's."""
else:
    Graph = Any
