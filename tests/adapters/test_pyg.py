"""GCN, GAT, GATv2 and TransformerConv with PyTorch Geometric's weights give its values and its gradients."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tgnn.adapters import from_pyg
from tgnn.models import gat, gatv2, gcn, init_gat, init_gatv2, init_gcn, init_transformer_conv, transformer_conv

torch = pytest.importorskip("torch")
conv = pytest.importorskip("torch_geometric.nn.conv")

N, DIMS, HEADS = 13, (7, 5, 3), 2
GENERATOR = np.random.default_rng(0)
SENDERS, RECEIVERS = GENERATOR.integers(0, N - 2, (2, 41))  # nodes 11 and 12 are isolated
SENDERS, RECEIVERS = np.unique(np.stack([SENDERS, RECEIVERS]), axis=1)
LAYOUT = tgnn.EdgeList.from_edges(SENDERS, RECEIVERS, n_receivers=N)
X = GENERATOR.normal(size=(N, DIMS[0])).astype(np.float32)
WEIGHT = GENERATOR.normal(size=(N, DIMS[2])).astype(np.float32)

MODELS = {
    "gcn": (gcn, init_gcn, conv.GCNConv, torch.relu),
    "gat": (gat, init_gat, conv.GATConv, torch.nn.functional.elu),
    "gatv2": (gatv2, init_gatv2, conv.GATv2Conv, torch.nn.functional.elu),
    "transformer_conv": (transformer_conv, init_transformer_conv, conv.TransformerConv, torch.relu),
}


def torch_layers(name, loops, **more):
    """Two layers of theirs, random biases included."""
    layer = MODELS[name][2]
    torch.manual_seed(0)
    if name == "gcn":
        layers = [layer(a, b, add_self_loops=loops) for a, b in zip(DIMS[:-1], DIMS[1:], strict=True)]
    else:
        options = {} if name == "transformer_conv" else {"add_self_loops": loops}
        sizes = [(DIMS[0], DIMS[1], True), (HEADS * DIMS[1], DIMS[2], False)]
        layers = [layer(a, b, heads=HEADS, concat=concat, **options, **more) for a, b, concat in sizes]
    for module in layers:
        for parameter in module.parameters():
            if parameter.ndim == 1:
                torch.nn.init.normal_(parameter)
    return layers


def numbers(layers, gradients=False):
    """Their weights, or the gradients of these."""
    named = [dict(layer.named_parameters()) for layer in layers]
    return [{k: (p.grad if gradients else p.detach()).numpy() for k, p in weights.items()} for weights in named]


@pytest.mark.slow
def test_weighted_edges_equal_pygs():
    """Loops of weight 1 last, as theirs has them; every weight has a gradient."""
    weight = GENERATOR.uniform(0.1, 2.0, len(SENDERS)).astype(np.float32)
    loops = len(np.setdiff1d(np.arange(N), SENDERS[SENDERS == RECEIVERS]))
    params = init_gcn(jax.random.key(0), DIMS)
    layers = torch_layers("gcn", True)
    params = from_pyg("gcn", numbers(layers), params)
    edge_index, edge_weight = torch.tensor(np.stack([SENDERS, RECEIVERS])), torch.tensor(weight, requires_grad=True)
    expected = layers[1](torch.relu(layers[0](torch.tensor(X), edge_index, edge_weight)), edge_index, edge_weight)
    (expected * torch.tensor(WEIGHT)).sum().backward()

    def loss(weight):
        output = gcn(params, tgnn.self_loops(LAYOUT), X, edge_weight=jnp.append(weight, jnp.ones(loops)))
        return (output * WEIGHT).sum(), output

    gradient, output = jax.jit(jax.grad(loss, has_aux=True))(weight)
    chex.assert_trees_all_close(output, expected.detach().numpy(), rtol=1e-5, atol=1e-5)
    chex.assert_trees_all_close(gradient, edge_weight.grad.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gat", "gatv2", "transformer_conv"])
def test_features_of_edges_equal_pygs(name):
    """GAT's one map of edges is the product of their two."""
    model, init, _, activation = MODELS[name]
    features = GENERATOR.normal(size=(len(SENDERS), 4)).astype(np.float32)
    layers = torch_layers(name, False, edge_dim=4)
    like = init(jax.random.key(0), DIMS, num_heads=HEADS, num_output_heads=HEADS, edge_dim=4)
    params = from_pyg(name, numbers(layers), like)
    x, edges = torch.tensor(X, requires_grad=True), torch.tensor(features, requires_grad=True)
    edge_index = torch.tensor(np.stack([SENDERS, RECEIVERS]))
    expected = layers[1](activation(layers[0](x, edge_index, edges)), edge_index, edges)
    (expected * torch.tensor(WEIGHT)).sum().backward()

    def loss(x, edges):
        output = model(params, LAYOUT, x, edges=edges)
        return (output * WEIGHT).sum(), output

    gradients, output = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))(jnp.asarray(X), jnp.asarray(features))
    chex.assert_trees_all_close(output, expected.detach().numpy(), rtol=1e-5, atol=1e-5)
    chex.assert_trees_all_close(gradients, (x.grad.numpy(), edges.grad.numpy()), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("loops", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_values_and_gradients_equal_pygs(name, loops):
    model, init, _, activation = MODELS[name]
    options = {} if name == "gcn" else {"num_heads": HEADS, "num_output_heads": HEADS}
    params = init(jax.random.key(0), DIMS, **options)
    layers = torch_layers(name, loops)
    params = from_pyg(name, numbers(layers), params)

    explicit_loops = loops and name == "transformer_conv"  # theirs never adds loops
    ours_layout = tgnn.self_loops(LAYOUT) if loops else LAYOUT
    edges = ours_layout if explicit_loops else LAYOUT
    edge_index = torch.tensor(np.stack([np.asarray(edges.senders), np.asarray(edges.receivers)])).long()
    x = torch.tensor(X, requires_grad=True)
    expected = layers[1](activation(layers[0](x, edge_index)), edge_index)
    (expected * torch.tensor(WEIGHT)).sum().backward()

    def loss(params, x):
        output = model(params, ours_layout, x)
        return (output * WEIGHT).sum(), output

    (gradient, x_gradient), output = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))(params, jnp.asarray(X))
    chex.assert_trees_all_close(output, expected.detach().numpy(), rtol=1e-5, atol=1e-5)
    chex.assert_trees_all_close(x_gradient, x.grad.numpy(), rtol=1e-5, atol=1e-5)
    expected_gradient = from_pyg(name, numbers(layers, gradients=True), params)
    chex.assert_trees_all_close(gradient, expected_gradient, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "theirs"), [("gat", conv.GATConv), ("gatv2", conv.GATv2Conv)])
def test_weights_of_other_heads_are_refused(name, theirs):
    like = MODELS[name][1](jax.random.key(0), (3, 2, 1), num_heads=4)[:1]
    with pytest.raises(ValueError, match=r"att.* has shape \(1, 2, 4\), expected \(4, 2\)"):
        from_pyg(name, [theirs(3, 4, heads=2).state_dict()], like)


def test_weights_of_exchanged_sizes_are_refused():
    weights = {"lin.weight": np.ones((7, 5)), "bias": np.ones(5)}
    with pytest.raises(ValueError, match=r"shape \(5, 7\), expected \(7, 5\)"):
        from_pyg("gcn", [weights], init_gcn(jax.random.key(0), (7, 5)))


def test_weights_that_need_a_gradient_are_read():
    layer = dict(conv.GCNConv(7, 5).named_parameters())
    params = from_pyg("gcn", [layer], init_gcn(jax.random.key(0), (7, 5)))
    np.testing.assert_array_equal(params[0]["kernel"], layer["lin.weight"].detach().numpy().T)
