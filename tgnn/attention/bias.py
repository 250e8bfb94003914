"""A bias that is a function of the ends of an edge, with what it reads as its leaves."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.extend import core

from tgnn.pytrees import register
from tgnn.typing import Array

Function = Callable[[Array, Array], Array]  # receiver, sender: int [] each -> [heads or 1]


def bias_at(function: Function, receiver: Array, sender: Array) -> Array:
    """What a bias says of edges: int [...] each, broadcastable -> [..., heads or 1]."""
    return jnp.vectorize(function, signature="(),()->(h)")(receiver, sender)


def with_leaves(bias: Function) -> Function:
    """A pytree of arrays: the bias itself, or the program of a function, which may read what is traced.

    Not inside `shard_map`: which mesh axes an index varies over is known only where the bias is read.
    """
    is_tree = all(hasattr(leaf, "dtype") or isinstance(leaf, bool | int | float) for leaf in jax.tree.leaves(bias))
    if is_tree or jax.sharding.get_abstract_mesh().manual_axes:
        return bias
    index = jax.ShapeDtypeStruct((), jnp.int32)
    program = jax.make_jaxpr(bias)(index, index)
    return Program(list(program.consts), program.jaxpr)


@register
@dataclass(frozen=True)
class Program:
    """A traced bias: equations, and the arrays from outside that they read."""

    arrays: list[Array]
    equations: core.Jaxpr = jax.tree.static()  # pyright: ignore

    def __call__(self, receiver: Array, sender: Array) -> Array:
        """[heads or 1] of two indices."""
        ends = (jnp.asarray(end, jnp.int32) for end in (receiver, sender))
        return core.jaxpr_as_fun(core.ClosedJaxpr(self.equations, self.arrays))(*ends)[0]
