"""Sums of features: the numbers of the definition with the same kernel, in time and memory that grow with the nodes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import tgnn
from tests.support.calls import close, inputs
from tests.support.kernels import DIM, KERNELS, LINEAR, oracle
from tests.support.layouts import COUNTS, LAYOUTS
from tgnn.attention.fused import running
from tgnn.attention.kernels import RandomFeatures

QUICK = {("complete segments", "relu features"), ("causal segments", "random features")}
EVERY = pytest.mark.parametrize(
    "name, kernel",
    [pytest.param(n, k, marks=[] if (n, k) in QUICK else pytest.mark.slow) for n in LINEAR for k in KERNELS],
)
NAMES = pytest.mark.parametrize(
    "name", [x if x == "causal segments" else pytest.param(x, marks=pytest.mark.slow) for x in LINEAR]
)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Chunks of 3, so that even thirteen nodes run through several groups of several chunks."""
    monkeypatch.setattr(running, "CHUNK", 3)


def both(layout, score, implementation, *operands):
    """Both outputs; the -inf of a receiver without edges as a 0."""
    output, lse = tgnn.attend(layout, *operands, score=score, implementation=implementation, return_lse=True)
    return output, jnp.where(jnp.isfinite(lse), lse, 0.0)


@partial(jax.jit, static_argnums=2)
def differentiate(layout, score, implementation, operands, weights):
    outputs, pull = jax.vjp(lambda score, *x: both(layout, score, implementation, *x), score, *operands)
    return outputs, pull(weights)


@EVERY
def test_values_and_gradients_are_those_of_the_definition(name, kernel):
    layout, (score, phi) = LAYOUTS[name], KERNELS[kernel]
    operands = inputs(layout)
    output, lse = oracle(name, phi, *operands)
    weights = jnp.cos(jnp.arange(output.size).reshape(output.shape)), jnp.sin(jnp.arange(lse.size).reshape(lse.shape))
    expected, found = (differentiate(layout, score, x, operands, weights) for x in ("definition", "fused"))
    close(found[0][0], output, 1e-6)
    close(found[0][1], np.where(np.isfinite(lse), lse, 0), 1e-6)
    jax.tree.map(lambda a, b: close(a, b, 1e-5), found, expected)


@pytest.mark.slow
@NAMES
def test_it_is_chosen_and_passes_every_transformation(name):
    layout, score = LAYOUTS[name], KERNELS["random features"][0]
    operands = inputs(layout)
    assert "runs: sums of features" in tgnn.explain(layout, *operands[:2], score=score)
    direction = [jnp.sin(7 * x) for x in operands]

    def ways(implementation):
        run = partial(tgnn.attend, layout, score=score, implementation=implementation)
        moved = jax.jvp(run, operands, direction)
        curvature = jax.jvp(jax.grad(lambda *x: (run(*x) ** 2).sum(), (0, 1, 2)), operands, direction)[1]
        pair = tgnn.stack([layout, layout])
        many = partial(tgnn.attend, score=score, implementation=implementation)
        stacked = jax.vmap(many, (0, 0, None, None), axis_size=2)(
            pair, jnp.stack([operands[0], -operands[0]]), *operands[1:]
        )
        return moved, curvature, stacked

    expected, found = (jax.jit(ways, static_argnums=0)(x) for x in ("definition", None))
    jax.tree.map(lambda a, b: close(a, b, 2e-5), found, expected)


