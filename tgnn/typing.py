"""Names for the types that every module speaks about."""

from typing import TYPE_CHECKING, Any, TypeAlias

import jax

Array: TypeAlias = jax.Array
"""A JAX array; functions also accept what `jnp.asarray` accepts."""

Params: TypeAlias = Any
"""A pytree of arrays: nested dicts, with lists where blocks differ in shape."""

if TYPE_CHECKING:  # layouts import this module
    import jraph

    from tgnn.graphs.layout import Layout

    Graph: TypeAlias = Layout | jraph.GraphsTuple
    """Which edges exist: a layout, or a graph of jraph's."""
else:
    Graph = Any
