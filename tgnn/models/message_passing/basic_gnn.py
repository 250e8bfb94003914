"""The essay's basic graph network: `h = activation(U h + sum V h)`, the node itself and the sum of its neighbours."""

from collections.abc import Callable, Sequence

import jax

from tgnn.attention.aggregation import aggregate
from tgnn.models.cards import Choice
from tgnn.models.layers import Nodes, check_dims, ends, ends_dims, run_layers
from tgnn.nn.basic import init_linear, linear
from tgnn.typing import Array, Graph, Params


def init_basic_gnn(rng: Array, dims: Sequence[int]) -> list[Params]:
    """Initialises layers `{"self", "neighbors"}`, the essay's U (with a bias) and V, between the sizes of `dims`.

    Args:
        rng: a key.
        dims: input features, then the outputs of each layer; of a bipartite graph `((senders, receivers), outputs)`.
    """
    sizes = check_dims(dims)
    rngs = jax.random.split(rng, (len(sizes), 2))
    return [_init_layer(r, *size) for r, size in zip(rngs, sizes, strict=True)]


def _init_layer(rngs: Array, in_dim: int | tuple[int, int], out_dim: int) -> Params:
    sender_dim, receiver_dim = ends_dims(in_dim)
    return {
        "self": init_linear(rngs[0], receiver_dim, out_dim),
        "neighbors": init_linear(rngs[1], sender_dim, out_dim, use_bias=False),
    }


def basic_gnn(
    params: list[Params],
    graph: Graph,
    x: Nodes,
    *,
    reduction: str = "sum",
    activation: Callable[[Array], Array] = jax.nn.relu,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Adds a linear map of each node and a reduction of linear maps of its neighbours.

    Args:
        params: what `init_basic_gnn` made.
        graph: edges between the nodes, without self-loops: a node sees itself through U.
        x: `[n, dims[0]]`; of a bipartite graph a pair `(x_senders, x_receivers)`, for one layer.
        reduction: of the messages `V h_j`: any of `tgnn.aggregate`.
        activation: between the layers.
        dropout_rate: of each layer's input.
        rng: key of the dropout.

    Returns:
        `[n, dims[-1]]`. A node without in-edges gets its own part only.

    Raises:
        ValueError: x are not the nodes of the graph, or there is a rate above 0 without a key.

    Reference: Joshi, Transformers are Graph Neural Networks, The Gradient, 2020; Morris et al., Weisfeiler and Leman Go
        Neural, arXiv:1810.02244, eq. 5 (PyG's GraphConv).

    >>> import jax, tgnn
    >>> params = tgnn.models.init_basic_gnn(jax.random.key(0), (4, 8, 2))
    >>> graph = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    >>> tgnn.models.basic_gnn(params, graph, jax.numpy.ones((3, 4))).shape
    (3, 2)
    """

    def layer(params, layout, x, rng, edges):
        senders, receivers = ends(x)
        return linear(params["self"], receivers) + aggregate(layout, linear(params["neighbors"], senders), reduction)

    return run_layers(layer, params, graph, x, activation=activation, dropout_rate=dropout_rate, rng=rng)


CHOICES = (Choice("Basic GNN", "neighbours", "1", "`aggregate`: sum", "arXiv:1810.02244"),)
