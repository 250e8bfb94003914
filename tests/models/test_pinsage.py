"""PinSage against its algorithm in NumPy, float64, on walks' visits; zeros and padding have finite gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.filled import filled
from tests.support.sampled_graphs import GRAPH, N
from tgnn import models
from tgnn.sampling import run_hops, sample_important, take

DIM = 3
X = np.random.default_rng(1).normal(size=(N, DIM)).astype(np.float32)


def algorithm(params, visits, x):
    """Algorithm 1, node by node; visits: [receiver, sender]."""
    params = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    for p in params:
        hidden = np.maximum(x @ p["neighbors"]["kernel"] + p["neighbors"]["bias"], 0)
        rows = []
        for node, row in enumerate(visits):
            mean = sum(row[j] * hidden[j] for j in range(len(row))) / max(row.sum(), 1e-300)
            z = np.concatenate([x[node], mean]) @ p["output"]["kernel"] + p["output"]["bias"]
            z = np.maximum(z, 0)
            rows.append(z / max(np.linalg.norm(z), 1e-300))
        x = np.stack(rows)
    return x


@pytest.mark.slow
def test_equal_to_the_algorithm_on_every_layout():
    visits = np.random.default_rng(0).integers(0, 4, (7, 7))
    visits[3], visits[5, 5] = 0, 2  # nobody heard; a loop
    receivers, senders = np.nonzero(np.maximum(visits, np.arange(7)[:, None] == 3))  # edges of weight 0 are live
    params = filled(models.init_pinsage, (DIM, 5, 4), hidden_dim=6)
    expected = algorithm(params, visits.astype(float), X[:7])
    table = tgnn.Neighbors.from_edges(senders, receivers, n_receivers=7)
    for layout, weight in (
        (tgnn.EdgeList.from_edges(senders, receivers, n_receivers=7), visits[receivers, senders]),
        (table, visits[np.arange(7)[:, None], np.asarray(table.senders)]),
        (tgnn.Dense.from_edges(senders, receivers, n_receivers=7), visits),
    ):
        found = jax.jit(models.pinsage)(params, layout, X[:7], edge_weight=weight)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        length = np.linalg.norm(found, axis=1)
        assert (np.isclose(length, 1, rtol=1e-5) | (length == 0)).all()


@pytest.mark.slow
def test_on_sampled_hops_it_is_the_algorithm_on_their_visits():
    seeds = np.array([5, 40, 12])  # 40 is isolated
    hops = sample_important(GRAPH, seeds, [3, 2], num_walks=6, walk_length=3, seed=0)
    params = filled(models.init_pinsage, (DIM, 5, 4))
    per_hop = [{"edge_weight": weights} for weights in hops.weights]

    @jax.jit
    def on_hops(params, hops, per_hop, x):
        return run_hops(models.pinsage, params, hops, x, per_hop=per_hop)[hops.seeds]

    x = take(X, hops.nodes)
    found, expected = on_hops(params, hops, per_hop, x), x
    for p, layout, weights in zip(params, hops.layouts, hops.weights, strict=True):
        visits = np.zeros((layout.n_senders, layout.n_senders))
        live = np.asarray(layout.live)
        np.add.at(visits, (np.asarray(layout.receivers)[live], np.asarray(layout.senders)[live]), weights[live])
        expected = algorithm([p], visits, expected)[: layout.n_receivers]
    np.testing.assert_allclose(found, expected[hops.seeds], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_rows_of_zeros_and_padding_have_finite_gradients():
    layout = tgnn.EdgeList.from_edges([0, 1], [1, 1], n_receivers=3, mask=[True, False], pad_to=5)
    weight = jnp.array([2.0, jnp.nan, jnp.nan, 0.0, 1.0])
    params = jax.tree.map(lambda a: -jnp.abs(a), filled(models.init_pinsage, (DIM, 4)))  # every ReLU is closed
    for p in (params, filled(models.init_pinsage, (DIM, 4))):
        value, gradient = jax.jit(
            jax.value_and_grad(lambda p, x, w: models.pinsage(p, layout, x, edge_weight=w).sum(), argnums=(0, 1, 2))
        )(p, jnp.zeros((3, DIM)), weight)
        assert jnp.isfinite(value) and all(jnp.isfinite(g).all() for g in jax.tree.leaves(gradient))
        assert not gradient[2][1:].any()


def test_weights_of_another_shape_are_refused():
    params = filled(models.init_pinsage, (DIM, 4))
    layout = tgnn.EdgeList.from_edges([0], [1], n_receivers=2)
    with pytest.raises(ValueError, match="edges"):
        models.pinsage(params, layout, jnp.ones((2, DIM)), edge_weight=jnp.ones(3))
    with pytest.raises(ValueError, match="hidden_dim must be"):
        models.init_pinsage(jax.random.key(0), (3, 4), hidden_dim=0)
