"""Sums whose weights are inner products: in O(n) where all are seen, the numbers of the verbs everywhere."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.calls import close, inputs
from tests.support.kernels import LINEAR
from tests.support.layouts import COUNTS, LAYOUTS
from tgnn.attention import aggregate_products
from tgnn.attention.fused import running


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(running, "CHUNK", 3)


def oracle(name, query, key, value):
    query, key, value = (np.asarray(x, np.float64) for x in (query, key, value))
    key, value = (np.repeat(x, query.shape[1] // x.shape[1], axis=1) for x in (key, value))
    weights = np.einsum("nhf,mhf->nmh", query, key) * COUNTS[name][..., None]
    return np.einsum("nmh,mhd->nhd", weights, value)


@partial(jax.jit, static_argnums=1)
def differentiate(layout, implementation, operands):
    output, pull = jax.vjp(lambda *x: aggregate_products(layout, *x, implementation=implementation), *operands)
    return output, pull(jnp.cos(output))


@pytest.mark.parametrize(
    "name", [x if x == "causal segments" else pytest.param(x, marks=pytest.mark.slow) for x in LINEAR]
)
def test_values_and_gradients_are_those_of_the_verbs(name):
    operands = inputs(LAYOUTS[name])
    expected, found = (differentiate(LAYOUTS[name], x, operands) for x in ("definition", "fused"))
    close(found[0], oracle(name, *operands), 2e-6)
    jax.tree.map(lambda a, b: close(a, b, 1e-5), found, expected)


@pytest.mark.parametrize("name", ["edges padded", pytest.param("window", marks=pytest.mark.slow)])
def test_other_layouts_run_the_verbs(name):
    operands = inputs(LAYOUTS[name])
    close(aggregate_products(LAYOUTS[name], *operands), oracle(name, *operands), 2e-6)
    with pytest.raises(ValueError, match="no fused execution of products takes"):
        aggregate_products(LAYOUTS[name], *operands, implementation="fused")


@pytest.mark.slow
def test_every_transformation():
    layout = LAYOUTS["complete segments"]
    operands = inputs(layout)
    pair = tgnn.stack([layout, layout])

    def ways(implementation):
        run = partial(aggregate_products, layout, implementation=implementation)
        moved = jax.jvp(run, operands, [jnp.sin(x) for x in operands])
        curvature = jax.jvp(jax.grad(lambda *x: (run(*x) ** 2).sum(), (0, 1, 2)), operands, operands)[1]
        run = partial(aggregate_products, implementation=implementation)
        return moved, curvature, jax.vmap(run, (0, None, None, None))(pair, *operands)

    expected, found = (jax.jit(ways, static_argnums=0)(x) for x in ("definition", None))
    jax.tree.map(lambda a, b: close(a, b, 1e-5), found, expected)


@pytest.mark.nans
def test_rows_that_no_edge_reads_change_nothing():
    name = "complete segments"
    query, key, value = inputs(LAYOUTS[name])
    lonely, unheard = ((COUNTS[name] == 0).all(axis)[:, None, None] for axis in (1, 0))
    expected = differentiate(LAYOUTS[name], None, (query, key, value))
    poisoned = jnp.where(lonely, jnp.nan, query), jnp.where(unheard, jnp.inf, key), jnp.where(unheard, jnp.nan, value)
    jax.tree.map(np.testing.assert_array_equal, differentiate(LAYOUTS[name], None, poisoned), expected)
    assert (expected[0][lonely[:, 0, 0]] == 0).all()


def test_nothing_and_bad_operands():
    empty = aggregate_products(tgnn.Complete(3, 0), jnp.ones((3, 1, 2)), jnp.ones((0, 1, 2)), jnp.ones((0, 1, 4)))
    assert empty.shape == (3, 1, 4) and not empty.any()
    x = jnp.ones((3, 2, 2), jnp.bfloat16)
    assert aggregate_products(tgnn.Causal(3), x, x, x).dtype == jnp.bfloat16
    with pytest.raises(ValueError, match="query has 3 rows, but the layout has 4 receivers"):
        aggregate_products(tgnn.Complete(4), x, x, x)
    with pytest.raises(ValueError, match="query has head_dim 2 but key has 1"):
        aggregate_products(tgnn.Complete(3), x, x[..., :1], x)
    with pytest.raises(ValueError, match='implementation must be None, "definition" or "fused"'):
        aggregate_products(tgnn.Complete(3), x, x, x, implementation="fast")
