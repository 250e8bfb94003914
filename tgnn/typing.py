"""Names for the two types that every module speaks about."""

from typing import Any, TypeAlias

import jax

Array: TypeAlias = jax.Array
"""A JAX array; functions also accept what `jnp.asarray` accepts."""

Params: TypeAlias = Any
"""A pytree of arrays: nested dicts, with lists where blocks differ in shape."""
