"""The Graph Network block: update every edge, then every node, then the whole graph."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import jraph

from tgnn.attention.aggregation import aggregate
from tgnn.compiled import compiled
from tgnn.errors import check_dropout
from tgnn.graphs import EdgeList
from tgnn.graphs.transforms import readout
from tgnn.models.cards import Choice
from tgnn.models.edge_features import to_edges
from tgnn.nn.basic import init_mlp, mlp
from tgnn.typing import Array, Params


def init_graph_network(
    rng: Array,
    edge_dims: tuple[int, int],
    node_dims: tuple[int, int],
    global_dims: tuple[int, int],
    *,
    hidden_dims: Sequence[int] = (),
) -> Params:
    """Initialises the block's three perceptrons, `{"edge", "node", "global"}`.

    Args:
        rng: a key.
        edge_dims: features of an edge before and after; likewise `node_dims` and `global_dims`.
        node_dims: see `edge_dims`.
        global_dims: see `edge_dims`.
        hidden_dims: hidden sizes of each perceptron.
    """
    edge_rng, node_rng, global_rng = jax.random.split(rng, 3)
    inputs = {
        "edge": edge_dims[0] + 2 * node_dims[0] + global_dims[0],
        "node": edge_dims[1] + node_dims[0] + global_dims[0],
        "global": edge_dims[1] + node_dims[1] + global_dims[0],
    }
    return {
        "edge": init_mlp(edge_rng, (inputs["edge"], *hidden_dims, edge_dims[1])),
        "node": init_mlp(node_rng, (inputs["node"], *hidden_dims, node_dims[1])),
        "global": init_mlp(global_rng, (inputs["global"], *hidden_dims, global_dims[1])),
    }


def graph_network(
    params: Params,
    graph: jraph.GraphsTuple,
    *,
    reduction: str = "sum",
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> jraph.GraphsTuple:
    """One block: edges see their ends, nodes their in-edges, the graph all of both; everything sees the graph.

    Args:
        params: what `init_graph_network` made.
        graph: one or several graphs with features of nodes, edges and globals, each `[..., dim]`.
        reduction: of edges at a node and of edges and nodes in a graph: any of `tgnn.aggregate`.
        dropout_rate: of the perceptrons' hidden features.
        rng: key of the dropout.

    Returns:
        The same graph with new features.

    Raises:
        ValueError: the graph has no features of nodes, edges or globals, or there is a rate above 0 without a key.

    Reference: Battaglia et al., Relational inductive biases, deep learning, and graph networks, arXiv:1806.01261,
        algorithm 1. As there, nodes see the edges they receive; jraph's GraphNetwork by default also those they send.

    >>> import jax, tgnn
    >>> import jraph, numpy as np
    >>> params = tgnn.models.init_graph_network(jax.random.key(0), (4, 8), (4, 8), (4, 2))
    >>> nodes, edges, whole = (np.ones((n, 4), np.float32) for n in (3, 2, 1))
    >>> ends = np.array([1, 2]), np.array([0, 1])
    >>> graph = jraph.GraphsTuple(nodes, edges, *ends, whole, np.array([3]), np.array([2]))
    >>> tgnn.models.graph_network(params, graph).globals.shape
    (1, 2)
    """
    dropout_rate = check_dropout(dropout_rate, rng)
    _check_features(graph)
    return _run(params, graph, reduction, dropout_rate, rng)


@compiled
def _run(params, graph, reduction, dropout_rate, rng):
    rngs = (None,) * 3 if rng is None else jax.random.split(rng, 3)
    layout = EdgeList.from_graph(graph)
    node_to_graph, edge_to_graph = readout(graph), readout(_line_graph(graph))
    edge_to_node = EdgeList(jnp.arange(layout.n_edge), layout.receivers, layout.n_receivers, layout.n_edge)

    def update(name, key, *parts):
        return mlp(params[name], jnp.concatenate(parts, axis=-1), dropout_rate=dropout_rate, rng=key)

    ends = to_edges(layout.from_senders, graph.nodes), to_edges(layout.from_receivers, graph.nodes)
    whole = to_edges(edge_to_graph.from_receivers, graph.globals), to_edges(node_to_graph.from_receivers, graph.globals)
    edges = update("edge", rngs[0], graph.edges, *ends, whole[0])  # [n_edge, edge_dim]
    nodes = update("node", rngs[1], aggregate(edge_to_node, edges, reduction), graph.nodes, whole[1])
    pooled = aggregate(edge_to_graph, edges, reduction), aggregate(node_to_graph, nodes, reduction)  # [n_graph, dim]
    return graph._replace(nodes=nodes, edges=edges, globals=update("global", rngs[2], *pooled, graph.globals))


def _check_features(graph: jraph.GraphsTuple) -> None:
    if not isinstance(graph, jraph.GraphsTuple):
        raise ValueError(f"graph must be a jraph.GraphsTuple, whose features are updated, got {type(graph).__name__}")
    for name in ("nodes", "edges", "globals"):
        x = getattr(graph, name)
        if len(getattr(x, "shape", ())) != 2:
            raise ValueError(
                f"graph.{name} must be an array [n, features], got {getattr(x, 'shape', type(x).__name__)}; give zeros "
                f"of shape [n, 1] where there is nothing to say"
            )


def _line_graph(graph: jraph.GraphsTuple) -> jraph.GraphsTuple:
    """Edges in the place of nodes, so that `readout` tells which graph each belongs to."""
    return graph._replace(nodes=graph.edges, n_node=graph.n_edge)


CHOICES = (
    Choice(
        "Graph Network block",
        "neighbours; edges and nodes to their graph",
        "1; the message is a perceptron of the edge and its ends",
        "`aggregate`: sum, mean, maximum, ...",
        "arXiv:1806.01261",
    ),
)
