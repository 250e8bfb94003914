"""What no model can mean is refused in one sentence that names the argument."""

import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest

import tgnn
from tests.support.filled import filled
from tests.support.models import EDGES, LAYOUT, NODES, RECEIVERS, SENDERS, SIZES, TOKENS, N
from tgnn import models

KEY = jax.random.key(0)


def sized(**changed):
    return SIZES | changed


GRAPH = jraph.GraphsTuple(NODES, EDGES, RECEIVERS, SENDERS, NODES[:1], np.array([N]), np.array([len(EDGES)]))
BLOCK = filled(models.init_graph_network, (4, 3), (4, 3), (4, 3))
GAT, GCN = filled(models.init_gat, (4, 3), edge_dim=4), filled(models.init_gcn, (4, 3))
MONET = filled(models.init_monet, (4, 3), edge_dim=3)
STACKED = filled(models.init_graph_transformer, **sized(), edge_dim=4)
BAD = {
    "no heads": (lambda: models.init_gat(KEY, (4, 3), num_heads=0), "num_heads must be .* at least 1, got 0"),
    "no last heads": (
        lambda: models.init_gatv2(KEY, (4, 3), num_output_heads=0),
        "num_output_heads must .* 1, got 0",
    ),
    "half a head": (lambda: models.init_transformer_conv(KEY, (4, 3), num_heads=1.5), "num_heads must be an integer"),
    "no kernels": (lambda: models.init_monet(KEY, (4, 3), num_kernels=0), "num_kernels must be .* at least 1, got 0"),
    "no hidden": (lambda: models.init_gin(KEY, (4, 3), hidden_dim=0), "hidden_dim must be .* at least 1, got 0"),
    "no graphs": (
        lambda: models.init_multi_graph_transformer(KEY, **SIZES, num_graphs=0),
        "num_graphs must be .* at least 1, got 0",
    ),
    "width of edges in GPS": (
        lambda: models.init_gps(KEY, **SIZES, edge_dim=3),
        "edge_dim must be model_dim 4",
    ),
    "globals": (lambda: models.graph_network(BLOCK, GRAPH._replace(globals=None)), "graph.globals must be an array"),
    "edges": (
        lambda: models.graph_network(BLOCK, GRAPH._replace(edges=None)),
        "graph.edges must be .*NoneType",
    ),
    "nodes": (
        lambda: models.graph_network(BLOCK, GRAPH._replace(nodes={"x": 1})),
        "graph.nodes must be .*dict",
    ),
    "a layout": (lambda: models.graph_network(BLOCK, LAYOUT), "graph must be a jraph.GraphsTuple.*got EdgeList"),
    "interactions": (lambda: models.exphormer({}, LAYOUT, NODES), "graph must be Interactions, got EdgeList"),
    "surroundings": (lambda: models.graphormer({}, LAYOUT, NODES), "graph must be Surroundings, got EdgeList"),
    "a batch axis": (
        lambda: models.gcn(GCN, LAYOUT, NODES[None]),
        r"x must have shape \[n, features\], got \(1, 6, 4\)",
    ),
    "a list": (lambda: models.gcn(GCN, LAYOUT, NODES.tolist()), r"x must have shape .* got list"),
    "few nodes": (lambda: models.gcn(GCN, LAYOUT, NODES[:3]), r"x has shape \(3, 4\), but the graph has 6 senders"),
    "no graph": (lambda: models.gcn(GCN, None, NODES), "layout must be a tgnn layout or a jraph.GraphsTuple"),
    "numbers of an edge": (
        lambda: models.gat(GAT, LAYOUT, NODES, edges=EDGES[:, :2]),
        r"edges has shape \(6, 2\).*dim 4",
    ),
    "one number": (lambda: models.gat(GAT, LAYOUT, NODES, edges=EDGES[:, 0]), r"use edges\[..., None\] for one number"),
    "numbers of an edge, stacked": (
        lambda: models.graph_transformer(STACKED, LAYOUT, NODES, edges=EDGES[:, :2]),
        r"edges has shape \(6, 2\).*edge_dim 4",
    ),
    "coordinates": (lambda: models.monet(MONET, LAYOUT, NODES, edges=EDGES), r"edges has shape \(6, 4\).*edge_dim 3"),
    "no coordinates": (
        lambda: models.monet(MONET, LAYOUT, NODES),
        "edges is None.*3 coordinates .* degrees give 2",
    ),
    "listed blocks": (
        lambda: models.init_transformer_xl_state({"decoder": {"blocks": [{}]}}, 3),
        "params have a list of blocks",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()


STACKS = "graph_transformer", "gps", "exphormer", "graphormer", "multi_graph_transformer"


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("argument, value", [("num_layers", 0), ("num_heads", 0), ("num_layers", -1)])
def test_no_layers_and_no_heads(name, argument, value):
    more = {"num_graphs": 2} if name == "multi_graph_transformer" else {}
    with pytest.raises(ValueError, match=f"{argument} must be an integer of at least 1, got {value}"):
        getattr(models, f"init_{name}")(KEY, **sized(**{argument: value}), **more)


@pytest.mark.parametrize("name", ["gcn", "gat", "gatv2", "transformer_conv", "graph_sage", "gin", "basic_gnn", "monet"])
def test_one_size_is_no_layer(name):
    init = getattr(models, f"init_{name}")
    with pytest.raises(ValueError, match=r"dims must be the inputs and the outputs of at least one layer, got \(4,\)"):
        init(KEY, (4,))
    with pytest.raises(ValueError, match="dims must be an integer of at least 0, got -3"):
        init(KEY, (4, -3))


@pytest.mark.slow
def test_words_that_a_memory_network_does_not_know():
    params = models.init_memory_network(KEY, 5, 4)
    with pytest.raises(ValueError, match="ids go from 0 to 5 but the table has 5 rows"):
        models.memory_network(params, tgnn.Complete(N), TOKENS[:, None])
    outside = jax.jit(models.memory_network)(params, tgnn.Complete(N), TOKENS[:, None])
    chosen = models.memory_network(params, tgnn.Complete(N), jnp.where(TOKENS < 5, TOKENS, -1)[:, None])
    np.testing.assert_allclose(outside, chosen, atol=1e-6)
