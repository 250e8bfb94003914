"""Performer, SGFormer and Polynormer with PyTorch Geometric's weights give its values and its gradients."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tgnn import models
from tgnn.attention.kernels import ReluFeatures
from tgnn.models.graph_transformers.polynormer import global_layer
from tgnn.models.graph_transformers.sgformer import global_attention
from tgnn.models.sequences.performer import kernel_attention

torch = pytest.importorskip("torch")
theirs = pytest.importorskip("torch_geometric.nn.attention")
networks = pytest.importorskip("torch_geometric.nn.models")

N, DIM, HEADS, HEAD_DIM, OUT = 13, 6, 2, 3, 4
GENERATOR = np.random.default_rng(0)
SENDERS, RECEIVERS = np.unique(GENERATOR.integers(0, N - 2, (2, 31)), axis=1)
SENDERS, RECEIVERS = (
    x[SENDERS != RECEIVERS] for x in (SENDERS, RECEIVERS)
)  # their GCN adds loops where there are none
LAYOUT = tgnn.self_loops(tgnn.EdgeList.from_edges(SENDERS, RECEIVERS, n_receivers=N))
EDGE_INDEX = torch.tensor(np.stack([SENDERS, RECEIVERS])).long()
LOOPED = torch.tensor(np.stack([np.asarray(LAYOUT.senders), np.asarray(LAYOUT.receivers)])).long()
X = GENERATOR.normal(size=(N, DIM)).astype("f4")
BATCH = torch.zeros(N, dtype=torch.long)


@pytest.fixture(autouse=True)
def double():
    """Theirs makes numbers of the default type."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def randomised(module):
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return module.double().eval()


def linear(w, name, heads=None):
    """A linear map of theirs; its outputs, of `heads` heads side by side, as two axes."""
    kernel, bias = w[f"{name}.weight"].T, w.get(f"{name}.bias")
    shape = kernel.shape[1:] if heads is None else (heads, -1)
    params = {"kernel": kernel.reshape(len(kernel), *shape)}
    return params if bias is None else params | {"bias": bias.reshape(shape)}


def norm(w, name):
    return {"scale": w[f"{name}.weight"], "bias": w[f"{name}.bias"]}


def stacked(layers):
    return jax.tree.map(lambda *x: np.stack(x), *layers)


def performer_of(w):
    maps = {ours: linear(w, name, HEADS) for ours, name in (("query", "q"), ("key", "k"), ("value", "v"))}
    output = linear(w, "attn_out")
    output["kernel"] = output["kernel"].reshape(HEADS, HEAD_DIM, DIM)
    return maps | {"output": output}


def sgformer_layer_of(w, prefix=""):
    return {ours: linear(w, f"{prefix}{name}", HEADS) for ours, name in (("query", "q"), ("key", "k"), ("value", "v"))}


def sgformer_of(w):
    def branch(name, layers):
        return {"input": linear(w, f"{name}.fcs.0"), "norm": norm(w, f"{name}.bns.0"), "layers": stacked(layers)}

    attentions = [
        sgformer_layer_of(w, f"trans_conv.attns.{i}.") | {"norm": norm(w, f"trans_conv.bns.{i + 1}")} for i in range(2)
    ]
    convolutions = [
        {
            "kernel": w[f"graph_conv.convs.{i}.lin.weight"].T,
            "bias": w[f"graph_conv.convs.{i}.bias"],
            "norm": norm(w, f"graph_conv.bns.{i + 1}"),
        }
        for i in range(3)
    ]
    branches = {"global": branch("trans_conv", attentions), "local": branch("graph_conv", convolutions)}
    return branches | {"output": linear(w, "fc")}


def polynormer_layer_of(w, prefix="", heads=HEADS):
    """Their heads stand side by side within each feature, ours the other way round."""

    def ours(x):
        return np.moveaxis(x.reshape(-1, heads, *x.shape[1:]), 0, 1).reshape(x.shape)

    w = {name[len(prefix) :]: x for name, x in w.items() if name.startswith(prefix)}
    maps = ("query", "q"), ("key", "k"), ("value", "v")
    params = {
        name: {"kernel": ours(w[f"{theirs}.weight"]).T.reshape(w[f"{theirs}.weight"].shape[1], heads, -1)}
        for name, theirs in maps
    }
    return params | {
        "gate": {"kernel": ours(w["h_lins.weight"]).T, "bias": ours(w["h_lins.bias"])},
        "norm": {"scale": ours(w["lns.weight"]), "bias": ours(w["lns.bias"])},
        "output": {"kernel": ours(w["lin_out.weight"].T), "bias": w["lin_out.bias"]},
    }


