"""Whole layers with their linear maps and the same weights: GAT, GATv2, TransformerConv and GCN."""

# pyright: reportMissingImports=false
# The peers are installed where they are measured.

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

import tgnn
from experiments.speed import graphs
from experiments.speed.cases.case import Case, arrays, tensors
from experiments.speed.contestant import from_jax, from_torch, same
from tgnn.models import gat, gatv2, gcn, init_gat, init_gatv2, init_gcn, init_transformer_conv, transformer_conv
from tgnn.models.heads import add_bias
from tgnn.planning.cost import cost
from tgnn.typing import Params

HEADS = 8
SIZES = {"arxiv": (128, 16), "cora": (64, 8), "tiny": (16, 8)}  # input features, features of a head


class Layer(NamedTuple):
    """Ours, theirs, and how the names of ours map to theirs."""

    init: Callable
    apply: Callable
    conv: str
    names: dict[str, str]
    options: dict


def linear(ours: str, theirs: str) -> dict[str, str]:
    """A linear map with a bias."""
    return {f"{ours}.kernel": f"{theirs}.weight", f"{ours}.bias": f"{theirs}.bias"}


LAYERS = {
    "gat": Layer(
        init_gat,
        gat,
        "GATConv",
        {"linear.kernel": "lin.weight", "receiver_vector": "att_dst", "sender_vector": "att_src", "bias": "bias"},
        {"add_self_loops": False},
    ),
    "gatv2": Layer(
        init_gatv2,
        gatv2,
        "GATv2Conv",
        linear("receiver", "lin_r") | linear("sender", "lin_l") | {"vector": "att", "bias": "bias"},
        {"add_self_loops": False},
    ),
    "transformer": Layer(
        init_transformer_conv,
        transformer_conv,
        "TransformerConv",
        {k: v for name in ("query", "key", "value", "skip") for k, v in linear(name, f"lin_{name}").items()},
        {},
    ),
    "gcn": Layer(init_gcn, gcn, "GCNConv", {"kernel": "lin.weight", "bias": "bias"}, {"add_self_loops": False}),
}


def cases(family, size, config, data_dir) -> list[Case]:
    """One layer on one graph, loops added and edges sorted beforehand."""
    layer, graph = LAYERS[family], graphs.make(size, data_dir)
    in_dim, head_dim = SIZES[size]
    heads = 1 if family == "gcn" else HEADS
    options = {} if family == "gcn" else {"num_heads": heads, "num_output_heads": heads}
    # Two sizes make one layer, which averages its heads; three make two, of which the first one concatenates them.
    params = layer.init(jax.random.key(0), (in_dim, head_dim * (HEADS if family == "gcn" else 1), head_dim), **options)
    params = jax.tree.map(np.asarray, params[0])
    names, leaves = flatten(params)
    x, cotangent = arrays(1, (graph.n, in_dim), (graph.n, HEADS * head_dim))
    layout = tgnn.EdgeList.from_edges(graph.senders, graph.receivers, n_receivers=graph.n)

    def ours(layout, x, *leaves):
        return layer.apply([jax.tree.unflatten(jax.tree.structure(params), leaves)], layout, x)

    theirs = partial(pyg, layer, graph, heads, HEADS * head_dim // heads, names, leaves, x, cotangent)
    sides = {
        "PyG": theirs,
        "PyG compiled": partial(theirs, compile=True),
        "tgnn": lambda: from_jax(ours, layout, (x, *leaves), cotangent),
    }
    if family == "gat":
        sides["jraph"] = lambda: from_jax(partial(jraph_gat, params), graph, (x, *leaves), cotangent)
    costs = (cost(layout, heads, HEADS * head_dim // heads, gradients=yes) for yes in (False, True))
    return [Case(f"{family}-{size}", "PyG", sides, *costs)]


def flatten(params: Params) -> tuple[list[str], list]:
    """Dotted names and leaves."""
    pairs = jax.tree_util.tree_leaves_with_path(params)
    return [".".join(key.key for key in path) for path, _ in pairs], [leaf for _, leaf in pairs]


def pyg(layer: Layer, graph, heads, head_dim, names, leaves, x, cotangent, *, compile=False):
    """The layer of PyG with our weights; weights are arguments, so that both sides return their gradients."""
    import torch
    from torch_geometric.nn import conv

    width = {} if heads == 1 else {"heads": heads}
    module = getattr(conv, layer.conv)(x.shape[1], head_dim, **width, **layer.options)
    edges = torch.stack([y.long() for y in tensors(graph.senders, graph.receivers)])
    shapes = {name: parameter.shape for name, parameter in module.named_parameters()}
    theirs = [layer.names[name] for name in names]
    kernels = [name.endswith("kernel") for name in names]
    weights = [
        (leaf.reshape(leaf.shape[0], -1).T if kernel else leaf).reshape(shapes[name])
        for name, kernel, leaf in zip(theirs, kernels, leaves, strict=True)
    ]

    def call(x, *weights):
        return torch.func.functional_call(module, dict(zip(theirs, weights, strict=True)), (x, edges))

    def back(leaf, kernel):
        return lambda y: (y.T if kernel else y).reshape(leaf.shape)

    views = [same, same, *(back(leaf, kernel) for leaf, kernel in zip(leaves, kernels, strict=True))]
    inputs, (gradient,) = tensors(x, *weights), tensors(cotangent)
    return from_torch(call, inputs, gradient, views=views, compile=compile)


def jraph_gat(params: Params, graph, x, *leaves):
    """jraph.GAT with several heads: nodes [n, heads, head_dim], logits [n_edge, heads, 1]."""
    weights = jax.tree.unflatten(jax.tree.structure(params), leaves)
    sender, receiver = (weights[name][None] for name in ("sender_vector", "receiver_vector"))
    layer = jraph.GAT(
        attention_query_fn=lambda x: jnp.einsum("ni,ihd->nhd", x, weights["linear"]["kernel"]),
        attention_logit_fn=lambda sent, received, edges: jax.nn.leaky_relu(
            (sent * sender + received * receiver).sum(-1, keepdims=True), 0.2
        ),
        node_update_fn=lambda x: add_bias(weights["bias"], jnp.asarray(x)),
    )
    receivers, senders = jnp.asarray(graph.receivers), jnp.asarray(graph.senders)
    n_node, n_edge = jnp.array([x.shape[0]]), jnp.array([len(senders)])
    batch = jraph.GraphsTuple(x, None, receivers, senders, None, n_node, n_edge)
    nodes: Any = layer(batch).nodes
    return nodes
