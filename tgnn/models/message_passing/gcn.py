"""GCN: the weights of the edges are given by the degrees; nothing is scored and nothing is normalised by a softmax."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax

from tgnn.attention.aggregation import symmetric_weights
from tgnn.models.cards import Choice
from tgnn.models.layers import add_bias, run_layers
from tgnn.nn.basic import init_linear, linear
from tgnn.typing import Array, Params


def init_gcn(rng: Array, dims: Sequence[int]) -> list[Params]:
    """Initialises one layer between each two successive sizes of `dims`: `{"kernel", "bias"}`, Glorot and zero."""
    rngs = jax.random.split(rng, len(dims) - 1)
    return [init_linear(r, *sizes) for r, sizes in zip(rngs, zip(dims[:-1], dims[1:], strict=True), strict=True)]


def gcn(
    params: list[Params],
    layout: Any,
    x: Array,
    *,
    edge_weight: Array | None = None,
    activation: Callable[[Array], Array] = jax.nn.relu,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Averages over neighbours with weights `1 / sqrt(degree_i degree_j)`, a linear map before each time.

    Args:
        params: what `init_gcn` made.
        layout: edges between the nodes; as in the paper, with self-loops (`tgnn.self_loops`).
        x: `[n, dims[0]]`.
        edge_weight: `[*edge_shape]` in the caller's order, such as similarities; degrees are their sums. None: 1 each.
            `tgnn.self_loops` puts loops last: `jnp.append(edge_weight, jnp.ones(n))` where no node had one.
        activation: between the layers.
        dropout_rate: of each layer's input.
        rng: key of the dropout; None switches it off.

    Returns:
        `[n, dims[-1]]`. A node without in-edges gets the bias.

    Reference: Kipf and Welling, Semi-Supervised Classification with Graph Convolutional Networks, arXiv:1609.02907, eq.
        2. As in PyG's GCNConv, degrees are in-degrees where edges are directed.
    """
    layer = partial(gcn_layer, edge_weight=edge_weight)
    return run_layers(layer, params, layout, x, activation=activation, dropout_rate=dropout_rate, rng=rng)


def gcn_layer(
    params: Params, layout: Any, x: Array, rng: Array | None = None, *, edge_weight: Array | None = None
) -> Array:
    """One layer: `[n, in_dim] -> [n, out_dim]`; rng is not used, since there are no attention weights to drop."""
    value = linear({"kernel": params["kernel"]}, x)[:, None]
    return add_bias(params["bias"], layout.aggregate(symmetric_weights(layout, edge_weight), value).astype(x.dtype))


CHOICES = (Choice("GCN", "neighbours and itself", "by degrees: `symmetric_weights`", "sum", "arXiv:1609.02907"),)
