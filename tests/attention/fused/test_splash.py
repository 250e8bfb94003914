"""Splash without a TPU: it computes the definition in interpret mode, takes only what it can, and lowers for TPUs."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import pytest
from jax import export

import tgnn
from tests.support.cases import call_of
from tgnn.attention.fused import splash
from tgnn.attention.fused.executions import choose

LAYOUTS = {
    "complete": tgnn.Complete(128, 256),
    "causal": tgnn.Causal(256),
    "window": tgnn.Window(256, 16, 5),
    "causal window": tgnn.Window(256, 40, 0),
}


def nodes(layout, heads, dim, dtype=jnp.float32):
    rngs = jax.random.split(jax.random.key(0), 4)
    sizes = (layout.n_receivers, heads), (layout.n_senders, 2), (layout.n_senders, 2), (layout.n_receivers, heads)
    return [jax.random.normal(r, (*size, dim), dtype) for r, size in zip(rngs, sizes, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
def test_values_and_gradients_are_those_of_the_definition(name, monkeypatch):
    monkeypatch.setattr(splash, "INTERPRET", True)
    layout = LAYOUTS[name]
    *inputs, gradient = nodes(layout, 4, 8)

    def both(run):
        output, pull = jax.vjp(run, *inputs)
        return output, pull(gradient), jax.jvp(run, tuple(inputs), tuple(inputs))[1]

    expected = both(partial(tgnn.attend, layout, implementation="definition"))
    chex.assert_trees_all_close(both(lambda *x: splash.Splash().run(call_of(layout, *x))), expected, atol=5e-6)


@pytest.fixture
def pretend_tpu(monkeypatch):
    monkeypatch.setattr(splash, "on_tpu", lambda: True)


@pytest.mark.parametrize("name", LAYOUTS)
def test_lowers_for_tpu_with_gradient(name, pretend_tpu):
    layout = LAYOUTS[name]

    def both(layout, *inputs):
        output, pull = jax.vjp(partial(tgnn.attend, layout), *inputs)  # what implementation=None chooses on a TPU
        return output, pull(output)

    *inputs, _ = nodes(layout, 4, 64, jnp.bfloat16)
    text = export.export(jax.jit(both), platforms=["tpu"])(layout, *inputs).mlir_module()
    assert text.count("@tpu_custom_call") >= 3  # forward, and two of the backward pass
    assert not any(word in text for word in ("stablehlo.scatter", "stablehlo.gather"))


def fits(layout, dtype=jnp.bfloat16, bias=None, score=tgnn.dot_product):
    query, key, value, _ = nodes(layout, 4, 32, dtype)
    return isinstance(choose(call_of(layout, query, key, value, score=score, bias=bias)), splash.Splash)


@pytest.mark.slow
def test_only_what_splash_computes_exactly_goes_there(pretend_tpu):
    assert all(fits(layout) for layout in LAYOUTS.values())
    assert not fits(tgnn.Causal(256), jnp.float32)
    assert not fits(tgnn.Causal(250))
    assert not fits(tgnn.Causal(128, 256))  # its diagonal would be elsewhere
    assert not fits(tgnn.Causal(256, offset=jnp.asarray(0)))
    assert not fits(tgnn.Window(256, 3, 2, dilation=2))
    assert not fits(tgnn.Window(256, 3, 2, offset=1))
    assert not fits(tgnn.Complete(256).with_segments(jnp.zeros(256, int)))
    assert not fits(tgnn.Dense(jnp.ones((256, 256), bool)))
    assert not fits(tgnn.Complete(256), bias=jnp.zeros((256, 256, 4)))
    assert not fits(tgnn.Complete(256), score=tgnn.Additive(jnp.zeros((4, 32)), jnp.zeros((4, 32))))
