"""Gated GCN: each neighbour's message passes a gate of its own for every feature."""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from tgnn.graphs.interop import as_layout
from tgnn.models.cards import Choice
from tgnn.models.layers import check_edges
from tgnn.nn.basic import dropout, fold, init_linear, linear
from tgnn.typing import Array, Params


def init_gated_gcn(rng: Array, dims: Sequence[int], *, edge_dim: int | None = None) -> list[Params]:
    """Initialises layers `{"self", "value", "receiver", "sender"}`, and `"edge"` where edges have features.

    Args:
        rng: a key.
        dims: input features, then the outputs of each layer.
        edge_dim: features of an edge before the first layer; each layer makes new ones, as many as its outputs.
    """
    rngs = jax.random.split(rng, (len(dims) - 1, 5))
    edge_dims = [edge_dim, *dims[1:-1]] if edge_dim else [None] * (len(dims) - 1)
    sizes = zip(rngs, dims[:-1], dims[1:], edge_dims, strict=True)
    return [_init_layer(r, in_dim, out_dim, edges) for r, in_dim, out_dim, edges in sizes]


def _init_layer(rngs: Array, in_dim: int, out_dim: int, edge_dim: int | None) -> Params:
    names = ("self", "value", "receiver", "sender")
    params = {name: init_linear(rng, in_dim, out_dim) for name, rng in zip(names, rngs[:4], strict=True)}
    return params | {"edge": init_linear(rngs[4], edge_dim, out_dim)} if edge_dim else params


def gated_gcn(
    params: list[Params],
    layout: Any,
    x: Array,
    *,
    edges: Array | None = None,
    activation: Callable[[Array], Array] = jax.nn.relu,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Gated sums over neighbours, with residual connections between layers of one size.

    Args:
        params: what `init_gated_gcn` made.
        layout: edges between the nodes, without self-loops: a node sees itself through the `"self"` map.
        x: `[n, dims[0]]`.
        edges: `[*edge_shape, edge_dim]` in the caller's order, where `init_gated_gcn` was given `edge_dim`.
        activation: between the layers.
        dropout_rate: of each layer's input.
        rng: key of the dropout; None switches it off.

    Returns:
        `[n, dims[-1]]`. A node without in-edges gets its own part only.

    Raises:
        ValueError: if only one of the parameters and the call has edges.

    Reference: Bresson and Laurent, Residual Gated Graph ConvNets, arXiv:1711.07553, eq. 11; edge features as in Dwivedi
        et al., Benchmarking Graph Neural Networks, arXiv:2003.00982, without their batch norm and normalised gates.
    """
    check_edges("edge" in params[0], edges)
    layout = as_layout(layout, x.shape[0], x.shape[0])
    edges = None if edges is None else layout.from_caller(edges)
    for i, layer_params in enumerate(params):
        if i:
            x, edges = activation(x), (None if edges is None else activation(edges))
        x_in, edges_in = x, edges
        x, gates = gated_gcn_layer(layer_params, layout, dropout(fold(rng, i), x, dropout_rate), edges)
        edges = None if edges is None else gates
        if x_in.shape == x.shape:
            x, edges = x + x_in, (None if edges is None else edges + edges_in)
    return x


def gated_gcn_layer(params: Params, layout: Any, x: Array, edges: Array | None = None) -> tuple[Array, Array]:
    """One layer: the new nodes `[n, out_dim]` and the gates' logits `[*edge_shape, out_dim]`, the new edges.

    Edges, before and after, are in the layout's own order.
    """
    receiver, sender = linear(params["receiver"], x), linear(params["sender"], x)
    gates = layout.from_receivers(receiver) + layout.from_senders(sender)
    gates = gates if edges is None else gates + linear(params["edge"], edges)
    messages = jax.nn.sigmoid(gates) * layout.from_senders(linear(params["value"], x))
    return linear(params["self"], x) + layout.reduce(messages).astype(x.dtype), gates


CHOICES = (
    Choice(
        "Gated GCN",
        "neighbours",
        "sigmoid gate for every feature, of both ends and the edge",
        "sum",
        "arXiv:1711.07553",
    ),
)
