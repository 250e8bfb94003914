"""Features of edges: as many as there are edges, of the size that the parameters are for, of any type."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.graph_batches import DIM, GRAPHS, SIZES, batch_of
from tests.support.graph_transformers import CASES, measure
from tgnn import models
from tgnn.models.graph_transformers.gps import gine
from tgnn.models.message_passing.gated_gcn import gated_gcn_layer


def test_edges_are_given_exactly_where_parameters_expect_them():
    batch = batch_of(GRAPHS)
    with pytest.raises(ValueError, match="edges is missing, but params"):
        models.graph_transformer(CASES["graph_transformer"].params, batch.layout, batch.x)
    with pytest.raises(ValueError, match="edges is missing, but params"):
        models.gps(CASES["gps gated"].params, batch.layout, batch.x)
    with pytest.raises(ValueError, match="edges is missing, but params"):
        models.graphormer(CASES["graphormer"].params, measure(batch).more, batch.x)
    with pytest.raises(ValueError, match="params were made without edge_dim"):
        models.gated_gcn(models.init_gated_gcn(jax.random.key(0), (DIM, 3)), batch.layout, batch.x, edges=batch.edges)
    with pytest.raises(ValueError, match="'gat'"):
        models.init_gps(jax.random.key(0), local="gat", **SIZES)


@pytest.mark.parametrize(
    "name", ["gat", "gatv2", "transformer_conv", "gated_gcn", "graph_transformer", "gps", "exphormer"]
)
def test_features_of_another_number_of_edges(name):
    """A row more or less would be another edge's, without a word."""
    senders, receivers, x, edges = GRAPHS[0]
    layout, x = tgnn.EdgeList.from_edges(senders, receivers, n_receivers=len(x)), jnp.asarray(x, jnp.float32)
    model, init = getattr(models, name), getattr(models, f"init_{name}")
    if name in ("gat", "gatv2", "transformer_conv", "gated_gcn"):
        params = init(jax.random.key(0), (DIM, 3), edge_dim=DIM)
        with pytest.raises(ValueError, match="edges is missing, but params"):
            model(params, layout, x)
    else:
        more = {"graph_transformer": {"edge_dim": DIM}, "gps": {"local": "gated", "edge_dim": DIM}, "exphormer": {}}
        params = init(jax.random.key(0), **more[name], **SIZES)
    graph = models.interactions(layout) if name == "exphormer" else layout
    for wrong in (edges[:2], np.concatenate([edges, edges[:1]])):
        with pytest.raises(ValueError, match=r"must have shape \[17|must have 17 rows"):
            model(params, graph, x, edges=jnp.asarray(wrong, jnp.float32))


INTEGERS = np.int8, np.uint8, np.int32, np.bool_


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, dtype", [("gat", np.uint8), ("gated_gcn", np.int8), ("monet", np.bool_), ("graph_transformer", np.int32)]
)
def test_features_of_edges_may_be_integers(name, dtype):
    """Their numbers count, not what would overflow in their type."""
    senders, receivers, x, _ = GRAPHS[0]
    layout, x = tgnn.EdgeList.from_edges(senders, receivers, n_receivers=len(x)), jnp.asarray(x, jnp.float32)
    counts = np.random.default_rng(3).integers(0, 2 if dtype == np.bool_ else 120, (len(senders), 2)).astype(dtype)
    sizes = {"dims": (DIM, 3)} if name != "graph_transformer" else SIZES
    params = getattr(models, f"init_{name}")(jax.random.key(0), **sizes, edge_dim=2)
    run = getattr(models, name)
    np.testing.assert_array_equal(
        run(params, layout, x, edges=counts), run(params, layout, x, edges=counts.astype(np.float32))
    )