def polynormer_of(w, local):
    def layer(i):
        if local == "gcn":
            part = {"kernel": w[f"local_convs.{i}.lin.weight"].T, "bias": w[f"local_convs.{i}.bias"]}
        else:
            part = {"linear": linear(w, f"local_convs.{i}.lin", 1), "bias": np.zeros((1, 8), "f4")}
            part |= {
                f"{end}_vector": w[f"local_convs.{i}.att_{of}"][0]
                for end, of in (("receiver", "dst"), ("sender", "src"))
            }
        params = {"gate": linear(w, f"h_lins.{i}"), "linear": linear(w, f"lins.{i}"), "norm": norm(w, f"lns.{i}")}
        params |= {"norm_before": norm(w, f"pre_lns.{i}")} if f"pre_lns.{i}.weight" in w else {}
        return params | {local: part}

    return {
        "local": [layer(i) for i in range(2)],
        "norm": norm(w, "ln"),
        "global": stacked([polynormer_layer_of(w, f"global_attn.{i}.", 1) for i in range(2)]),
        "output": linear(w, "pred_global"),
        "local_output": linear(w, "pred_local"),
    }


def assert_equal(module, run_theirs, run_ours, convert):
    """Values, and gradients by nodes and by parameters that they have, to 1e-5."""
    x = torch.tensor(X, dtype=torch.float64, requires_grad=True)
    expected = run_theirs(x)
    weight = np.random.default_rng(1).normal(size=expected.shape).astype("f4")
    (expected * torch.tensor(weight)).sum().backward()

    def loss(params, x):
        output = run_ours(params, x)
        return (output * weight).sum(), output

    named = dict(module.named_parameters())
    params = jax.tree.map(jnp.asarray, convert({k: p.detach().numpy().astype("f4") for k, p in named.items()}))
    (by_params, by_x), output = jax.jit(jax.grad(loss, (0, 1), has_aux=True))(params, X)
    np.testing.assert_allclose(output, expected.detach().numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(by_x, x.grad.numpy(), rtol=1e-5, atol=1e-5)
    zeros = {k: np.zeros(p.shape, "f4") if p.grad is None else p.grad.numpy().astype("f4") for k, p in named.items()}
    for (path, mine), other in zip(
        jax.tree_util.tree_leaves_with_path(by_params), jax.tree.leaves(convert(zeros)), strict=True
    ):
        if not ("gat" in str(path) and "bias" in str(path)):  # which theirs has not here
            np.testing.assert_allclose(mine, other, rtol=2e-5, atol=2e-5, err_msg=str(path))


def test_performer_attention_equals_pygs():
    module = randomised(theirs.PerformerAttention(DIM, HEADS, HEAD_DIM))
    projection = jnp.asarray(module.fast_attn.projection_matrix.numpy(), jnp.float32)

    def ours(params, x):
        return kernel_attention(params | {"projection": projection}, tgnn.Complete(N), x, kernel=ReluFeatures)

    assert_equal(module, lambda x: module(x[None])[0], ours, performer_of)


@pytest.mark.slow
def test_sgformer_attention_equals_pygs():
    module = randomised(theirs.SGFormerAttention(DIM, HEADS, DIM))
    ours = lambda params, x: global_attention(params, tgnn.Complete(N), x)  # noqa: E731
    assert_equal(module, lambda x: module(x[None])[0], ours, sgformer_layer_of)


@pytest.mark.slow
def test_polynormer_attention_equals_pygs():
    module = randomised(theirs.PolynormerAttention(DIM, HEADS, HEAD_DIM, qk_shared=False))
    ours = lambda params, x: global_layer(params, tgnn.Complete(N), x)  # noqa: E731
    assert_equal(module, lambda x: module(x[None])[0], ours, polynormer_layer_of)


@pytest.mark.slow
def test_sgformer_equals_pygs():
    """With layer norm where theirs has batch norm, and no node of zeros, which theirs gives a direction."""
    module = networks.SGFormer(DIM, 8, OUT, trans_num_heads=HEADS)
    module.graph_conv.bns = torch.nn.ModuleList(torch.nn.LayerNorm(8) for _ in range(4))
    module = randomised(module)
    for norm in module.trans_conv.bns:
        norm.bias.data += 1
    ours = lambda params, x: jax.nn.log_softmax(models.sgformer(params, LAYOUT, x))  # noqa: E731
    assert_equal(module, lambda x: module(x, EDGE_INDEX, BATCH), ours, sgformer_of)


@pytest.mark.slow
@pytest.mark.parametrize("stage, local", [("global", "gcn"), ("global", "gat"), ("local", "gat")])
def test_polynormer_equals_pygs(stage, local):
    """Without their batch norm; with one head, for which alone their model runs."""
    sizes = {"local_layers": 2, "global_layers": 2, "post_bn": False, "pre_ln": local == "gcn"}
    module = randomised(networks.Polynormer(DIM, 8, OUT, local_attn=local == "gat", **sizes))
    module._global = stage == "global"
    ours = lambda params, x: jax.nn.log_softmax(models.polynormer(params, LAYOUT, x, stage=stage))  # noqa: E731
    index = EDGE_INDEX if local == "gcn" else LOOPED
    assert_equal(module, lambda x: module(x, index, BATCH), ours, partial(polynormer_of, local=local))
