"""GPS with PyTorch Geometric's weights gives its values and its gradients: GINE or Gated GCN beside attention."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tgnn.models.graph_transformers.gps import gine, gps_layer

torch = pytest.importorskip("torch")
conv = pytest.importorskip("torch_geometric.nn.conv")

N, DIM, HEADS = 13, 6, 2
GENERATOR = np.random.default_rng(0)
SENDERS, RECEIVERS = np.unique(GENERATOR.integers(0, N - 2, (2, 31)), axis=1)  # nodes 11 and 12 are isolated
LAYOUT = tgnn.EdgeList(jnp.asarray(SENDERS), jnp.asarray(RECEIVERS), N, N)
X, WEIGHT = GENERATOR.normal(size=(2, N, DIM)).astype(np.float32)
EDGES = GENERATOR.normal(size=(len(SENDERS), DIM)).astype(np.float32)
SEGMENTS = np.repeat([0, 1, 2], [6, 5, 2])  # of the attention; the edges need not know of it
EDGE_INDEX = torch.tensor(np.stack([SENDERS, RECEIVERS])).long()


def network():
    return torch.nn.Sequential(torch.nn.Linear(DIM, DIM), torch.nn.ReLU(), torch.nn.Linear(DIM, DIM))


def randomised(module):
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return module.double()


def linear(weights, name):
    return {"kernel": weights[f"{name}.weight"].T, "bias": weights[f"{name}.bias"]}


def gine_of(weights, prefix=""):
    layers = [linear(weights, f"{prefix}nn.{i}") for i in (0, 2)]
    return {"mlp": layers, "epsilon": weights[f"{prefix}eps"].reshape(())}


def gated_of(weights):
    names = {"value": "lin_value", "receiver": "lin_key", "sender": "lin_query"}
    params = {ours: linear(weights, f"conv.{theirs}") for ours, theirs in names.items()}
    return params | {"self": {"kernel": weights["conv.lin_skip.weight"].T, "bias": weights["conv.bias"]}}


def ours_of(weights, local):
    """A layer of ours from theirs: a linear map is the transpose, with heads as axes."""
    parts = weights["attn.in_proj_weight"].reshape(3, HEADS, DIM // HEADS, DIM)
    biases = weights["attn.in_proj_bias"].reshape(3, HEADS, DIM // HEADS)
    attention = {
        name: {"kernel": parts[i].transpose(2, 0, 1), "bias": biases[i]}
        for i, name in enumerate(("query", "key", "value"))
    }
    output = linear(weights, "attn.out_proj")
    attention["output"] = output | {"kernel": output["kernel"].reshape(HEADS, DIM // HEADS, DIM)}
    norms = {"local_norm": "norm1", "attention_norm": "norm2", "mlp_norm": "norm3"}
    params = {
        ours: {"scale": weights[f"{theirs}.weight"], "bias": weights[f"{theirs}.bias"]}
        for ours, theirs in norms.items()
    }
    params |= {"attention": attention, "mlp": {"up": linear(weights, "mlp.0"), "down": linear(weights, "mlp.3")}}
    return params | {local: gine_of(weights, "conv.") if local == "gine" else gated_of(weights)}


def to_numpy(module, gradients=False):
    named = module.named_parameters()
    return {name: np.asarray((p.grad if gradients else p.detach()).numpy(), np.float32) for name, p in named}


def assert_equal(module, run_theirs, run_ours, convert):
    """Values and gradients of both, by parameters, nodes and edges, to 1e-5."""
    x, edges = (torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in (X, EDGES))
    expected = run_theirs(x, edges)
    (expected * torch.tensor(WEIGHT)).sum().backward()

    def loss(params, x, edges):
        output = run_ours(params, x, edges)
        return (output * WEIGHT).sum(), output

    params = jax.tree.map(jnp.asarray, convert(to_numpy(module)))
    gradients, output = jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))(params, X, EDGES)
    chex.assert_trees_all_close(output, expected.detach().numpy().astype("f4"), rtol=1e-5, atol=1e-5)
    edge_gradient = np.zeros_like(EDGES) if edges.grad is None else edges.grad.numpy()
    theirs = convert(to_numpy(module, gradients=True)), x.grad.numpy(), edge_gradient
    theirs = jax.tree.map(lambda x: np.asarray(x, np.float32), theirs)
    chex.assert_trees_all_close(gradients, theirs, rtol=1e-5, atol=1e-5)


def test_gine_equals_pygs():
    module = randomised(conv.GINEConv(network(), train_eps=True))
    assert_equal(
        module,
        lambda x, edges: module(x, EDGE_INDEX, edges),
        lambda params, x, edges: gine(params, LAYOUT, x, edges),
        gine_of,
    )


@pytest.mark.slow
@pytest.mark.parametrize("local", ["gine", "gated"])
def test_a_layer_equals_pygs(local):
    inner = conv.GINEConv(network(), train_eps=True) if local == "gine" else conv.ResGatedGraphConv(DIM, DIM)
    # Their layer norm takes a whole graph at once unless told otherwise.
    options = {"heads": HEADS, "norm": "layer_norm", "norm_kwargs": {"mode": "node"}}
    module = randomised(conv.GPSConv(DIM, inner, **options))
    everywhere = tgnn.Complete(N).with_segments(SEGMENTS)
    extra = (lambda edges: {"edge_attr": edges}) if local == "gine" else (lambda edges: {})
    assert_equal(
        module,
        lambda x, edges: module(x, EDGE_INDEX, batch=torch.tensor(SEGMENTS), **extra(edges)),
        lambda params, x, edges: gps_layer(params, LAYOUT, everywhere, x, edges if local == "gine" else None)[0],
        lambda weights: ours_of(weights, local),
    )
