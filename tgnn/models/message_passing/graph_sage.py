"""GraphSAGE: a node and the mean, or the maximum after a hidden layer, of its neighbours."""

from collections.abc import Callable, Sequence

import jax

from tgnn.attention.aggregation import aggregate
from tgnn.models.cards import Choice
from tgnn.models.layers import Nodes, check_dims, ends, ends_dims, run_layers
from tgnn.nn.basic import init_linear, linear
from tgnn.typing import Array, Graph, Params


def init_graph_sage(rng: Array, dims: Sequence[int], *, pool: bool = False) -> list[Params]:
    """Initialises layers `{"self", "neighbors"}` between the successive sizes of `dims`.

    Args:
        rng: a key.
        dims: input features, then the outputs of each layer; of a bipartite graph `((senders, receivers), outputs)`.
        pool: whether layers have a `"pool"` too, a hidden layer of the neighbours.
    """
    sizes = check_dims(dims)
    rngs = jax.random.split(rng, (len(sizes), 3))
    return [_init_layer(r, *size, pool) for r, size in zip(rngs, sizes, strict=True)]


def _init_layer(rngs: Array, in_dim: int | tuple[int, int], out_dim: int, pool: bool) -> Params:
    sender_dim, receiver_dim = ends_dims(in_dim)
    params = {
        "self": init_linear(rngs[0], receiver_dim, out_dim),
        "neighbors": init_linear(rngs[1], sender_dim, out_dim, use_bias=False),
    }
    return params | {"pool": init_linear(rngs[2], sender_dim, sender_dim)} if pool else params


def graph_sage(
    params: list[Params],
    graph: Graph,
    x: Nodes,
    *,
    activation: Callable[[Array], Array] = jax.nn.relu,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Adds a linear map of each node and one of its neighbours' mean, or pooled maximum.

    Args:
        params: what `init_graph_sage` made; layers with `"pool"` take the maximum of `relu(pool(x_j))`.
        graph: edges between the nodes: all neighbours. Nothing is sampled here; a sample, as the paper draws one in
            every step, is a layout with fewer edges.
        x: `[n, dims[0]]`; of a bipartite graph a pair `(x_senders, x_receivers)`, for one layer.
        activation: between the layers.
        dropout_rate: of each layer's input.
        rng: key of the dropout.

    Returns:
        `[n, dims[-1]]`. A node without in-edges gets its own part only.

    Raises:
        ValueError: x are not the nodes of the graph, or there is a rate above 0 without a key.

    Reference: Hamilton, Ying and Leskovec, Inductive Representation Learning on Large Graphs, arXiv:1706.02216,
        algorithm 1 and eq. 3. As in PyG's SAGEConv the output is not normalised to unit length.

    >>> import jax, tgnn
    >>> params = tgnn.models.init_graph_sage(jax.random.key(0), (4, 8, 2))
    >>> graph = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    >>> tgnn.models.graph_sage(params, graph, jax.numpy.ones((3, 4))).shape
    (3, 2)
    """

    def layer(params, layout, x, rng, edges):
        senders, receivers = ends(x)
        if "pool" in params:
            pooled = aggregate(layout, jax.nn.relu(linear(params["pool"], senders)), "max")
            messages = linear(params["neighbors"], pooled)
        else:  # the mean of linear maps is the linear map of the mean, and usually smaller
            messages = aggregate(layout, linear(params["neighbors"], senders), "mean")
        return linear(params["self"], receivers) + messages

    return run_layers(layer, params, graph, x, activation=activation, dropout_rate=dropout_rate, rng=rng)


CHOICES = (Choice("GraphSAGE", "neighbours", "1", "`aggregate`: mean or maximum", "arXiv:1706.02216"),)
