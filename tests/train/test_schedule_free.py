"""AdamW without a schedule: an average of the weights is what is evaluated."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax.contrib
import pytest

from tgnn.training import evaluated, make_optimizer, schedule_free

PARAMS = {"kernel": jnp.array([1.0, -2.0, 3.0])}


def gradients(step):
    return {"kernel": jnp.asarray(np.random.default_rng(step).normal(size=3), jnp.float32)}


def test_it_is_the_equations_of_the_paper():
    """z takes AdamW's steps without momentum, x averages z by squared rates, gradients are at (1 - b1) z + b1 x."""
    rate, b1, b2, warmup = 0.1, 0.9, 0.99, 3
    optimizer = schedule_free(rate, warmup_steps=warmup, clip_norm=None, b1=b1, b2=b2)
    params: Any = PARAMS
    state = optimizer.init(params)
    z = x = np.asarray(PARAMS["kernel"], np.float64)
    squares, total = 0.0, 0.0
    update = jax.jit(optimizer.update)
    for step in range(6):
        gradient = np.asarray(gradients(step)["kernel"], np.float64)
        updates, state = update(gradients(step), state, params)
        params = optax.apply_updates(params, updates)
        squares = b2 * squares + (1 - b2) * gradient**2
        now, ahead = (rate * min(1, (step + k) / warmup) for k in (1, 2))  # optax weighs with the next step's rate
        z = z - now * gradient / (np.sqrt(squares / (1 - b2 ** (step + 1))) + 1e-8)
        weight = ahead**2
        total += weight
        x = (1 - weight / total) * x + weight / total * z
        np.testing.assert_allclose(params["kernel"], (1 - b1) * z + b1 * x, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(evaluated(state, params)["kernel"], x, rtol=1e-3, atol=2e-3)


def test_the_average_is_found_behind_clipping():
    optimizer = schedule_free(0.1)
    state = optimizer.init(PARAMS)
    np.testing.assert_allclose(evaluated(state, PARAMS)["kernel"], PARAMS["kernel"], rtol=1e-6)
    with pytest.raises(ValueError, match="schedule_free"):
        evaluated(make_optimizer(0.1).init(PARAMS), PARAMS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: schedule_free(0.0), "learning_rate"),
        (lambda: schedule_free(0.1, warmup_steps=-1), "warmup_steps"),
        (lambda: schedule_free(0.1, b1=0.0), "b1"),
        (lambda: schedule_free(0.1, clip_norm=0.0), "clip_norm"),
        (lambda: schedule_free(0.1, weight_decay=-1.0), "weight_decay"),
    ],
)
def test_bad_arguments_are_a_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
