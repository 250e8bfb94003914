"""The other graph networks and reductions with PyTorch Geometric's weights give its values and its gradients.

Theirs run in float64: their standard deviation is the difference of two squares, which cancels in float32.
"""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest

import tgnn
from tgnn import models
from tgnn.adapters import from_pyg
from tgnn.attention.aggregation import aggregate, mean_log_degree, principal_neighbourhood
from tgnn.models.message_passing.gated_gcn import gated_gcn_layer

torch = pytest.importorskip("torch")
conv = pytest.importorskip("torch_geometric.nn.conv")
aggr = pytest.importorskip("torch_geometric.nn.aggr")

N, DIMS, EDGE_DIM, KERNELS = 13, (7, 5, 3), 2, 3
GENERATOR = np.random.default_rng(0)
SENDERS, RECEIVERS = np.unique(GENERATOR.integers(0, N - 2, (2, 41)), axis=1)  # nodes 11 and 12 are isolated
LAYOUT = tgnn.EdgeList.from_edges(SENDERS, RECEIVERS, n_receivers=N)
X = GENERATOR.normal(size=(N, DIMS[0])).astype(np.float32)
EDGES = GENERATOR.normal(size=(len(SENDERS), EDGE_DIM)).astype(np.float32)
WEIGHT = GENERATOR.normal(size=(N, DIMS[-1])).astype(np.float32)
EDGE_INDEX = torch.tensor(np.stack([SENDERS, RECEIVERS])).long()


def assert_close(ours, theirs):
    """To 1e-5."""
    theirs = jax.tree.map(lambda x: np.asarray(x, np.float32), theirs)
    chex.assert_trees_all_close(ours, theirs, rtol=1e-5, atol=1e-5)


def perceptron(a, b):
    return torch.nn.Sequential(torch.nn.Linear(a, 11), torch.nn.ReLU(), torch.nn.Linear(11, b))


def gaussian_kernels(a, b, aggr="add"):
    layer = conv.GMMConv(a, b, EDGE_DIM, KERNELS, aggr=aggr, root_weight=False)
    layer.register_module("root", None)  # theirs forgets to say that there is none
    torch.nn.init.uniform_(layer.sigma, 0.5, 2.0)  # theirs may start next to 0, where everything overflows
    return layer


def init_kernels(rng, dims):
    """MoNet on coordinates as they are, as PyG has it."""
    params = models.init_monet(rng, dims, num_kernels=KERNELS, edge_dim=EDGE_DIM)
    return [{name: leaf for name, leaf in layer.items() if name != "coordinates"} for layer in params]


def on_coordinates(params, layout, x, reduction="sum"):
    return models.monet(params, layout, x, edges=jnp.asarray(EDGES), reduction=reduction)


def with_gates(params, layout, x):
    for i, layer in enumerate(params):
        x, _ = gated_gcn_layer(layer, layout, jax.nn.relu(x) if i else x)
    return x


# Of each model: ours, its initialisation, a layer of theirs, its further arguments.
MODELS = {
    "basic_gnn": (models.basic_gnn, models.init_basic_gnn, conv.GraphConv, ()),
    "graph_sage": (models.graph_sage, models.init_graph_sage, conv.SAGEConv, ()),
    "graph_sage pool": (
        models.graph_sage,
        lambda rng, dims: models.init_graph_sage(rng, dims, pool=True),
        lambda a, b: conv.SAGEConv(a, b, aggr="max", project=True),
        (),
    ),
    "gin": (
        models.gin,
        lambda rng, dims: models.init_gin(rng, dims, hidden_dim=11),
        lambda a, b: conv.GINConv(perceptron(a, b), train_eps=True),
        (),
    ),
    "monet": (on_coordinates, init_kernels, gaussian_kernels, (torch.tensor(EDGES).double(),)),
    "monet mean": (
        partial(on_coordinates, reduction="mean"),
        init_kernels,
        partial(gaussian_kernels, aggr="mean"),
        (torch.tensor(EDGES).double(),),
    ),
    "gated_gcn": (with_gates, models.init_gated_gcn, conv.ResGatedGraphConv, ()),
}


def torch_layers(layer):
    """Two layers of theirs, random biases included."""
    torch.manual_seed(0)
    layers = [layer(a, b) for a, b in zip(DIMS[:-1], DIMS[1:], strict=True)]
    for module in layers:
        for parameter in module.parameters():
            if parameter.ndim == 1:
                torch.nn.init.normal_(parameter)
    return [module.double() for module in layers]


