"""Gated GCN: each neighbour's message passes a gate of its own for every feature."""

from collections.abc import Callable, Sequence

import jax

from tgnn.compiled import compiled
from tgnn.errors import check_dropout, check_size
from tgnn.graphs import Layout
from tgnn.models.cards import Choice
from tgnn.models.edge_features import check_edge_features, features_of, to_edges
from tgnn.models.layers import Nodes, check_dims, drop_nodes, ends, ends_dims, layout_of
from tgnn.nn.basic import fold, init_linear, linear
from tgnn.typing import Array, Graph, Params


def init_gated_gcn(rng: Array, dims: Sequence[int], *, edge_dim: int | None = None) -> list[Params]:
    """Initialises layers `{"self", "value", "receiver", "sender"}`, and `"edge"` where edges have features.

    Args:
        rng: a key.
        dims: input features, then the outputs of each layer; of a bipartite graph `((senders, receivers), outputs)`.
        edge_dim: features of an edge before the first layer; each layer makes new ones, as many as its outputs.
    """
    sizes = check_dims(dims)
    edge_dims = [None] * len(sizes)
    if edge_dim is not None:
        edge_dims = [check_size("edge_dim", edge_dim, minimum=1), *dims[1:-1]]
    rngs = jax.random.split(rng, (len(sizes), 5))
    return [_init_layer(r, *size, edge_dim) for r, size, edge_dim in zip(rngs, sizes, edge_dims, strict=True)]


def _init_layer(rngs: Array, in_dim: int | tuple[int, int], out_dim: int, edge_dim: int | None) -> Params:
    sender_dim, receiver_dim = ends_dims(in_dim)
    inputs = {"self": receiver_dim, "value": sender_dim, "receiver": receiver_dim, "sender": sender_dim}
    params = {name: init_linear(rng, dim, out_dim) for (name, dim), rng in zip(inputs.items(), rngs[:4], strict=True)}
    return params if edge_dim is None else params | {"edge": init_linear(rngs[4], edge_dim, out_dim)}


def gated_gcn(
    params: list[Params],
    graph: Graph,
    x: Nodes,
    *,
    edges: Array | None = None,
    activation: Callable[[Array], Array] = jax.nn.relu,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Gated sums over neighbours, with residual connections between layers of one size.

    Args:
        params: what `init_gated_gcn` made.
        graph: edges between the nodes, without self-loops: a node sees itself through the `"self"` map.
        x: `[n, dims[0]]`; of a bipartite graph a pair `(x_senders, x_receivers)`, for one layer.
        edges: `[*edge_shape, edge_dim]` in the caller's order, where `init_gated_gcn` was given `edge_dim`;
            integers count as real numbers.
        activation: between the layers.
        dropout_rate: of each layer's input.
        rng: key of the dropout.

    Returns:
        `[n, dims[-1]]`. A node without in-edges gets its own part only.

    Raises:
        ValueError: if only one of the parameters and the call has edges, x are not the nodes of the graph, or there
            is a rate above 0 without a key.

    Reference: Bresson and Laurent, Residual Gated Graph ConvNets, arXiv:1711.07553, eq. 11; edge features as in Dwivedi
        et al., Benchmarking Graph Neural Networks, arXiv:2003.00982, without their batch norm and normalised gates.

    >>> import jax, tgnn
    >>> params = tgnn.models.init_gated_gcn(jax.random.key(0), (4, 4, 2))
    >>> graph = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    >>> tgnn.models.gated_gcn(params, graph, jax.numpy.ones((3, 4))).shape
    (3, 2)
    """
    dropout_rate = check_dropout(dropout_rate, rng)
    check_edge_features(params[0], edges)
    layout = layout_of(graph, x, len(params))
    edges = features_of(layout, edges)
    return _run(params, layout, x, edges, activation, dropout_rate, rng)


@compiled
def _run(params, layout, x, edges, activation, dropout_rate, rng):
    for i, layer_params in enumerate(params):
        if i:
            x, edges = activation(x), (None if edges is None else activation(edges))
        x_in, edges_in = ends(x)[1], edges
        x, gates = gated_gcn_layer(layer_params, layout, drop_nodes(fold(rng, i), x, dropout_rate), edges)
        edges = None if edges is None else gates
        if x_in.shape == x.shape:
            x = x + x_in
            if edges_in is not None and edges_in.shape == gates.shape:  # the first layer's may have another size
                edges = gates + edges_in.astype(gates.dtype)
    return x


def gated_gcn_layer(params: Params, layout: Layout, x: Nodes, edges: Array | None = None) -> tuple[Array, Array]:
    """One layer: the new nodes `[n, out_dim]` and the gates' logits `[*edge_shape, out_dim]`, the new edges.

    Edges, before and after, are in the layout's own order.
    """
    senders, receivers = ends(x)
    receiver, sender = linear(params["receiver"], receivers), linear(params["sender"], senders)
    gates = to_edges(layout.from_receivers, receiver) + to_edges(layout.from_senders, sender)
    # [*edge_shape, out_dim] from here on
    gates = gates if edges is None else gates + linear(params["edge"], edges).astype(gates.dtype)
    messages = jax.nn.sigmoid(gates) * to_edges(layout.from_senders, linear(params["value"], senders))
    return linear(params["self"], receivers) + layout.reduce(messages).astype(receiver.dtype), gates


CHOICES = (
    Choice(
        "Gated GCN",
        "neighbours",
        "sigmoid gate for every feature, of both ends and the edge",
        "`layout.reduce`: sum",
        "arXiv:1711.07553",
    ),
)
