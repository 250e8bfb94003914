"""The graph networks on any layout, on jraph's graphs, with dropout, and on nodes that nobody talks to."""

import chex
import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest

import tgnn
from tgnn import models
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
GRAPH_NETWORKS = [*MODELS, "graph_sage", "pinsage", "gin", "basic_gnn", "monet", "gated_gcn"]


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_dropout_follows_its_key(name):
    model, init = MODELS[name]
    params = init(jax.random.key(0), (5, 7, 3))
    model = jax.jit(model, static_argnames="dropout_rate")
    layout = tgnn.Dense(jnp.asarray(MASK))
    first, second = (model(params, layout, X, dropout_rate=0.5, rng=jax.random.key(seed)) for seed in (1, 2))
    assert (first != second).any()
    chex.assert_trees_all_equal(first, model(params, layout, X, dropout_rate=0.5, rng=jax.random.key(1)))


@pytest.mark.parametrize("name", MODELS)
def test_a_graph_without_nodes(name):
    model, init = MODELS[name]
    params = init(jax.random.key(0), (5, 7, 3))
    assert model(params, tgnn.EdgeList.from_edges([], [], n_receivers=0), X[:0]).shape == (0, 3)


@pytest.mark.slow
@pytest.mark.parametrize("name", GRAPH_NETWORKS)
def test_a_padded_union_is_its_graphs(name):
    """Values, and gradients of the parameters, of each graph alone and of both beside padding."""
    model = getattr(models, name)
    params = getattr(models, f"init_{name}")(jax.random.key(0), (5, 4, 3))
    second = [np.array([0, 1, 1]), np.array([1, 0, 2]), np.asarray(X[:4])]
    first = [*np.nonzero(MASK)[::-1], np.asarray(X)]
    union = [np.append(a, b + shift) for a, b, shift in zip(first[:2], second[:2], (N, N), strict=True)]
    padded = tgnn.EdgeList.from_edges(*union, n_receivers=N + 6, pad_to=len(union[0]) + 5)
    x = np.concatenate([first[2], second[2], np.full((2, 5), 9.0, np.float32)])
    weight = np.random.default_rng(2).normal(size=(N + 4, 3)).astype(np.float32)

    def loss(params, layout, x, weight):
        output = model(params, layout, jnp.asarray(x))[: len(weight)]
        return (output * weight).sum(), output

    both = jax.value_and_grad(loss, has_aux=True)
    (_, output), gradient = both(params, padded, x, weight)
    alone = [tgnn.EdgeList.from_edges(a[0], a[1], n_receivers=len(a[2])) for a in (first, second)]
    parts = [
        both(params, layout, graph[2], part)
        for layout, graph, part in zip(alone, (first, second), (weight[:N], weight[N:]), strict=True)
    ]
    chex.assert_trees_all_close(output, jnp.concatenate([part[0][1] for part in parts]), rtol=1e-5, atol=1e-5)
    summed = jax.tree.map(jnp.add, *(part[1] for part in parts))
    chex.assert_trees_all_close(gradient, summed, rtol=1e-5, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", GRAPH_NETWORKS)
def test_bfloat16_stays_bfloat16(name):
    params = getattr(models, f"init_{name}")(jax.random.key(0), (5, 4, 3))
    output = jax.eval_shape(getattr(models, name), params, tgnn.Dense(jnp.asarray(MASK)), X.astype(jnp.bfloat16))
    assert output.dtype == jnp.bfloat16


@pytest.mark.parametrize("name", ["gcn", "gin", "basic_gnn"])
def test_integer_features_are_refused_since_they_would_cut_the_weights_off(name):
    params = getattr(models, f"init_{name}")(jax.random.key(0), (5, 4, 3))
    with pytest.raises(ValueError, match="x must be floating point, got int32"):
        getattr(models, name)(params, tgnn.Dense(jnp.asarray(MASK)), jnp.ones((N, 5), jnp.int32))


def test_a_node_without_in_edges_gets_the_bias():
    params = init_gcn(jax.random.key(0), (5, 3))
    params[0]["bias"] = jnp.arange(3.0)
    chex.assert_trees_all_equal(gcn(params, tgnn.Dense(jnp.asarray(MASK)), X)[4], jnp.arange(3.0))
