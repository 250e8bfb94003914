"""PinSage: a node beside the mean of its neighbours, each of whom counts as often as random walks visit it."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from tgnn.errors import check_size
from tgnn.graphs import Layout
from tgnn.models.cards import Choice
from tgnn.models.edge_features import as_real
from tgnn.models.layers import Nodes, check_dims, ends, ends_dims, run_layers
from tgnn.nn.basic import init_linear, linear
from tgnn.softmax import wide_dtype
from tgnn.typing import Array, Graph, Params


def init_pinsage(rng: Array, dims: Sequence[int], *, hidden_dim: int | None = None) -> list[Params]:
    """Initialises layers `{"neighbors", "output"}` between the successive sizes of `dims`: the paper's Q, q and W, w.

    Args:
        rng: a key.
        dims: input features, then the outputs of each layer; of a bipartite graph `((senders, receivers), outputs)`.
        hidden_dim: features in which neighbours are averaged; default the outputs of each layer.
    """
    sizes, layers = check_dims(dims), []
    for r, (in_dim, out_dim) in zip(jax.random.split(rng, (len(sizes), 2)), sizes, strict=True):
        sender_dim, receiver_dim = ends_dims(in_dim)
        hidden = out_dim if hidden_dim is None else check_size("hidden_dim", hidden_dim, minimum=1)
        maps = init_linear(r[0], sender_dim, hidden), init_linear(r[1], receiver_dim + hidden, out_dim)
        layers.append(dict(zip(("neighbors", "output"), maps, strict=True)))
    return layers


def pinsage(
    params: list[Params],
    graph: Graph,
    x: Nodes,
    *,
    edge_weight: Array | None = None,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Applies `z = relu(W [x_i, n_i] + w)`, of unit length, with `n_i` the weighted mean of `relu(Q x_j + q)`.

    Args:
        params: what `init_pinsage` made.
        graph: from the important neighbours of each node to it; `tgnn.sampling.sample_important` finds them.
        x: `[n, dims[0]]`; of a bipartite graph a pair `(x_senders, x_receivers)`, for one layer.
        edge_weight: `[*edge_shape]` in the caller's order: how often walks visited; not negative, and divided by its
            sum at each receiver. None: 1 each.
        dropout_rate: of each layer's input.
        rng: key of the dropout.

    Returns:
        `[n, dims[-1]]`, each row of length 1, or zeros. A node without in-edges, or with weights of 0, gets its own
        part only.

    Raises:
        ValueError: x are not the nodes of the graph, or there is a rate above 0 without a key.

    Reference: Ying et al., Graph Convolutional Neural Networks for Web-Scale Recommender Systems, arXiv:1806.01973,
        algorithm 1. The two dense layers after the last one (algorithm 2, lines 15 to 17) are left to the caller:
        `tgnn.nn.mlp`.

    >>> import jax, tgnn
    >>> params = tgnn.models.init_pinsage(jax.random.key(0), (4, 8, 2))
    >>> graph = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    >>> visits = jax.numpy.array([3, 1])
    >>> tgnn.models.pinsage(params, graph, jax.numpy.ones((3, 4)), edge_weight=visits).shape
    (3, 2)
    """
    weight = None if edge_weight is None else as_real(edge_weight)
    # Between two layers there is no activation more: both ends of one have their own.
    return run_layers(layer, params, graph, x, weight, activation=same, dropout_rate=dropout_rate, rng=rng)


def layer(params: Params, layout: Layout, x: Nodes, rng: Array | None = None, weight: Array | None = None) -> Array:
    """One layer: `[n, in_dim] -> [n, out_dim]`."""
    senders, receivers = ends(x)
    hidden = jax.nn.relu(linear(params["neighbors"], senders))  # [n_senders, hidden_dim]
    weights = jnp.ones(layout.edge_shape, hidden.dtype) if weight is None else weight
    one = jnp.ones((hidden.shape[0], 1), hidden.dtype)  # its sum is that of the weights
    sums = layout.aggregate(layout.zero_dead_edges(weights[..., None]), jnp.concatenate([hidden, one], 1)[:, None])[
        :, 0
    ]
    total = sums[:, -1:]  # [n, 1]
    mean = jnp.where(total > 0, sums[:, :-1] / jnp.where(total > 0, total, 1), 0).astype(hidden.dtype)
    return unit(jax.nn.relu(linear(params["output"], jnp.concatenate([receivers, mean], axis=1))))


def unit(x: Array) -> Array:
    """Rows of length 1; zeros stay zeros, with finite gradients: the root is taken of nothing smaller than 1e-12."""
    wide = x.astype(wide_dtype(x.dtype))
    return (wide * jax.lax.rsqrt(jnp.maximum(jnp.square(wide).sum(1, keepdims=True), 1e-12))).astype(x.dtype)


def same(x: Array) -> Array:
    """What it is given."""
    return x


CHOICES = (
    Choice(
        "PinSage",
        "who is visited most: `sampling.sample_important`",
        "visits of random walks",
        "`aggregate`: weighted mean",
        "arXiv:1806.01973",
    ),
)
