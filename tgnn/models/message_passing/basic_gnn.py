"""The essay's basic graph network: `h = activation(U h + sum V h)`, the node itself and the sum of its neighbours."""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from tgnn.attention.aggregation import aggregate
from tgnn.models.cards import Choice
from tgnn.models.layers import run_layers
from tgnn.nn.basic import init_linear, linear
from tgnn.typing import Array, Params


def init_basic_gnn(rng: Array, dims: Sequence[int]) -> list[Params]:
    """Initialises layers `{"self", "neighbors"}`, the essay's U (with a bias) and V, between the sizes of `dims`."""
    rngs = jax.random.split(rng, (len(dims) - 1, 2))
    return [
        {"self": init_linear(r[0], *sizes), "neighbors": init_linear(r[1], *sizes, use_bias=False)}
        for r, sizes in zip(rngs, zip(dims[:-1], dims[1:], strict=True), strict=True)
    ]


def basic_gnn(
    params: list[Params],
    layout: Any,
    x: Array,
    *,
    reduction: str = "sum",
    activation: Callable[[Array], Array] = jax.nn.relu,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Adds a linear map of each node and a reduction of linear maps of its neighbours.

    Args:
        params: what `init_basic_gnn` made.
        layout: edges between the nodes, without self-loops: a node sees itself through U.
        x: `[n, dims[0]]`.
        reduction: of the messages `V h_j`: any of `tgnn.aggregate`.
        activation: between the layers.
        dropout_rate: of each layer's input.
        rng: key of the dropout; None switches it off.

    Returns:
        `[n, dims[-1]]`. A node without in-edges gets its own part only.

    Reference: Joshi, Transformers are Graph Neural Networks, The Gradient, 2020; Morris et al., Weisfeiler and Leman Go
        Neural, arXiv:1810.02244, eq. 5 (PyG's GraphConv).
    """

    def layer(params, layout, x, rng):
        messages = aggregate(layout, linear(params["neighbors"], x), reduction)
        return linear(params["self"], x) + messages

    return run_layers(layer, params, layout, x, activation=activation, dropout_rate=dropout_rate, rng=rng)


CHOICES = (Choice("Basic GNN", "neighbours", "1", "sum", "arXiv:1810.02244"),)
