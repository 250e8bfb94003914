"""The Graph Transformer: attention to neighbours, in which edges have a say and are updated themselves."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from tgnn.attention.api import attend
from tgnn.attention.scores import Score
from tgnn.models.cards import Choice
from tgnn.models.layers import check_edges, own_order, split_heads, stack_layers
from tgnn.nn.basic import dropout, fold, init_layer_norm, init_linear, layer_norm, linear
from tgnn.nn.block import feed_forward, run_blocks
from tgnn.softmax import wide_dtype
from tgnn.typing import Array, Params


@jax.tree_util.register_dataclass
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
    use_edges: bool = True,
) -> Params:
    """Initialises layers `{"query", "key", "value", "nodes"}`, and `{"edge", "edges"}`, stacked along a leading axis.

    Args:
        rng: a key.
        num_layers: layers.
        model_dim: features of a node and of an edge, throughout.
        num_heads: a divisor of `model_dim`.
        hidden_dim: of the perceptrons; default `2 * model_dim`.
        use_edges: whether edges have features, which are updated.
    """
    sizes = {"model_dim": model_dim, "num_heads": num_heads, "hidden_dim": hidden_dim or 2 * model_dim}
    return stack_layers(partial(_init_layer, use_edges=use_edges, **sizes), rng, num_layers)


def _init_layer(rng: Array, *, model_dim: int, num_heads: int, hidden_dim: int, use_edges: bool) -> Params:
    heads = split_heads(model_dim, num_heads)
    rngs = jax.random.split(rng, 6)
    names = ("query", "key", "value", "edge")[: 4 if use_edges else 3]
    params = {name: init_linear(r, model_dim, heads, use_bias=False) for name, r in zip(names, rngs[:4], strict=False)}
    params["nodes"] = init_update(rngs[4], heads, model_dim, hidden_dim)
    return params | {"edges": init_update(rngs[5], heads, model_dim, hidden_dim)} if use_edges else params


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
    layout: Any,
    x: Array,
    *,
    edges: Array | None = None,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Attends to neighbours, layer by layer.

    Args:
        params: what `init_graph_transformer` made.
        layout: edges between the nodes; a batch is a disjoint union.
        x: `[n, model_dim]`: embedded features of the nodes, plus an embedding of `laplacian_eigenvectors`.
        edges: `[*edge_shape, model_dim]` in the caller's order: embedded features; exactly if `use_edges` was set.
        dropout_rate: of what the heads say and of the perceptrons' hidden features.
        rng: key of the dropout; None switches it off.

    Returns:
        `[n, model_dim]`; for one vector a graph, `tgnn.aggregate` these along `tgnn.readout`.

    Raises:
        ValueError: if only one of the parameters and the call has edges.

    Reference: Dwivedi and Bresson, A Generalization of Transformer Networks to Graphs, arXiv:2012.09699, eqs. 3 to 12.
        We always take the layer norm, which needs no state and cannot see the other graphs of a batch; their best
        results are with batch norm. Their code also clips logits to [-5, 5], where we subtract the largest.
    """
    check_edges("edge" in params, edges)
    layout, edges = own_order(layout, x, edges)

    def apply(carry, block):
        layer, _, layer_rng = block
        return graph_transformer_layer(layer, layout, *carry, dropout_rate=dropout_rate, rng=layer_rng), None

    return run_blocks(apply, params, (x, edges), rng=rng)[0][0]


def graph_transformer_layer(
    params: Params,
    layout: Any,
    x: Array,
    edges: Array | None = None,
    *,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> tuple[Array, Array | None]:
    """One layer: the new nodes `[n, model_dim]` and the new edges, in the caller's order where the layout has it."""
    query, key, value = (linear(params[name], x) for name in ("query", "key", "value"))
    options = {"dropout_rate": dropout_rate}
    if edges is None:
        return update(params["nodes"], x, attend(layout, query, key, value), rng=fold(rng, 0), **options), None
    score, seen = EdgeProduct(), linear(params["edge"], edges)
    heads = attend(layout, query, key, value, score=score, edges=seen)
    terms = score.terms(layout.from_receivers(query), layout.from_senders(key), seen)
    terms = (terms * score.default_scale(query.shape[-1])).astype(edges.dtype)
    new_edges = update(params["edges"], edges, terms, rng=fold(rng, 1), **options)
    return update(params["nodes"], x, heads, rng=fold(rng, 0), **options), new_edges


CHOICES = (
    Choice(
        "Graph Transformer",
        "neighbours",
        "`EdgeProduct`: dot product whose terms the edge weighs",
        "softmax",
        "arXiv:2012.09699",
    ),
)
