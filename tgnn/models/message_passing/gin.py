"""GIN: a perceptron on the sum of a node and its neighbours, which tells multisets of neighbours apart."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tgnn.attention.aggregation import aggregate
from tgnn.models.cards import Choice
from tgnn.models.layers import run_layers
from tgnn.nn.basic import init_mlp, linear, mlp
from tgnn.typing import Array, Params


def init_gin(rng: Array, dims: Sequence[int], *, hidden_dim: int | None = None) -> list[Params]:
    """Initialises layers `{"mlp", "epsilon"}` between the successive sizes of `dims`; epsilon is learned, from 0.

    Args:
        rng: a key.
        dims: input features, then the outputs of each layer.
        hidden_dim: hidden units of each layer's perceptron; default the outputs of the first layer.
    """
    rngs = jax.random.split(rng, len(dims) - 1)
    return [
        {"mlp": init_mlp(r, (in_dim, hidden_dim or dims[1], out_dim)), "epsilon": jnp.zeros(())}
        for r, in_dim, out_dim in zip(rngs, dims[:-1], dims[1:], strict=True)
    ]


def gin(
    params: list[Params],
    layout: Any,
    x: Array,
    *,
    activation: Callable[[Array], Array] = jax.nn.relu,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Applies `mlp((1 + epsilon) x_i + sum_j x_j)` in each layer.

    Args:
        params: what `init_gin` made.
        layout: edges between the nodes, without self-loops.
        x: `[n, dims[0]]`.
        activation: inside the perceptrons and between the layers.
        dropout_rate: of each layer's input.
        rng: key of the dropout; None switches it off.

    Returns:
        `[n, dims[-1]]`.

    Reference: Xu et al., How Powerful are Graph Neural Networks?, arXiv:1810.00826, eq. 4.1.
    """

    def layer(params, layout, x, rng):
        first, *rest = params["mlp"]
        # The perceptron's first map is linear, so it may come before the sum: fewer features per edge.
        value = linear({"kernel": first["kernel"]}, x)
        scale, bias = 1.0 + params["epsilon"].astype(x.dtype), first["bias"].astype(x.dtype)
        hidden = scale * value + aggregate(layout, value) + bias[None]
        return mlp(rest, activation(hidden), activation=activation)

    return run_layers(layer, params, layout, x, activation=activation, dropout_rate=dropout_rate, rng=rng)


CHOICES = (Choice("GIN", "neighbours", "1", "sum", "arXiv:1810.00826"),)
