"""The two limits of the machine, measured: how fast it copies, and how fast it multiplies matrices."""

import time
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Limits(NamedTuple):
    """What no kernel can beat."""

    bytes_per_second: float  # read and written together
    flops_per_second: float  # float32, a multiplication and an addition are two

    def seconds(self, bytes_moved: float, flops: float) -> float:
        """The least time of a computation that moves and computes so much."""
        return max(bytes_moved / self.bytes_per_second, flops / self.flops_per_second)


def measure(megabytes: int = 256, n: int = 1024) -> Limits:
    """The best of several runs."""
    x = jnp.zeros(megabytes * 2**18, jnp.float32)
    step = jax.jit(lambda x: x + 1.0, donate_argnums=0)  # in place: no fresh pages
    copy, x = best(step, x)
    a = jnp.ones((n, n), jnp.float32) / n
    multiply, _ = best(jax.jit(lambda a: a @ a), a)
    return Limits(2 * x.nbytes / copy, 2 * n**3 / multiply)


def best(step, x, repetitions: int = 7):
    """The least time of `x = step(x)`, and the last `x`."""
    x = jax.block_until_ready(step(x))
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        x = jax.block_until_ready(step(x))
        times.append(time.perf_counter() - start)
    return min(times), x
