"""Dot-product attention on edge lists: the core alone, without the linear maps around it."""

# pyright: reportMissingImports=false
# The peers are installed where they are measured.

from functools import partial
from typing import Any

import jax.numpy as jnp
import jraph

import tgnn
from experiments.speed import graphs
from experiments.speed.cases.case import Case, arrays, tensors
from experiments.speed.contestant import from_jax, from_torch
from experiments.speed.graphs import Graph
from tgnn.planning.cost import cost

HEAD_DIMS = {"arxiv": 16, "products": 16}  # 8 heads of 16; the small graphs have 8 heads of 8
HEADS = 8


def cases(family, size, config, data_dir) -> list[Case]:
    """One graph."""
    return [compare(f"{family}-{size}", graphs.make(size, data_dir), HEAD_DIMS.get(size, 8), peers=size != "products")]


def compare(name: str, graph: Graph, head_dim: int, *, peers: bool = True) -> Case:
    """`attend` against PyTorch Geometric and jraph; without `peers` alone."""
    shape = graph.n, HEADS, head_dim
    *inputs, cotangent = arrays(1, shape, shape, shape, shape)
    layout = tgnn.EdgeList.from_edges(graph.senders, graph.receivers, n_receivers=graph.n)
    sides = {"tgnn": lambda: from_jax(tgnn.attend, layout, inputs, cotangent)}
    if peers:
        core = partial(pyg, graph, inputs, cotangent)
        sides = {
            "PyG": core,
            "PyG compiled": partial(core, compile=True),
            "jraph": lambda: from_jax(jraph_attention, graph, inputs, cotangent),
        } | sides
    costs = (cost(layout, HEADS, head_dim, gradients=yes) for yes in (False, True))
    return Case(name, "PyG" if peers else "tgnn", sides, *costs)


def pyg(graph: Graph, inputs, cotangent, *, compile: bool = False):
    """The attention core of PyG's TransformerConv: its own softmax and scatter on sorted edges."""
    import torch  # noqa: F401
    from torch_geometric.utils import scatter, softmax

    receivers, senders = (x.long() for x in tensors(graph.receivers, graph.senders))
    scale = inputs[0].shape[-1] ** -0.5

    def attention(query, key, value):
        logits = (query.index_select(0, receivers) * key.index_select(0, senders)).sum(-1) * scale
        weights = softmax(logits, receivers, num_nodes=graph.n)
        return scatter(value.index_select(0, senders) * weights[..., None], receivers, 0, graph.n, reduce="sum")

    return from_torch(attention, tensors(*inputs), tensors(cotangent)[0], compile=compile)


def jraph_attention(graph: Graph, query, key, value):
    """The same in jraph's words."""
    n = query.shape[0]
    receivers, senders = jnp.asarray(graph.receivers), jnp.asarray(graph.senders)
    logits = (query[receivers] * key[senders]).sum(-1) * query.shape[-1] ** -0.5
    weights: Any = jraph.segment_softmax(logits, receivers, n)
    return jraph.segment_sum(weights[..., None] * value[senders], receivers, n)
