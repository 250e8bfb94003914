"""GCN: the weights of the edges are given by the degrees; nothing is scored and nothing is normalised by a softmax."""

from collections.abc import Callable, Sequence
from functools import partial

import jax

from tgnn.attention.aggregation import symmetric_weights
from tgnn.graphs import Layout
from tgnn.models.cards import Choice
from tgnn.models.edge_features import as_real
from tgnn.models.heads import add_bias
from tgnn.models.layers import Nodes, check_dims, run_layers, sent, single_dim
from tgnn.nn.basic import init_linear, linear
from tgnn.typing import Array, Graph, Params


def init_gcn(rng: Array, dims: Sequence[int]) -> list[Params]:
    """Initialises one layer between each two successive sizes of `dims`: `{"kernel", "bias"}`, Glorot and zero."""
    sizes = [(single_dim(in_dim, "GCN"), out_dim) for in_dim, out_dim in check_dims(dims)]
    return [init_linear(r, *size) for r, size in zip(jax.random.split(rng, len(sizes)), sizes, strict=True)]


def gcn(
    params: list[Params],
    graph: Graph,
    x: Nodes,
    *,
    edge_weight: Array | None = None,
    node_degrees: tuple[Array, Array] | None = None,
    activation: Callable[[Array], Array] = jax.nn.relu,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Averages over neighbours with weights `1 / sqrt(degree_i degree_j)`, a linear map before each time.

    Args:
        params: what `init_gcn` made.
        graph: edges between the nodes; as in the paper, with self-loops (`tgnn.self_loops`).
        x: `[n, dims[0]]`; of a bipartite graph a pair `(x_senders, x_receivers)`, for one layer, the second None or
            unread: there, the degrees of senders are their out-degrees.
        edge_weight: `[*edge_shape]` in the caller's order, such as similarities, of any real or integer type; degrees
            are their sums. None: 1 each.
            `tgnn.self_loops` puts loops last: `jnp.append(edge_weight, jnp.ones(n))` where no node had one.
        node_degrees: `[n_senders]` and `[n_receivers]`, where the graph is a part of the one whose degrees count, as
            a sample is (`tgnn.sampling`); None: the degrees of this graph.
        activation: between the layers.
        dropout_rate: of each layer's input.
        rng: key of the dropout.

    Returns:
        `[n, dims[-1]]`. A node without in-edges gets the bias.

    Raises:
        ValueError: x are not the nodes of the graph, or there is a rate above 0 without a key.

    Reference: Kipf and Welling, Semi-Supervised Classification with Graph Convolutional Networks, arXiv:1609.02907, eq.
        2. As in PyG's GCNConv, degrees are in-degrees where edges are directed.

    >>> import jax, tgnn
    >>> params = tgnn.models.init_gcn(jax.random.key(0), (4, 8, 2))
    >>> edges = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    >>> graph = tgnn.self_loops(edges)
    >>> tgnn.models.gcn(params, graph, jax.numpy.ones((3, 4))).shape
    (3, 2)
    """
    options = {"activation": activation, "dropout_rate": dropout_rate, "rng": rng}
    layer = gcn_layer if node_degrees is None else partial(gcn_layer, node_degrees=jax.tree.map(as_real, node_degrees))
    return run_layers(layer, params, graph, x, edge_weight, **options)


def gcn_layer(
    params: Params,
    layout: Layout,
    x: Nodes,
    rng: Array | None = None,
    edge_weight: Array | None = None,
    *,
    node_degrees: tuple[Array, Array] | None = None,
) -> Array:
    """One layer: `[n, in_dim] -> [n, out_dim]`; rng is not used, since there are no attention weights to drop."""
    value = linear({"kernel": params["kernel"]}, sent(x))[:, None]  # [n, 1, out_dim]
    weights = symmetric_weights(layout, edge_weight, node_degrees)
    return add_bias(params["bias"], layout.aggregate(weights, value).astype(value.dtype))


CHOICES = (
    Choice("GCN", "neighbours and itself", "by degrees: `symmetric_weights`", "`aggregate`: sum", "arXiv:1609.02907"),
)
