"""The three matrix products of attention, two with the others as derivatives, in the forms that run fast.

Receivers x are [key_heads, group, n, dim], senders y are [key_heads, m, dim] and edges w are [key_heads, group, n, m].
Senders' gradients as [dim, m] take half the time of [m, dim] on CPU, and one head at a time must reach XLA as a plain
matrix product: with a batch axis of 1 it copies the transposed operands.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from tgnn.typing import Array


def contract(spec: str, x: Array, y: Array) -> Array:
    """`jnp.einsum` over axes named a, g, n, d, m; one key head is contracted without its axis."""
    if x.shape[0] > 1:
        return jnp.einsum(spec, x, y)
    first, second, result = spec.replace("a", "").replace(",", "->").split("->")
    group = x.shape[1] if "g" in first else y.shape[1]
    joined = [
        operand[0].reshape(-1, operand.shape[-1]) if "g" in names else operand[0]
        for names, operand in ((first, x), (second, y))
    ]
    output = jnp.einsum(f"{first},{second}->{result}".replace("g", ""), *joined)
    return (output.reshape(group, -1, output.shape[-1]) if "g" in result else output)[None]


@jax.custom_vjp
def pair(x: Array, y: Array) -> Array:
    """Inner products of receivers and senders: [key_heads, group, n, m]."""
    return contract("agnd,amd->agnm", x, y)


@jax.custom_vjp
def collect(w: Array, y: Array) -> Array:
    """Sums over the senders: [key_heads, group, n, dim]."""
    return contract("agnm,amd->agnd", w, y)


def spread(x: Array, w: Array) -> Array:
    """Sums over the receivers: [key_heads, m, dim]."""
    return jnp.swapaxes(contract("agnd,agnm->adm", x, w), 1, 2)


def keep_both(product: Callable[[Array, Array], Array]) -> Callable[[Array, Array], tuple[Array, tuple[Array, Array]]]:
    """The forward rule of a bilinear product."""
    return lambda x, y: (product(x, y), (x, y))


pair.defvjp(keep_both(pair), lambda saved, w: (collect(w, saved[1]), spread(saved[0], w)))
collect.defvjp(keep_both(collect), lambda saved, x: (pair(x, saved[1]), spread(x, saved[0])))