@pytest.mark.parametrize("dtype", INTEGERS)
def test_weights_of_edges_may_be_integers(dtype):
    """Three edges of weight 100 are 300, beyond what eight bits hold."""
    layout = tgnn.EdgeList.from_edges([1, 2, 3, 0], [0, 0, 0, 1], n_receivers=4)
    params, x = models.init_gcn(jax.random.key(0), (2, 3)), jnp.ones((4, 2))
    weight = np.array([100, 100, 100, 1]).astype(dtype)
    expected = models.gcn(params, layout, x, edge_weight=weight.astype(np.float32))
    np.testing.assert_array_equal(models.gcn(params, layout, x, edge_weight=weight), expected)
    assert jnp.abs(expected).max() > 0


MANY = 3000


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [jnp.bfloat16, pytest.param(jnp.float16, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["gated_gcn", "gine", "graph_network"])
def test_gradients_of_half_precision_are_summed_in_float32(name, dtype):
    """One sender with many receivers: ones that are added in bfloat16 stop at 256, in float16 at 2,048."""
    layout = tgnn.EdgeList.from_edges(np.zeros(MANY, int), np.arange(MANY), n_receivers=MANY)
    identity = {"kernel": jnp.eye(1), "bias": jnp.zeros(1)}
    zero = jax.tree.map(jnp.zeros_like, identity)

    def total(first):
        x = jnp.concatenate([first, jnp.ones((MANY - 1, 1), dtype)])
        if name == "gine":
            output = gine({"mlp": [identity, identity], "epsilon": jnp.zeros(())}, layout, x)
        elif name == "gated_gcn":  # gates of zero halve the values
            parts = {"self": zero, "receiver": zero, "sender": zero, "value": identity}
            output, _ = gated_gcn_layer(parts, layout, x)
        else:
            graph = tgnn.graphs.interop.to_graph(layout, x)._replace(
                edges=jnp.zeros((MANY, 1), dtype), globals=jnp.zeros((1, 1), dtype)
            )
            params = models.init_graph_network(jax.random.key(0), (1, 1), (1, 1), (1, 1))
            params = jax.tree.map(jnp.zeros_like, params)
            # an edge says what its sender is, a node what its edges say
            params["edge"][0]["kernel"] = params["edge"][0]["kernel"].at[1].set(1)
            params["node"][0]["kernel"] = params["node"][0]["kernel"].at[0].set(1)
            output = jnp.asarray(models.graph_network(params, graph).nodes)  # pyright: ignore
        return output.astype(jnp.float32).sum()

    gradient = jax.grad(total)(jnp.ones((1, 1), dtype))
    own = 1 if name == "gine" else 0
    expected = (MANY / 2 if name == "gated_gcn" else MANY) + own
    np.testing.assert_allclose(np.float32(gradient), expected, rtol=0.01)


@pytest.mark.parametrize("edge_dim", [1, 3, 4])
def test_gated_gcn_takes_edges_of_any_size_beside_nodes_of_one_size(edge_dim):
    """Two layers by hand: the edges' residual connection is there where their sizes are equal, as the nodes' is."""
    senders, receivers = np.array([0, 1, 2, 2]), np.array([1, 2, 0, 1])
    layout, rng = tgnn.EdgeList.from_edges(senders, receivers, n_receivers=3), np.random.default_rng(edge_dim)
    x, edges = rng.normal(size=(3, 4)), rng.normal(size=(4, edge_dim))
    params = models.init_gated_gcn(jax.random.key(0), (4, 4, 4), edge_dim=edge_dim)
    found = models.gated_gcn(params, layout, jnp.asarray(x, jnp.float32), edges=jnp.asarray(edges, jnp.float32))
    for i, layer in enumerate(jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)):
        if i:
            x, edges = np.maximum(x, 0), np.maximum(edges, 0)
        of = {name: (lambda y, p=p: y @ p["kernel"] + p["bias"]) for name, p in layer.items()}
        gates = of["receiver"](x)[receivers] + of["sender"](x)[senders] + of["edge"](edges)
        messages = of["value"](x)[senders] / (1 + np.exp(-gates))
        sums = np.stack([messages[receivers == j].sum(0) for j in range(3)])
        x, edges = of["self"](x) + sums + x, gates + edges if edges.shape == gates.shape else gates
    np.testing.assert_allclose(found, x, atol=1e-5)
