"""A small call of every public model, `CALLS[name](dtype, **options)`: what they share is tested on all of them."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import jraph
import numpy as np

import tgnn
from tests.support.filled import filled
from tgnn import models, patterns
from tgnn.models.sequences.bp_transformer import partition
from tgnn.models.sequences.reformer import Hashing
from tgnn.nn.transformer import TransformerConfig

N, DIM, VOCAB = 6, 4, 7
SENDERS, RECEIVERS = np.array([0, 1, 2, 2, 4, 3]), np.array([1, 2, 0, 3, 2, 5])
LAYOUT = tgnn.EdgeList.from_edges(SENDERS, RECEIVERS, n_receivers=N)
NODES, EDGES = np.random.default_rng(0).normal(size=(2, N, DIM)).astype(np.float32)
TOKENS = jnp.arange(N) % VOCAB
SIZES = {"num_layers": 2, "model_dim": DIM, "num_heads": 2}
CONFIG = TransformerConfig(VOCAB, model_dim=DIM, num_layers=2, num_heads=2, hidden_dim=DIM)
ROUNDS = partial(models.init_reformer, config=CONFIG, bucket_sizes=(2,))
Call = Callable[..., Any]


@cache
def params_of(init: Callable, *args: Any, **options: Any) -> Any:
    """Random parameters, made once."""
    return filled(init, *args, **options)


def cast(tree: Any, dtype: Any) -> Any:
    """The real arrays of a tree in another type."""
    return jax.tree.map(lambda x: x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x, tree)


def on_nodes(name: str, graph: Any = LAYOUT, edges: bool = False, **sizes: Any) -> Call:
    """A graph network, or a Graph Transformer."""
    model, init = getattr(models, name), getattr(models, f"init_{name}")
    args = () if sizes and "num_layers" in sizes else ((DIM, 3, 2),)

    def call(dtype=jnp.float32, **options):
        more = {"edges": jnp.asarray(EDGES, dtype)} if edges else {}
        return model(params_of(init, *args, **sizes), graph, jnp.asarray(NODES, dtype), **more, **options)

    return call


def on_tokens(name: str, graph: Any, init: Callable | None = None, **options: Any) -> Call:
    """A model of sequences, whose parameters tell the type."""
    model, init = getattr(models, name), init or partial(getattr(models, f"init_{name}"), config=CONFIG)
    params = partial(params_of, init)
    return lambda dtype=jnp.float32, **more: model(cast(params(), dtype), graph, TOKENS, **options, **more)


def network(dtype=jnp.float32, **options):
    """The Graph Network block on one graph."""
    nodes, edges = jnp.asarray(NODES, dtype), jnp.asarray(EDGES, dtype)
    sizes = np.array([N]), np.array([len(EDGES)])
    graph = jraph.GraphsTuple(nodes, edges, RECEIVERS, SENDERS, nodes[:1], *sizes)
    params = params_of(models.init_graph_network, *((DIM, 3),) * 3, hidden_dims=(5,))
    return models.graph_network(params, graph, **options)


def remembering(name: str, *sizes: int, **parts: int) -> Call:
    """Transformer-XL, or the Compressive Transformer."""
    model, init = getattr(models, name), partial(getattr(models, f"init_{name}"), config=CONFIG, **parts)
    params, begin = cache(lambda: filled(init)), getattr(models, f"init_{name}_state")

    def call(dtype=jnp.float32, **options):
        now = cast(params(), dtype)
        return model(now, TOKENS, begin(now, *sizes), **options)

    return call


def answers(dtype=jnp.float32, **options):
    """The memory network on a bipartite graph."""
    params = cast(params_of(models.init_memory_network, VOCAB, DIM, num_hops=2, max_age=3), dtype)
    return models.memory_network(params, tgnn.Complete(2, 3), TOKENS.reshape(3, 2), TOKENS[:4].reshape(2, 2), **options)


def translation(attention: str) -> Call:
    """RNNs from sequence to sequence."""
    params = cache(lambda: filled(models.init_seq2seq, VOCAB, VOCAB, DIM, attention=attention))
    return lambda dtype=jnp.float32, **more: models.seq2seq(cast(params(), dtype), TOKENS, TOKENS[:3], **more)


def tree(dtype=jnp.float32, **options):
    """The Tree-LSTM on a chain."""
    params = cast(params_of(models.init_tree_lstm, VOCAB, DIM, DIM, 3), dtype)
    return models.tree_lstm(params, tgnn.recurrent.schedule(patterns.chain(N)), TOKENS, **options)


RELATIONS = {
    ("node", "follows", "node"): LAYOUT,
    ("item", "tagged", "node"): tgnn.EdgeList.from_edges([0, 1, 1], [2, 2, 5], n_receivers=N, n_senders=2),
}


def on_relations(name: str, **sizes: Any) -> Call:
    """A model of several kinds of nodes and edges."""
    model, init = getattr(models, name), getattr(models, f"init_{name}")

    def call(dtype=jnp.float32, **options):
        x = {"node": jnp.asarray(NODES, dtype), "item": jnp.asarray(NODES[:2], dtype)}
        return model(params_of(init, (DIM, 4, 2), tuple(RELATIONS), **sizes), RELATIONS, x, **options)

    return call


def smoothed(dtype=jnp.float32, **options):
    """Embeddings of users and items."""
    return models.lightgcn(cast(params_of(models.init_lightgcn, N, DIM), dtype), LAYOUT, **options)


CALLS: dict[str, Call] = {
    name: on_nodes(name) for name in ("gcn", "graph_sage", "gin", "basic_gnn", "monet", "gated_gcn", "pinsage")
} | {
    "gat": on_nodes("gat", edges=True, num_heads=2, edge_dim=DIM),
    "gatv2": on_nodes("gatv2", edges=True, num_heads=2, edge_dim=DIM),
    "transformer_conv": on_nodes("transformer_conv", edges=True, num_heads=2, edge_dim=DIM),
    "graph_network": network,
    "lightgcn": smoothed,
    "graph_transformer": on_nodes("graph_transformer", edges=True, edge_dim=DIM, **SIZES),
    "gps": on_nodes("gps", edges=True, local="gated", edge_dim=DIM, **SIZES),
    "exphormer": on_nodes("exphormer", models.interactions(LAYOUT, degree=2), edges=True, **SIZES),
    "graphormer": on_nodes("graphormer", models.surroundings(LAYOUT), edges=True, edge_dim=DIM, **SIZES),
    "sgformer": on_nodes("sgformer"),
    "polynormer": on_nodes("polynormer", num_local_layers=2),
    "multi_graph_transformer": on_nodes("multi_graph_transformer", [LAYOUT, tgnn.Complete(N)], num_graphs=2, **SIZES),
    "rgcn": on_relations("rgcn"),
    "rgat": on_relations("rgat", num_heads=2),
    "hgt": on_relations("hgt", num_heads=2),
    "adaptive_span": on_tokens("adaptive_span", patterns.window(N, 4), max_span=2.0, ramp=2.0),
    "all_attention": on_tokens("all_attention", tgnn.Causal(N)),
    "bp_transformer": on_tokens(
        "bp_transformer", partition([N], 1), partial(models.init_bp_transformer, config=CONFIG, max_length=N, k=1)
    ),
    "light_conv": on_tokens(
        "light_conv", tgnn.Window(N, 2, 0), partial(models.init_light_conv, config=CONFIG, width=3)
    ),
    "conv_s2s": on_tokens("conv_s2s", tgnn.Window(N, 2, 0), partial(models.init_conv_s2s, config=CONFIG, width=3)),
    "performer": on_tokens("performer", tgnn.Causal(N)),
    "reformer": on_tokens("reformer", Hashing(2), ROUNDS),
    "sparse_transformer": on_tokens("sparse_transformer", patterns.strided_parts(N, 2)),
    "universal_transformer": on_tokens("universal_transformer", tgnn.Causal(N), num_steps=2),
    "transformer_xl": remembering("transformer_xl", 3),
    "compressive_transformer": remembering("compressive_transformer", 4, 2, rate=2),
    "memory_network": answers,
    "seq2seq": translation("additive"),
    "tree_lstm": tree,
}
