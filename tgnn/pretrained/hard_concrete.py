"""The hard concrete distribution: gates between 0 and 1, both included, that gradients reach.

A uniform u becomes s = sigmoid((log u - log(1 - u) + log_alpha) / temperature), is stretched from (0, 1) to
(-0.1, 1.1) and cut to [0, 1], so that it is exactly 0 or 1 with a probability above 0.

Reference: Louizos, Welling and Kingma, Learning Sparse Neural Networks through L0 Regularization, arXiv:1712.01312,
    equations 10 to 13; of heads: Voita et al., Analyzing Multi-Head Self-Attention, arXiv:1905.09418.
"""

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.typing import Array

TEMPERATURE, LOWEST, HIGHEST = 2 / 3, -0.1, 1.1  # the paper's


def sample(rng: Array, log_alpha: Array) -> Array:
    """Gates that are drawn, of the shape of `log_alpha`."""
    u = jax.random.uniform(rng, jnp.shape(log_alpha), log_alpha.dtype, minval=1e-6, maxval=1 - 1e-6)
    return stretched((jnp.log(u) - jnp.log1p(-u) + log_alpha) / TEMPERATURE)


def expected(log_alpha: Array) -> Array:
    """The gates to use after training, equation 13: `sample` without its noise and its temperature.

    >>> expected(jnp.array([-3.0, 0.0, 3.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return stretched(log_alpha)


def open_probability(log_alpha: Array) -> Array:
    """The probability that a gate is not 0, whose sum is the penalty: the expected number of heads that are left."""
    return jax.nn.sigmoid(log_alpha - TEMPERATURE * np.log(-LOWEST / HIGHEST))


def stretched(x: Array) -> Array:
    """From a logit to a gate."""
    return jnp.clip(jax.nn.sigmoid(x) * (HIGHEST - LOWEST) + LOWEST, 0, 1)
