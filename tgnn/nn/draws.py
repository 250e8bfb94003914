"""Random arrays for first weights: JAX's numbers, of which all shapes of one size share a program.

XLA's CPU compiler takes .3 seconds for a row of random numbers and up to 1.9 for the same ones on three axes.
"""

import math

import jax

from tgnn.typing import Array


def uniform(rng: Array, shape: tuple[int, ...], minval: float = 0.0, maxval: float = 1.0) -> Array:
    """The numbers of `jax.random.uniform(rng, shape, minval=minval, maxval=maxval)`.

    >>> bool((uniform(jax.random.key(0), (2, 3)) == jax.random.uniform(jax.random.key(0), (2, 3))).all())
    True
    """
    return jax.random.uniform(rng, (math.prod(shape),), minval=minval, maxval=maxval).reshape(shape)


def normal(rng: Array, shape: tuple[int, ...]) -> Array:
    """The numbers of `jax.random.normal(rng, shape)`."""
    return jax.random.normal(rng, (math.prod(shape),)).reshape(shape)
