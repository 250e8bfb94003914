"""Two sets of nodes: x is a pair (x_senders, x_receivers), and the graph a part of one with all nodes in one set."""

import chex
import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest

import tgnn
from tgnn import models
from tgnn.models.message_passing.monet import degree_coordinates

N_SENDERS, N_RECEIVERS, DIM = 7, 5, 3
GENERATOR = np.random.default_rng(0)
SENDERS, RECEIVERS = np.divmod(GENERATOR.choice(N_SENDERS * (N_RECEIVERS - 1), 13, replace=False), N_RECEIVERS - 1)
LAYOUT = tgnn.EdgeList.from_edges(SENDERS, RECEIVERS, n_receivers=N_RECEIVERS, n_senders=N_SENDERS)
X = tuple(jnp.asarray(GENERATOR.normal(size=(n, DIM)), jnp.float32) for n in (N_SENDERS, N_RECEIVERS))
EDGES = jnp.asarray(GENERATOR.normal(size=(13, 2)), jnp.float32)
# The same edges between nodes of one set: the receivers stand behind the senders.
JOINED = tgnn.EdgeList.from_edges(SENDERS, RECEIVERS + N_SENDERS, n_receivers=N_SENDERS + N_RECEIVERS)
WITH_EDGES = "gat", "gatv2", "transformer_conv", "gated_gcn", "monet"
READ_BOTH = "gat", "gatv2", "transformer_conv", "gated_gcn", "graph_sage", "pinsage", "gin", "basic_gnn"


def made(name, dims=(DIM, 4), **options):
    options = {"edge_dim": 2} | options if name in WITH_EDGES else options
    return getattr(models, name), getattr(models, f"init_{name}")(jax.random.key(0), dims, **options)


@pytest.mark.parametrize("name", [*WITH_EDGES, "graph_sage", "pinsage", "gin", "basic_gnn"])
def test_a_bipartite_graph_is_a_part_of_one_with_one_set_of_nodes(name):
    model, params = made(name)
    options = {"edges": EDGES} if name in WITH_EDGES else {}
    both = jax.jit(model)(params, LAYOUT, X, **options)
    joined = jax.jit(model)(params, JOINED, jnp.concatenate(X), **options)
    assert both.shape == (N_RECEIVERS, 4)
    chex.assert_trees_all_close(both, joined[N_SENDERS:], atol=1e-5)
    assert jnp.abs(both[np.unique(RECEIVERS)]).max(1).min() > 0  # PinSage ends with a ReLU


@pytest.mark.slow
def test_gcn_divides_by_the_degrees_of_both_sets():
    model, params = made("gcn")
    adjacency = np.asarray(LAYOUT.adjacency(), np.float64)
    inner, outer = adjacency.sum(1), adjacency.sum(0)
    weights = adjacency / np.sqrt(np.maximum(inner, 1)[:, None] * np.maximum(outer, 1)[None])
    expected = weights @ np.asarray(X[0], np.float64) @ np.asarray(params[0]["kernel"], np.float64)
    for pair in (X, (X[0], None)):
        np.testing.assert_allclose(model(params, LAYOUT, pair), expected, atol=1e-5)


@pytest.mark.slow
def test_coordinates_are_the_degrees_of_both_ends():
    expected = [np.bincount(ends)[ends] ** -0.5 for ends in (RECEIVERS, SENDERS)]
    np.testing.assert_allclose(degree_coordinates(LAYOUT), np.stack(expected, axis=1), rtol=1e-6)


@pytest.mark.parametrize("name", ["gat", "gatv2", "transformer_conv", "gated_gcn", "graph_sage", "basic_gnn"])
def test_each_set_may_have_a_size_of_its_own(name):
    model, params = made(name, dims=((DIM, 2), 4))
    options = {"edges": EDGES} if name in WITH_EDGES else {}
    gradient = jax.jit(jax.grad(lambda x: (model(params, LAYOUT, x, **options) ** 2).sum()))((X[0], X[1][:, :2]))
    assert all(jnp.abs(part).max() > 0 for part in gradient)


def test_dropout_drops_both_sets():
    model, params = made("basic_gnn")
    for name in ("self", "neighbors"):
        params[0][name] = {"kernel": jnp.eye(DIM, 4)}
    ones, one = (jnp.ones((5, DIM)), jnp.ones((5, DIM))), tgnn.EdgeList.from_edges(range(5), range(5), n_receivers=5)
    dropped = model(params, one, ones, dropout_rate=0.5, rng=jax.random.key(0))
    assert set(np.unique(dropped[:, :DIM])) == {0.0, 2.0, 4.0}


@pytest.mark.parametrize("name", [*READ_BOTH, "gcn", "monet"])
def test_one_array_for_two_sets_is_refused_with_the_order_of_the_pair(name):
    model, params = made(name)
    options = {"edges": EDGES} if name in WITH_EDGES else {}
    for x in X:
        with pytest.raises(ValueError, match=r"7 senders and 5 receivers.*a pair \(x_senders, x_receivers\)"):
            model(params, LAYOUT, x, **options)
    with pytest.raises(ValueError, match=r"x has shape \(5, 3\), but the graph has 7 senders"):
        model(params, LAYOUT, X[::-1], **options)
    with pytest.raises(ValueError, match=r"x must have shape \[n, features\], got list"):
        model(params, LAYOUT, X[0].tolist(), **options)


@pytest.mark.parametrize("name", READ_BOTH)
def test_receivers_that_are_read_must_be_there(name):
    model, params = made(name)
    options = {"edges": EDGES} if name in WITH_EDGES else {}
    with pytest.raises(ValueError, match=r"x is \(x_senders, None\), but this model reads the receivers"):
        model(params, LAYOUT, (X[0], None), **options)


@pytest.mark.parametrize("name", [*READ_BOTH, "gcn"])
def test_a_second_layer_has_no_features_of_the_senders(name):
    model, params = made(name, dims=(DIM, 4, 4))
    options = {"edges": EDGES} if name in WITH_EDGES else {}
    with pytest.raises(ValueError, match="params have 2 layers, and a layer gives new features to the receivers only"):
        model(params, LAYOUT, X, **options)


@pytest.mark.parametrize("name", ["gcn", "gin", "monet"])
def test_two_sizes_need_two_maps(name):
    with pytest.raises(ValueError, match=r"dims begin with \(3, 2\), but .* has one linear map for both ends"):
        made(name, dims=((DIM, 2), 4))


def test_a_graphs_tuple_has_one_set_of_nodes():
    model, params = made("graph_sage")
    graph = jraph.GraphsTuple(X[1], None, RECEIVERS, SENDERS, None, np.array([5]), np.array([13]))
    with pytest.raises(ValueError, match="a GraphsTuple joins nodes of one set"):
        model(params, graph, X)
