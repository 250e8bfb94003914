"""The Graph Transformer: attention to neighbours, in which edges have a say and are updated themselves."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from tgnn.attention.api import attend
from tgnn.attention.scores import Score
from tgnn.compiled import compiled
from tgnn.errors import check_dropout, check_size
from tgnn.graphs import Layout
from tgnn.models.cards import Choice
from tgnn.models.edge_features import check_edge_features, features_of, to_edges
from tgnn.models.heads import split_heads
from tgnn.models.layers import layout_of, stack_layers
from tgnn.nn.basic import dropout, fold, init_layer_norm, init_linear, layer_norm, linear
from tgnn.nn.block import feed_forward, run_blocks
from tgnn.pytrees import register
from tgnn.softmax import wide_dtype
from tgnn.typing import Array, Graph, Params


@register
@dataclass(frozen=True)
class EdgeProduct(Score):
    """`sum_d query_id key_jd edge_ijd`: edge features [..., heads, head_dim] weigh the terms of the dot product."""

    def terms(self, receiver: Array, sender: Array, edge: Array) -> Array:
        """What is summed, [..., heads, head_dim]: the edge as both of its ends see it."""
        wide = wide_dtype(receiver.dtype, sender.dtype)
        return receiver.astype(wide) * sender.astype(wide) * edge.astype(wide)

    def pair(self, receiver: Array, sender: Array, edge: Array | None = None) -> Array:
        """The logits, before the scale `head_dim ** -0.5`."""
        return self.terms(receiver, sender, jnp.ones((), receiver.dtype) if edge is None else edge).sum(-1)

    def default_scale(self, head_dim: int) -> float:
        """As that of the dot product."""
        return head_dim**-0.5


def init_graph_transformer(
    rng: Array,
    *,
    num_layers: int,
    model_dim: int,
    num_heads: int,
    hidden_dim: int | None = None,
    edge_dim: int | None = None,
) -> Params:
    """Initialises layers `{"query", "key", "value", "nodes"}`, and `{"edge", "edges"}`, stacked along a leading axis.

    Args:
        rng: a key.
        num_layers: layers.
        model_dim: features of a node, throughout.
        num_heads: a divisor of `model_dim`.
        hidden_dim: of the perceptrons; default `2 * model_dim`.
        edge_dim: features of an edge, throughout, which are updated (the paper's: `model_dim`); None: edges have none.
    """
    if edge_dim is not None:
        edge_dim = check_size("edge_dim", edge_dim, minimum=1)
    sizes = {"model_dim": model_dim, "heads": split_heads(model_dim, num_heads), "edge_dim": edge_dim}
    return stack_layers(partial(_init_layer, hidden_dim=hidden_dim or 2 * model_dim, **sizes), rng, num_layers)


def _init_layer(rng: Array, *, model_dim: int, heads: tuple[int, int], hidden_dim: int, edge_dim: int | None) -> Params:
    *rngs, nodes_rng, edges_rng = jax.random.split(rng, 6)
    params = init_projections(rngs, heads, model_dim, edge_dim) | {
        "nodes": init_update(nodes_rng, heads, model_dim, hidden_dim)
    }
    if edge_dim is None:
        return params
    return params | {"edges": init_update(edges_rng, heads, edge_dim, hidden_dim)}


def init_projections(rngs: list[Array], heads: tuple[int, int], model_dim: int, edge_dim: int | None) -> Params:
    """Initialises what `EdgeProduct` and the messages read: `"query"`, `"key"`, `"value"`, and `"edge"` of edges."""
    inputs = {"query": model_dim, "key": model_dim, "value": model_dim, "edge": edge_dim}
    return {
        name: init_linear(rng, dim, heads, use_bias=False)
        for (name, dim), rng in zip(inputs.items(), rngs, strict=True)
        if dim is not None
    }


def init_update(rng: Array, heads: tuple[int, int], model_dim: int, hidden_dim: int) -> Params:
    """Initialises `update`: `{"output", "norm", "mlp": {"up", "down"}, "mlp_norm"}`."""
    output_rng, up_rng, down_rng = jax.random.split(rng, 3)
    mlp = {"up": init_linear(up_rng, model_dim, hidden_dim), "down": init_linear(down_rng, hidden_dim, model_dim)}
    norms = {"norm": init_layer_norm(model_dim), "mlp_norm": init_layer_norm(model_dim)}
    return {"output": init_linear(output_rng, heads, model_dim), "mlp": mlp} | norms


def update(params: Params, x: Array, heads: Array, *, dropout_rate: float = 0.0, rng: Array | None = None) -> Array:
    """Adds what the heads say `[n, heads, head_dim]` to x `[n, model_dim]`, then a perceptron; a norm after each."""
    new = linear(params["output"], dropout(fold(rng, 0), heads, dropout_rate), in_axes=2)
    x = layer_norm(params["norm"], x + new)
    return layer_norm(
        params["mlp_norm"], x + feed_forward(params["mlp"], x, dropout_rate=dropout_rate, rng=fold(rng, 1))
    )


def graph_transformer(
    params: Params,
    graph: Graph,
    x: Array,
    *,
    edges: Array | None = None,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Array:
    """Attends to neighbours, layer by layer.

    Args:
        params: what `init_graph_transformer` made.
        graph: edges between the nodes; a batch is a disjoint union.
        x: `[n, model_dim]`: embedded features of the nodes, plus an embedding of `laplacian_eigenvectors`.
        edges: `[*edge_shape, edge_dim]` in the caller's order: embedded features; exactly if `edge_dim` was set.
        dropout_rate: of what the heads say and of the perceptrons' hidden features.
        rng: key of the dropout.
        implementation: see `tgnn.attend`.

    Returns:
        `[n, model_dim]`; for one vector a graph, `tgnn.aggregate` these along `tgnn.readout`.

    Raises:
        ValueError: if only one of the parameters and the call has edges, x are not the nodes of the graph, or there
            is a rate above 0 without a key.

    Reference: Dwivedi and Bresson, A Generalization of Transformer Networks to Graphs, arXiv:2012.09699, eqs. 3 to 12.
        We always take the layer norm, which needs no state and cannot see the other graphs of a batch; their best
        results are with batch norm. Their code also clips logits to [-5, 5], where we subtract the largest.

    >>> import jax, tgnn
    >>> sizes = {"num_layers": 2, "model_dim": 8, "num_heads": 2}
    >>> params = tgnn.models.init_graph_transformer(jax.random.key(0), **sizes)
    >>> graph = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    >>> tgnn.models.graph_transformer(params, graph, jax.numpy.ones((3, 8))).shape
    (3, 8)
    """
    dropout_rate = check_dropout(dropout_rate, rng)
    check_edge_features(params, edges, stacked=True)
    layout = layout_of(graph, x)
    edges = features_of(layout, edges)
    return _run(params, layout, x, edges, dropout_rate, rng, implementation)


@compiled
def _run(params, layout, x, edges, dropout_rate, rng, implementation):
    options = {"dropout_rate": dropout_rate, "implementation": implementation}

    def apply(carry, block):
        layer, _, layer_rng = block
        return graph_transformer_layer(layer, layout, *carry, rng=layer_rng, **options), None

    edges = None if edges is None else edges.astype(x.dtype)
    return run_blocks(apply, params, (x, edges), rng=rng)[0][0]


def graph_transformer_layer(
    params: Params,
    layout: Layout,
    x: Array,
    edges: Array | None = None,
    *,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> tuple[Array, Array | None]:
    """One layer: the new nodes `[n, model_dim]` and the new edges, in the layout's own order before and after."""
    query, key, value = (linear(params[name], x) for name in ("query", "key", "value"))  # [n, heads, head_dim]
    drop = {"dropout_rate": dropout_rate}
    if edges is None:
        heads = attend(layout, query, key, value, implementation=implementation)
        return update(params["nodes"], x, heads, rng=fold(rng, 0), **drop), None
    score, seen = EdgeProduct(), linear(params["edge"], edges)
    heads = attend(layout, query, key, value, score=score, edges=seen, implementation=implementation)
    # [*edge_shape, heads, head_dim]
    terms = score.terms(to_edges(layout.from_receivers, query), to_edges(layout.from_senders, key), seen)
    terms = (terms * score.default_scale(query.shape[-1])).astype(edges.dtype)
    new_edges = update(params["edges"], edges, terms, rng=fold(rng, 1), **drop)
    return update(params["nodes"], x, heads, rng=fold(rng, 0), **drop), new_edges


CHOICES = (
    Choice(
        "Graph Transformer",
        "neighbours",
        "`EdgeProduct`: dot product whose terms the edge weighs",
        "softmax",
        "arXiv:2012.09699",
    ),
)
