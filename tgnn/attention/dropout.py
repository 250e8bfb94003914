"""Dropout on attention weights by a counter hash, so that every execution of `attend` drops the same edges."""

from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from tgnn.typing import Array

Origin: TypeAlias = tuple[Array | int, Array | int, Array | int]  # of receivers, senders and heads, as in `Draw`


class Draw(NamedTuple):
    """What decides which edges drop: a key, and where a part of a larger call begins.

    Attributes:
      rng: PRNG key.
      origin: of the receivers, senders and heads: the number of the first in the whole, a Python or a traced integer,
        or the numbers of all, [n], where they do not follow each other.
    """

    rng: Array
    origin: Origin = (0, 0, 0)

    @property
    def words(self) -> "Words":
        """The same as numbers."""
        data = jax.random.key_data(self.rng).astype(jnp.uint32).ravel()
        return Words(data[0], data[-1], self.origin)


class Words(NamedTuple):
    """A draw as the numbers that are hashed: what a kernel can read."""

    first: Array  # uint32 []
    last: Array  # uint32 []
    origin: Origin

    @property
    def words(self) -> "Words":
        """Itself."""
        return self


def is_kept(draw: Draw | Words, rate: float, receiver: Array, sender: Array, heads: Array) -> Array:
    """Whether the weight of an edge survives: a hash of rng, receiver, sender and head.

    Nothing is stored and nothing depends on the order of the edges or on the layout: a chunk or a tile recomputes its
    own part. Copies of one edge in a multigraph share their fate.

    Args:
      draw: key and origin, or their numbers.
      rate: probability of dropping, in [0, 1).
      receiver: int, broadcastable with `sender` and `heads`.
      sender: int.
      heads: int, the numbers of the heads.

    Returns:
      bool, of the broadcast shape: True = keep.
    """
    words = draw.words
    state = words.first
    places = (receiver, sender, heads)
    numbers = (jnp.asarray(in_whole(x, to)).astype(jnp.uint32) for x, to in zip(places, words.origin, strict=True))
    for word in (words.last, *numbers):
        state = mix(state ^ (word * jnp.uint32(0x9E3779B9) + jnp.uint32(0x7F4A7C15)))
    return state >= jnp.uint32(min(round(rate * 2**32), 2**32 - 1))


def in_whole(index: Array, origin: Array | int) -> Array:
    """The numbers in the whole of what has these in a part; `origin` as in `Draw`. Any number where there is none."""
    return index + origin if jnp.ndim(origin) == 0 else jnp.asarray(origin).at[index].get(mode="clip")


def apply_dropout(
    draw: Draw | Words | None, rate: float, weights: Array, receiver: Array, sender: Array, heads: Array
) -> Array:
    """Weights, those of dropped edges 0 and the others over `1 - rate`: linear. The numbers broadcast to `weights`."""
    if draw is None or rate == 0.0:
        return weights
    return jnp.where(is_kept(draw, rate, receiver, sender, heads), weights / (1.0 - rate), 0.0)


def mix(x: Array) -> Array:
    """A bijection of 32 bits in which each input bit flips each output bit half of the time (lowbias32, C. Wellons)."""
    x = (x ^ (x >> jnp.uint32(16))) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> jnp.uint32(15))) * jnp.uint32(0x846CA68B)
    return x ^ (x >> jnp.uint32(16))
