"""What is computed for slots without an edge is dropped: values by a mask downstream, derivatives here."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from tgnn.softmax import expand
from tgnn.typing import Array, Params


def on_live(function: Callable[..., Array], live: Array | None, parameters: Params, *inputs: Array | None) -> Array:
    """`function(parameters, *inputs)` on slots, with derivatives of the live ones alone.

    A parameter's gradient is a sum over slots, and 0 times inf would be NaN in it wherever a dead slot stands where the
    function has no derivative, at rows of zeros or at a node's distance to itself. So derivatives are taken where dead
    slots read what a live one reads, as constants; where none is live, parameters are constants too.

    Args:
      function: (parameters, *inputs) -> one row for each slot; it must not close over what is traced.
      live: bool [*slots], or None where all are.
      parameters: any pytree.
      inputs: broadcastable to [*slots, ...] each, or None.
    """
    if live is None or live.size == 0:
        return function(parameters, *inputs)
    leaves, treedef = jax.tree.flatten(parameters)
    which = [i for i, x in enumerate(leaves) if hasattr(x, "dtype")]
    fixed = [None if hasattr(x, "dtype") else x for x in leaves]  # numbers and functions

    def apply(arrays: Sequence[Array], inputs: Sequence[Array | None]) -> Array:
        new = list(fixed)
        for i, x in zip(which, arrays, strict=True):
            new[i] = x
        return function(treedef.unflatten(new), *inputs)

    return guarded(apply, live, [leaves[i] for i in which], list(inputs))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def guarded(apply: Callable[..., Array], live: Array, arrays: list[Array], inputs: list[Array | None]) -> Array:
    """`apply(arrays, inputs)`."""
    return apply(arrays, inputs)


@guarded.defjvp
def _(apply, primals, tangents):
    live = primals[0]
    # The last live slot: a maximum is a faster reduction than an argmax.
    last = jnp.where(live, jnp.arange(live.size).reshape(live.shape), -1).max()
    exists, at = last >= 0, jnp.unravel_index(jnp.maximum(last, 0), live.shape)

    def held(x: Array) -> Array:
        return jnp.where(exists, x, jax.lax.stop_gradient(x)) if jnp.issubdtype(x.dtype, jnp.inexact) else x

    def filled(x: Array | None) -> Array | None:
        if x is None:
            return None
        row = x[tuple(i if size > 1 else 0 for i, size in zip(at, x.shape, strict=False))]  # without the axes of slots
        row = jax.lax.stop_gradient(row).reshape((1,) * live.ndim + row.shape)
        return jnp.where(expand(live, x.ndim), x, row)

    def of_live(arrays: list[Array], inputs: list[Any]) -> Array:
        return apply([held(x) for x in arrays], [filled(x) for x in inputs])

    return jax.jvp(of_live, primals[1:], tangents[1:])
