"""Reductions where there is little to reduce: no edge, one edge, dead edges that hold anything, large numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.fuzz.oracle import reduce as loop
from tgnn.attention.aggregation import principal_neighbourhood, row_weights, symmetric_weights

# Edge 1 is masked and edge 3 out of range; nobody hears sender 3, and receiver 2 hears nobody.
ENDS = np.array([0, 1, 2, 9, 1]), np.array([0, 0, 1, 1, 1])
LIVE = np.array([True, False, True, False, True])
LIST = tgnn.EdgeList(*map(jnp.asarray, ENDS), 3, 4, jnp.array([True, False, True, True, True]))
MATRIX = tgnn.Dense(jnp.array([[True, False, False, False], [False, True, True, False], [False] * 4]))
X = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
FEATURES = np.random.default_rng(1).normal(size=(5, 2)).astype(np.float32)
REDUCTIONS = "sum", "mean", "max", "min", "std", "softmax"
SENDERS, RECEIVERS = (end[LIVE] for end in ENDS)


@jax.jit
def all_reductions(layout, x, edges=None):
    """Of each its values, and the gradients of a sum of them that is no constant."""

    def reduced(reduction):
        def loss(x, edges):
            output = tgnn.aggregate(layout, x, reduction, edges=edges)
            return (output * jnp.cos(jnp.arange(output.size)).reshape(output.shape)).sum(), output

        return jax.grad(loss, (0,) if edges is None else (0, 1), has_aux=True)(x, edges)

    return {name: reduced(name) for name in REDUCTIONS}


@pytest.mark.nans
def test_dead_edges_and_rows_that_nobody_hears_may_hold_anything():
    x, edges = jnp.asarray(X).at[3].set(jnp.nan), jnp.where(jnp.asarray(LIVE)[:, None], FEATURES, jnp.nan)
    for name, (gradients, output) in all_reductions(LIST, x, edges).items():
        expected = loop(SENDERS, RECEIVERS, np.float64(X), 3, name, np.float64(FEATURES[LIVE]))
        np.testing.assert_allclose(output, expected, atol=1e-6, err_msg=name)
        assert all(np.isfinite(gradient).all() for gradient in gradients), name


@pytest.mark.nans
def test_messages_learn_nothing_from_features_of_pairs_that_are_no_edge():
    """Of a matrix: a row that has an edge elsewhere."""
    features = jnp.where(MATRIX.mask[..., None], 1.0, jnp.nan) * jnp.ones((3, 4, 2))
    slope = lambda x: jax.grad(lambda x: (tgnn.aggregate(MATRIX, x, "softmax", edges=features) ** 2).sum())(x)  # noqa: E731
    assert np.isfinite(jax.jit(slope)(jnp.asarray(X))).all()


def test_no_edge_gives_zero_and_one_edge_itself_with_finite_gradients():
    for name, ((gradient,), output) in all_reductions(MATRIX, jnp.asarray(X)).items():
        np.testing.assert_allclose(output, loop(SENDERS, RECEIVERS, np.float64(X), 3, name), atol=1e-6, err_msg=name)
        assert np.isfinite(gradient).all(), name


@pytest.mark.parametrize("reduction", ["max", "min"])
def test_infinity_is_a_number_like_any_other_where_there_is_an_edge(reduction):
    infinite = np.inf if reduction == "max" else -np.inf
    found = tgnn.aggregate(MATRIX, jnp.full((4, 1), infinite), reduction).ravel()
    np.testing.assert_array_equal(found, [infinite, infinite, 0])


def test_the_least_integer_is_one_too():
    least = np.iinfo(np.int32).min
    for reduction, number in (("max", least), ("min", -least - 1)):
        found = tgnn.aggregate(MATRIX, jnp.full((4, 1), number, jnp.int32), reduction).ravel()
        np.testing.assert_array_equal(found, [number, number, 0])


def test_the_deviation_of_many_large_numbers_is_not_that_of_their_rounded_mean():
    n = 5_000
    x = jnp.asarray(np.where(np.arange(n) % 2, 1e4, 1e4 + 0.0078125)[:, None], jnp.float32)
    layout = tgnn.EdgeList(jnp.arange(n), jnp.zeros(n, jnp.int32), 1, n)
    np.testing.assert_allclose(tgnn.aggregate(layout, x, "std"), np.asarray(x, np.float64).std(), rtol=1e-3)


def test_scalers_of_nodes_and_of_training_sets_without_edges_are_finite():
    found = principal_neighbourhood(MATRIX, jnp.asarray(X), 0.0, reductions=("sum",))  # plain, amplified, attenuated
    one, two = np.log(2), np.log(3)
    sums = loop(SENDERS, RECEIVERS, np.float64(X), 3, "sum")
    scale = np.array([[one], [two], [one]])
    np.testing.assert_allclose(found, np.concatenate([sums, sums * scale, sums / scale], axis=1), rtol=1e-6)


@pytest.mark.nans
def test_weights_by_degree_are_zero_where_there_is_no_edge_and_finite_where_there_is_no_degree():
    found = symmetric_weights(MATRIX)[..., 0]
    expected = np.asarray(MATRIX.mask) / np.sqrt(np.outer([1, 2, 1], [1, 1, 1, 1]))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(
        row_weights(MATRIX)[..., 0], np.asarray(MATRIX.mask) / np.array([[1], [2], [1]]), rtol=1e-6
    )
    weight = jnp.where(jnp.asarray(LIVE), 2.0, jnp.nan)
    found = symmetric_weights(LIST, weight)[:, 0]
    np.testing.assert_allclose(found, [1, 0, 2**-0.5, 0, 2**-0.5], rtol=1e-6)
    slope = jax.grad(lambda weight: symmetric_weights(LIST, weight).sum())(weight)
    assert np.isfinite(slope).all()


@pytest.mark.nans
def test_weights_learn_nothing_from_weights_of_pairs_that_are_no_edge():
    weight = jnp.where(MATRIX.mask, 2.0, jnp.nan)
    slope = jax.jit(jax.grad(lambda weight: symmetric_weights(MATRIX, weight)[1, 1, 0]))(weight)
    assert np.isfinite(slope).all() and slope[1, 1] != 0


@pytest.mark.parametrize("weight", [0.0, -1.0])
def test_nodes_of_no_positive_degree_have_weight_zero(weight):
    run = jax.jit(jax.value_and_grad(lambda weights: symmetric_weights(LIST, weights).sum()))
    value, slope = run(jnp.full(5, weight))
    assert value == 0 and (slope == 0).all()


def test_gradients_of_half_precision_are_rounded_once_where_windows_overlap():
    """33 receivers in three blocks hear a sender; each brings 1 + 1 / 128."""
    n, near = 64, 1 + 2**-7
    layout = tgnn.Window(n, 16, 16)
    run = lambda x: tgnn.aggregate(layout, x).astype(jnp.float32).sum() * near  # noqa: E731
    slope = jax.jit(jax.grad(run))(jnp.ones((n, 1), jnp.bfloat16))
    heard = np.bincount(layout.pairs()[0], minlength=n)
    np.testing.assert_array_equal(slope[:, 0], jnp.asarray(heard * near, jnp.bfloat16))
