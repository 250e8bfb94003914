"""Dropout on attention weights by a counter hash, so that every execution of `attend` drops the same edges."""

import jax
import jax.numpy as jnp

from tgnn.typing import Array


def keep_edge(rng: Array, rate: float, receiver: Array, sender: Array, heads: Array) -> Array:
    """Whether the weight of an edge survives: a hash of rng, receiver, sender and head.

    Nothing is stored and nothing depends on the order of the edges or on the layout: a chunk or a tile recomputes its
    own part. Copies of one edge in a multigraph share their fate.

    Args:
      rng: PRNG key.
      rate: probability of dropping, in [0, 1).
      receiver: int, broadcastable with `sender` and `heads`.
      sender: int.
      heads: int, the numbers of the heads.

    Returns:
      bool, of the broadcast shape: True = keep.
    """
    words = jax.random.key_data(rng).astype(jnp.uint32).ravel()
    state = words[0]
    for word in (words[-1], *(x.astype(jnp.uint32) for x in (receiver, sender, heads))):
        state = mix(state ^ (word * jnp.uint32(0x9E3779B9) + jnp.uint32(0x7F4A7C15)))
    return state >= jnp.uint32(min(round(rate * 2**32), 2**32 - 1))


def mix(x: Array) -> Array:
    """A bijection of 32 bits in which each input bit flips each output bit half of the time (lowbias32, C. Wellons)."""
    x = (x ^ (x >> jnp.uint32(16))) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> jnp.uint32(15))) * jnp.uint32(0x846CA68B)
    return x ^ (x >> jnp.uint32(16))