def numbers(layers, gradients=False):
    """Their weights, or the gradients of these."""
    named = [dict(layer.named_parameters()) for layer in layers]
    return [{k: (p.grad if gradients else p.detach()).numpy() for k, p in weights.items()} for weights in named]


@pytest.mark.parametrize("name", MODELS)
def test_values_and_gradients_equal_pygs(name):
    model, init, layer, extra = MODELS[name]
    layers, name = torch_layers(layer), name.split()[0]
    params = from_pyg(name, numbers(layers), init(jax.random.key(0), DIMS))

    x = torch.tensor(X, dtype=torch.float64, requires_grad=True)
    expected = layers[1](torch.relu(layers[0](x, EDGE_INDEX, *extra)), EDGE_INDEX, *extra)
    (expected * torch.tensor(WEIGHT)).sum().backward()

    def loss(params, x):
        output = model(params, LAYOUT, x)
        return (output * WEIGHT).sum(), output

    (gradient, x_gradient), output = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))(params, jnp.asarray(X))
    expected_gradient = from_pyg(name, numbers(layers, gradients=True), params)
    assert_close(output, expected.detach().numpy())
    assert_close(x_gradient, x.grad.numpy())
    assert_close(gradient, expected_gradient)


@pytest.mark.parametrize("name", ["softmax", "pna"])
def test_reductions_equal_pygs(name):
    if name == "softmax":
        module = aggr.SoftmaxAggregation()

        def ours(x):
            return aggregate(LAYOUT, x, "softmax")

    else:
        counts = torch.tensor(np.bincount(np.bincount(RECEIVERS, minlength=N)))
        reductions = ["mean", "min", "max", "std"]
        module = aggr.DegreeScalerAggregation(reductions, ["identity", "amplification", "attenuation"], counts)

        def ours(x):
            return principal_neighbourhood(LAYOUT, x, mean_log_degree(LAYOUT), reductions=reductions)

    x = torch.tensor(X, dtype=torch.float64, requires_grad=True)
    expected = module(x[EDGE_INDEX[0]], EDGE_INDEX[1], dim_size=N)
    weight = GENERATOR.normal(size=expected.shape).astype(np.float32)
    (expected * torch.tensor(weight)).sum().backward()
    output, pull = jax.vjp(jax.jit(ours), jnp.asarray(X))
    assert_close(output, expected.detach().numpy())
    assert_close(pull(jnp.asarray(weight))[0], x.grad.numpy())


@pytest.mark.slow
def test_the_graph_network_block_is_jraphs_where_nodes_see_received_edges():
    n_node, n_edge = np.array([5, 4, 4]), np.array([11, 0, 6])
    ends = [GENERATOR.integers(0, size, (2, edges)) for size, edges in zip(n_node, n_edge, strict=True)]
    senders, receivers = np.concatenate([e + offset for e, offset in zip(ends, (0, 5, 9), strict=True)], axis=1)
    shapes = (13, 7), (17, 2), (3, 5)
    nodes, edges, globals_ = (jnp.asarray(GENERATOR.normal(size=shape), jnp.float32) for shape in shapes)
    graph = jraph.GraphsTuple(nodes, edges, receivers, senders, globals_, n_node, n_edge)
    params = models.init_graph_network(jax.random.key(0), (2, 3), (7, 11), (5, 4), hidden_dims=(8,))

    def update(name):
        def apply(*parts):
            return tgnn.nn.mlp(params[name], jnp.concatenate(parts, axis=-1))

        return apply

    theirs = jraph.GraphNetwork(
        lambda edges, senders, receivers, globals_: update("edge")(edges, senders, receivers, globals_),
        lambda nodes, sent, received, globals_: update("node")(received, nodes, globals_),
        lambda nodes, edges, globals_: update("global")(edges, nodes, globals_),
    )
    expected = jax.jit(theirs)(graph)._replace(senders=senders, receivers=receivers)
    chex.assert_trees_all_close(jax.jit(models.graph_network)(params, graph), expected, rtol=1e-5, atol=1e-5)


def test_parts_that_theirs_lacks_are_named():
    weights = gaussian_kernels(*DIMS[:2]).state_dict()
    whole = models.init_monet(jax.random.key(0), DIMS[:2], num_kernels=KERNELS, edge_dim=EDGE_DIM)
    with pytest.raises(
        ValueError, match="like has .'coordinates.bias', 'coordinates.kernel'., which no layer of theirs"
    ):
        from_pyg("monet", [weights], whole)
    like = [{name: leaf for name, leaf in layer.items() if name != "coordinates"} for layer in whole]
    np.testing.assert_array_equal(from_pyg("monet", [weights], like)[0]["mean"], weights["mu"])
