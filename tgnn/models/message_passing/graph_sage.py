"""GraphSAGE: a node and the mean, or the maximum after a hidden layer, of its neighbours."""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from tgnn.attention.aggregation import aggregate
from tgnn.models.cards import Choice
from tgnn.models.layers import run_layers
from tgnn.nn.basic import init_linear, linear
from tgnn.typing import Array, Params


def init_graph_sage(rng: Array, dims: Sequence[int], *, pool: bool = False) -> list[Params]:
    """Initialises layers `{"self", "neighbors"}`, and `"pool"` if asked for, between the successive sizes of `dims`."""
    rngs = jax.random.split(rng, (len(dims) - 1, 3))
    return [_init_layer(r, *sizes, pool) for r, *sizes in zip(rngs, dims[:-1], dims[1:], strict=True)]


def _init_layer(rngs: Array, in_dim: int, out_dim: int, pool: bool) -> Params:
    params = {
        "self": init_linear(rngs[0], in_dim, out_dim),
        "neighbors": init_linear(rngs[1], in_dim, out_dim, use_bias=False),
    }
    return params | {"pool": init_linear(rngs[2], in_dim, in_dim)} if pool else params


def graph_sage(
    params: list[Params],
    layout: Any,
    x: Array,
    *,
    activation: Callable[[Array], Array] = jax.nn.relu,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Adds a linear map of each node and one of its neighbours' mean, or pooled maximum.

    Args:
        params: what `init_graph_sage` made; layers with `"pool"` take the maximum of `relu(pool(x_j))`.
        layout: edges between the nodes; a sampled neighbourhood is a layout with fewer edges.
        x: `[n, dims[0]]`.
        activation: between the layers.
        dropout_rate: of each layer's input.
        rng: key of the dropout; None switches it off.

    Returns:
        `[n, dims[-1]]`. A node without in-edges gets its own part only.

    Reference: Hamilton, Ying and Leskovec, Inductive Representation Learning on Large Graphs, arXiv:1706.02216,
        algorithm 1 and eq. 3. As in PyG's SAGEConv the output is not normalised to unit length.
    """

    def layer(params, layout, x, rng):
        if "pool" in params:
            pooled = aggregate(layout, jax.nn.relu(linear(params["pool"], x)), "max")
            messages = linear(params["neighbors"], pooled)
        else:  # the mean of linear maps is the linear map of the mean, and usually smaller
            messages = aggregate(layout, linear(params["neighbors"], x), "mean")
        return linear(params["self"], x) + messages

    return run_layers(layer, params, layout, x, activation=activation, dropout_rate=dropout_rate, rng=rng)


CHOICES = (Choice("GraphSAGE", "neighbours, perhaps a sample", "1", "mean or maximum", "arXiv:1706.02216"),)
