"""Every reduction on every layout is the NumPy loop over the neighbours of each node, values and gradients."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.layouts import EVERY, LAYOUTS
from tgnn.attention.aggregation import (
    REDUCTIONS,
    aggregate,
    mean_log_degree,
    principal_neighbourhood,
    row_weights,
    symmetric_weights,
)


def softmax_mean(rows):
    weights = np.exp(rows - rows.max(0))
    return (weights * rows).sum(0) / weights.sum(0)


REFERENCE = {
    "sum": lambda rows: rows.sum(0),
    "mean": lambda rows: rows.mean(0),
    "max": lambda rows: rows.max(0),
    "min": lambda rows: rows.min(0),
    "std": lambda rows: rows.std(0),
    "softmax": softmax_mean,
}
# Each program runs once: compile it quickly rather than well.
quick_jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def neighbours(layout):
    """The senders of each receiver, copies included."""
    shape = layout.edge_shape
    live = np.ones(shape, bool) if layout.live is None else np.broadcast_to(layout.live, shape)
    receivers, senders = (np.broadcast_to(x, shape)[live] for x in (layout.receiver_index, layout.sender_index))
    return [senders[receivers == i] for i in range(layout.n_receivers)]


def loop(near, x, reduction):
    return np.stack([REFERENCE[reduction](x[js]) if len(js) else np.zeros(x.shape[1:]) for js in near])


@quick_jit
def reduce_all(layout, x, cotangents):
    """Values of every reduction, and the gradient of their sum weighted by the cotangents, in one program."""
    output, pull = jax.vjp(lambda x: {name: aggregate(layout, x, name) for name in REDUCTIONS}, x)
    return output, pull(cotangents)[0]


@quick_jit
def weigh(layout, weight, x):
    """Weights in the layout's own order, weighted in- and out-degrees, and GCN's sum."""
    inner, outer = (tgnn.degrees(layout, of, edge_weight=weight) for of in ("receivers", "senders"))
    return (
        layout.from_caller(weight),
        inner,
        outer,
        layout.aggregate(symmetric_weights(layout, weight), x[:, None])[:, 0],
    )


@EVERY
def test_weighted_degrees_and_symmetric_weights_are_those_of_the_weighted_matrix(layout):
    weight = np.random.default_rng(2).uniform(0.1, 2.0, layout.edge_shape).astype(np.float32)
    shape = layout.edge_shape
    live = np.ones(shape, bool) if layout.live is None else np.broadcast_to(layout.live, shape)
    receivers, senders = (np.broadcast_to(x, shape)[live] for x in (layout.receiver_index, layout.sender_index))
    matrix = np.zeros((layout.n_receivers, layout.n_senders))
    x = np.random.default_rng(3).normal(size=(layout.n_senders, 2)).astype(np.float32)
    own, inner, outer, got = weigh(layout, weight, x)
    np.add.at(matrix, (receivers, senders), np.asarray(own)[live])
    np.testing.assert_allclose(inner, matrix.sum(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outer, matrix.sum(0), rtol=1e-5, atol=1e-6)
    outer = matrix.sum(1 if layout.n_receivers == layout.n_senders else 0)
    root = lambda degree: np.divide(1, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0)  # noqa: E731
    expected = root(matrix.sum(1))[:, None] * matrix * root(outer)
    np.testing.assert_allclose(got, expected @ x, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@EVERY
def test_values_and_gradients_are_those_of_the_loop_over_neighbours(layout):
    generator = np.random.default_rng(1)
    near, x = neighbours(layout), generator.normal(size=(layout.n_senders, 2, 3))
    cotangents = {name: generator.normal(size=(layout.n_receivers, 2, 3)) for name in REFERENCE}
    output, gradient = reduce_all(layout, *jax.tree.map(jnp.float32, (x, cotangents)))
    chex.assert_trees_all_close(output, {name: loop(near, x, name) for name in REFERENCE}, atol=1e-5)
    for direction in generator.normal(size=(3, *x.shape)):
        ahead, behind = (
            sum((cotangents[name] * loop(near, x + step * direction, name)).sum() for name in REFERENCE)
            for step in (1e-6, -1e-6)
        )
        np.testing.assert_allclose((gradient * direction).sum(), (ahead - behind) / 2e-6, rtol=1e-4, atol=1e-4)


def ones(n, dtype):
    return {name: jnp.ones((n, 1), dtype) for name in REDUCTIONS}


@quick_jit
def scale_all(layout, x, unit):
    return {
        "mean": layout.aggregate(row_weights(layout), x[:, None])[:, 0],
        "symmetric": layout.aggregate(symmetric_weights(layout), x[:, None])[:, 0],
        "shifted": aggregate(layout, x, "max", edges=jnp.full((*layout.edge_shape, 1), 2.0)),
        "pna": principal_neighbourhood(layout, x, unit, reductions=("mean", "max")),
    }


@pytest.mark.slow
@EVERY
def test_edge_features_degree_weights_and_pna_are_those_of_the_loop(layout):
    near, unit = neighbours(layout), 1.7
    x = np.random.default_rng(2).normal(size=(layout.n_senders, 3))
    output = scale_all(layout, jnp.asarray(x, jnp.float32), unit)
    mean, largest = loop(near, x, "mean"), loop(near, x, "max")
    inner = np.array([len(js) for js in near])
    square = layout.n_receivers == layout.n_senders
    outer = inner if square else np.bincount(np.concatenate(near), minlength=layout.n_senders)
    scaled = x / np.sqrt(np.maximum(outer, 1))[:, None] * (outer > 0)[:, None]
    degree = np.maximum(inner, 1)[:, None]
    both, scale = np.concatenate([mean, largest], axis=1), np.log(degree + 1) / unit
    expected = {
        "mean": mean,
        "symmetric": loop(near, scaled, "sum") / np.sqrt(degree),
        "shifted": np.where(inner[:, None] > 0, largest + 2.0, 0.0),
        "pna": np.concatenate([both, both * scale, both / scale], axis=1),
    }
    chex.assert_trees_all_close(output, expected, atol=2e-5)


@pytest.mark.slow
def test_a_regular_graph_of_pnas_own_degree_is_not_scaled():
    ring = tgnn.EdgeList.from_edges(np.arange(7), (np.arange(7) + 1) % 7, n_receivers=7)
    x = jnp.arange(14.0).reshape(7, 2)
    parts = jnp.split(principal_neighbourhood(ring, x, mean_log_degree(ring)), 3, axis=1)
    chex.assert_trees_all_close(parts[0], parts[1], rtol=1e-6)
    chex.assert_trees_all_close(parts[0], parts[2], rtol=1e-6)


@pytest.mark.slow
def test_bfloat16_features_are_reduced_in_float32():
    n = 1000  # bfloat16 sums would stop at 256
    layout, x = tgnn.Complete(1, n), jnp.ones((n, 1), jnp.bfloat16)
    output, _ = reduce_all(layout, x, ones(1, jnp.bfloat16))
    assert {reduced.dtype for reduced in output.values()} == {jnp.dtype(jnp.bfloat16)}
    assert {name: float(reduced[0, 0]) for name, reduced in output.items()} == {
        "sum": 1000.0,
        "mean": 1.0,
        "max": 1.0,
        "min": 1.0,
        "std": 0.0,
        "softmax": 1.0,
    }


@pytest.mark.slow
@pytest.mark.nans
def test_dead_edges_change_nothing_whatever_their_rows_hold():
    layout = tgnn.EdgeList.from_edges([0, 1, 2], [0, 0, 1], n_receivers=3, mask=np.array([True, True, False]))
    output, gradient = reduce_all(layout, jnp.asarray([[1.0], [3.0], [jnp.nan]]), ones(3, jnp.float32))
    for reduced in output.values():
        assert (reduced[1:] == 0).all() and jnp.isfinite(reduced).all()
    assert gradient[2, 0] == 0 and jnp.isfinite(gradient).all()


def test_an_unknown_reduction_is_named():
    with pytest.raises(ValueError, match="reduction must be one of .*'sum'.*got 'median'"):
        aggregate(LAYOUTS["edges"], jnp.ones((11, 1)), "median")


@pytest.mark.slow
def test_std_of_many_large_numbers():
    """The mean of 4,096 numbers of a million is rounded by more than their deviation."""
    x = 1e6 + (jnp.arange(4096.0) % 2)[:, None]
    hub = tgnn.EdgeList.from_edges(np.arange(4096), np.zeros(4096, int), n_receivers=1, n_senders=4096)
    for layout in (hub, tgnn.Complete(1, 4096)):
        np.testing.assert_allclose(tgnn.aggregate(layout, x, "std"), 0.5, rtol=1e-5)


@pytest.mark.nans
def test_std_of_nan_is_nan():
    pair = tgnn.EdgeList.from_edges([2, 0], [1, 1], n_receivers=3)
    found = tgnn.aggregate(pair, jnp.array([[1.0], [2.0], [np.nan]]), "std")
    np.testing.assert_array_equal(found, [[0.0], [np.nan], [0.0]])


@pytest.mark.slow
def test_a_degree_that_is_no_number_is_no_zero():
    chain, degrees = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3), jnp.array([jnp.nan, 4.0, 0.0])
    found = symmetric_weights(chain, node_degrees=(degrees, degrees))
    np.testing.assert_array_equal(found, [[np.nan], [0.0]])


def test_scalers_of_a_training_set_without_edges():
    empty = tgnn.EdgeList.from_edges([], [], n_receivers=3)
    found = tgnn.aggregation.principal_neighbourhood(empty, jnp.ones((3, 2)), tgnn.aggregation.mean_log_degree(empty))
    np.testing.assert_array_equal(found, np.zeros((3, 24)))


def test_weights_of_edges_have_one_axis():
    layout = tgnn.EdgeList.from_edges([0, 1], [1, 0], n_receivers=2)
    with pytest.raises(ValueError, match=r"edge_weight must have shape \(2,\).* got \(2, 1\)"):
        tgnn.aggregation.symmetric_weights(layout, jnp.ones((2, 1)))