@NAMES
@pytest.mark.nans
def test_rows_that_no_edge_reads_change_nothing(name):
    layout, score = LAYOUTS[name], KERNELS["random features"][0]
    query, key, value = inputs(layout)
    lonely, unheard = ((COUNTS[name] == 0).all(axis)[:, None, None] for axis in (1, 0))

    @jax.jit
    def run(score, *operands):
        output, pull = jax.vjp(lambda *x: tgnn.attend(layout, *x[1:], score=x[0]), score, *operands)
        return output, pull(jnp.cos(output))

    poisoned = jnp.where(lonely, jnp.nan, query), jnp.where(unheard, jnp.inf, key), jnp.where(unheard, jnp.nan, value)
    expected, found = run(score, query, key, value), run(score, *poisoned)
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert (found[0][lonely[:, 0, 0]] == 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["causal segments", "complete"])
def test_gradients_equal_finite_differences_in_float64(name):
    with jax.enable_x64(True):
        operands = [np.asarray(x, np.float64) for x in inputs(LAYOUTS[name])]
        score = jax.tree.map(lambda x: x.astype(jnp.float64), KERNELS["random features"][0])
        run = jax.jit(lambda *x: tgnn.attend(LAYOUTS[name], *x, score=score, implementation="fused"))
        assert run(*operands).dtype == jnp.float64
        check_grads(run, operands, order=2, modes=("fwd", "rev"), atol=1e-4, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.nans
def test_a_nan_stays_in_its_segment():
    layout = tgnn.Complete(30).with_segments(np.repeat([0, 1, 2], [7, 11, 12]))
    query, key, value = inputs(layout)
    run = jax.jit(partial(tgnn.attend, score=KERNELS["elu"][0]))
    found, expected = run(layout, query, key.at[3].set(jnp.nan), value), run(layout, query, key, value)
    assert jnp.isnan(found[:7]).all()
    np.testing.assert_array_equal(found[10:], expected[10:])  # behind the chunk that both share


@pytest.mark.slow
@pytest.mark.parametrize("causal", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_nothing_overflows_and_nothing_that_counts_vanishes(causal):
    """Keys of log-features from -2,000 to 2,000: each receiver sees what is large among its own."""
    n = 10
    layout = tgnn.Causal(n) if causal else tgnn.Complete(n)
    key = jnp.linspace(-20, 20, n)[:, None, None] * jnp.ones((1, 1, DIM))
    query, value = jnp.ones((n, 1, DIM)), jnp.arange(1.0, n + 1)[:, None, None]
    score = RandomFeatures(40 * KERNELS["random features"][0].projection)
    outputs = [tgnn.attend(layout, query, key, value, score=score, implementation=x) for x in ("definition", "fused")]
    close(outputs[1], outputs[0], 1e-5)
    assert (outputs[1] > 0.99).all()
    gradient = jax.grad(lambda key: tgnn.attend(layout, query, key, value, score=score).sum())(key)
    assert jnp.isfinite(gradient).all()


@pytest.mark.slow
def test_features_of_zero_are_no_edges():
    score = KERNELS["feature map"][0]  # relu squared
    query, key = jnp.array([1.0, -1.0, 1.0]).reshape(3, 1, 1), jnp.array([-1.0, 2.0, 3.0]).reshape(3, 1, 1)
    value = jnp.array([5.0, 7.0, 9.0]).reshape(3, 1, 1)
    for layout, expected in (
        (tgnn.Causal(3), [0.0, 0.0, (28 + 81) / 13]),
        (tgnn.Complete(3), [109 / 13, 0.0, 109 / 13]),
    ):
        run = lambda *x, layout=layout: tgnn.attend(layout, *x, score=score).ravel()  # noqa: E731
        np.testing.assert_allclose(run(query, key, value), expected, rtol=1e-6)
        gradients = jax.grad(lambda *x, run=run: run(*x).sum(), (0, 1, 2))(query, key, value)
        assert all(jnp.isfinite(x).all() for x in gradients)


@pytest.mark.parametrize("dtype", ["bfloat16", pytest.param("float16", marks=pytest.mark.slow)])
def test_half_precision_is_summed_in_float32(dtype):
    layout, (score, phi) = tgnn.Causal(13), KERNELS["elu"]
    operands = inputs(layout, dtype=dtype)
    found = tgnn.attend(layout, *operands, score=score)
    assert found.dtype == dtype
    close(found.astype(jnp.float32), oracle("causal", phi, *(x.astype(jnp.float32) for x in operands))[0], 8e-3)


@pytest.mark.parametrize(
    "layout", [tgnn.Complete(1), tgnn.Causal(1), tgnn.Causal(0), tgnn.Complete(3, 0), tgnn.Complete(0, 2)]
)
def test_one_node_and_none(layout):
    operands = inputs(layout)
    found = tgnn.attend(layout, *operands, score=KERNELS["elu"][0], implementation="fused")
    if layout.n_receivers == layout.n_senders == 1:
        np.testing.assert_allclose(found, operands[2].repeat(2, axis=1), rtol=1e-6)
    else:
        assert found.shape == (layout.n_receivers, 4, 3) and not found.any()


def temporary(layout, gradients):
    n, m = layout.n_receivers, layout.n_senders
    nodes = [jax.ShapeDtypeStruct((x, 2, 16), jnp.float32) for x in (n, m, m)]
    score = RandomFeatures(jnp.ones((16, 16)))

    def run(layout, *nodes):
        return tgnn.attend(layout, *nodes, score=score)

    if gradients:
        run = jax.grad(lambda layout, *nodes: (tgnn.attend(layout, *nodes, score=score) ** 2).sum(), (1, 2, 3))
    return jax.jit(run).lower(layout, *nodes).compile().memory_analysis().temp_size_in_bytes


MANY = {
    "complete": tgnn.Complete,
    "causal": tgnn.Causal,
    "complete segments": lambda n: tgnn.Complete(n).with_segments(jnp.arange(n) // 100),
    "causal segments": lambda n: tgnn.Causal(n, n // 2, offset=3).with_segments(
        jnp.arange(n) % 9, jnp.arange(n // 2) % 9
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("name", MANY)
def test_memory_is_linear_up_to_a_million_nodes(name, gradients, monkeypatch):
    monkeypatch.undo()
    few, many = (temporary(MANY[name](n), gradients) for n in (10**5, 10**6))
    rows = 4 * 2 * 16 * 10**6  # bytes of one array of nodes
    assert many < 10.5 * few
    assert many < 45 * rows  # 42 with gradients of a running sum


@pytest.mark.slow
@pytest.mark.parametrize("name", ["complete", "causal"])
def test_a_million_nodes_have_the_values_of_float64(name, monkeypatch):
    monkeypatch.undo()
    n = 10**6
    query, key, value = (np.random.default_rng(i).normal(size=(n, 1, 4)).astype("f4") for i in range(3))
    output = tgnn.attend(MANY[name](n), query, key, value, score=KERNELS["elu"][0])
    phi = KERNELS["elu"][1]
    features = phi(key.astype("f8"))[:, 0]  # [n, 4]
    for i in (0, 1, 77, 12_345, 543_210, n - 1):
        seen = slice(0, i + 1 if name == "causal" else n)
        weights = features[seen] @ phi(query[i : i + 1].astype("f8"))[0, 0]
        np.testing.assert_allclose(output[i, 0], weights @ value[seen, 0] / weights.sum(), atol=1e-5)
