"""`compiled`: one program for equal structures, whatever weights a function holds, and what is known stays known."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from tests.support.compilations import compilations
from tgnn.compiled import compiled


@compiled
def apply(function, x):
    return function(x)


X = jnp.arange(3.0)


def test_other_weights_in_a_function_need_no_other_program():
    def closure(weights):
        return lambda x: jnp.sin(weights["scale"] * x)

    def bound(weights):
        return functools.partial(lambda weights, x: jnp.cos(weights["scale"] * x), weights)

    for make, wave in ((closure, np.sin), (bound, np.cos), (lambda w: functools.partial(closure(w)), np.sin)):
        weights = [{"scale": jnp.array(scale)} for scale in (2.0, 3.0, 4.0)]
        for i, each in enumerate(weights):
            count = compilations(lambda make=make, each=each: apply(make(each), X))
            assert count == 0 or i == 0
            np.testing.assert_allclose(apply(make(each), X), wave(np.asarray(each["scale"]) * np.arange(3)), atol=1e-6)


def test_other_code_and_other_numbers_are_told_apart():
    shift = jnp.array(1.0)
    functions = [lambda x, n=n: n * x + shift for n in (1, 2)] + [lambda x: 2 - x + shift]
    assert [apply(f, X).tolist() for f in functions] == [[1, 2, 3], [1, 3, 5], [3, 2, 1]]


def test_what_a_function_asks_for_stays_known():
    steps, weight = jnp.array(2), jnp.array(3.0)
    counted = lambda x: sum([x] * int(steps)) * weight  # noqa: E731
    assert apply(counted, X).tolist() == [0, 6, 12]
    asked = lambda x: x * weight if float(weight) > 0 else x  # noqa: E731
    assert apply(asked, X).tolist() == [0, 3, 6]


def test_under_jit_what_is_known_stays_known():
    known = np.array([2, 1])
    assert jax.jit(lambda x: apply(lambda x: x[: int(known[0])], x))(X).tolist() == [0, 1]

    @compiled
    def first(counts, x):
        return x[: int(counts[0])]

    assert jax.jit(lambda x: first(known, x))(X).tolist() == [0, 1]


def test_gradients_and_batches_pass_through():
    scale = jnp.array(2.0)
    assert jax.grad(lambda scale: apply(lambda x: (scale * x).sum(), X))(scale) == 3
    assert jax.vmap(lambda scale: apply(lambda x: (scale * x).sum(), X))(jnp.array([1.0, 2.0])).tolist() == [3, 6]
