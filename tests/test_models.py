"""The graph networks on any layout, on jraph's graphs, with dropout, and on nodes that nobody talks to."""

import chex
import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest

import tgnn
from tgnn.models import gat, gatv2, gcn, init_gat, init_gatv2, init_gcn, init_transformer_conv, transformer_conv

N = 11
MASK = np.random.default_rng(0).random((N, N)) < 0.3
MASK[4] = False  # a node without in-edges
X = jnp.asarray(np.random.default_rng(1).normal(size=(N, 5)), jnp.float32)
MODELS = {
    "gcn": (gcn, init_gcn),
    "gat": (gat, init_gat),
    "gatv2": (gatv2, init_gatv2),
    "transformer_conv": (transformer_conv, init_transformer_conv),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_layout_and_jraphs_graph_give_the_same(name):
    model, init = MODELS[name]
    params, model = init(jax.random.key(0), (5, 7, 3)), jax.jit(model)
    receivers, senders = np.nonzero(MASK)
    expected = model(params, tgnn.Dense(jnp.asarray(MASK)), X)
    graph = jraph.GraphsTuple(X, None, receivers, senders, None, np.array([N]), np.array([len(senders)]))
    for layout in (
        tgnn.Neighbors.from_edges(senders, receivers, n_receivers=N),
        graph,
    ):
        chex.assert_trees_all_close(model(params, layout, X), expected, atol=1e-5)
    assert expected.shape == (N, 3) and jnp.isfinite(expected).all()


@pytest.mark.parametrize("name", MODELS)
def test_dropout_needs_a_key_and_follows_it(name):
    model, init = MODELS[name]
    params = init(jax.random.key(0), (5, 7, 3))
    model = jax.jit(model, static_argnames="dropout_rate")
    layout = tgnn.Dense(jnp.asarray(MASK))
    chex.assert_trees_all_equal(model(params, layout, X, dropout_rate=0.5), model(params, layout, X))
    first, second = (model(params, layout, X, dropout_rate=0.5, rng=jax.random.key(seed)) for seed in (1, 2))
    assert (first != second).any()
    chex.assert_trees_all_equal(first, model(params, layout, X, dropout_rate=0.5, rng=jax.random.key(1)))


def test_a_node_without_in_edges_gets_the_bias():
    params = init_gcn(jax.random.key(0), (5, 3))
    params[0]["bias"] = jnp.arange(3.0)
    chex.assert_trees_all_equal(gcn(params, tgnn.Dense(jnp.asarray(MASK)), X)[4], jnp.arange(3.0))
