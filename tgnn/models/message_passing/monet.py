"""MoNet: the weight of an edge is a mixture of learned Gaussians of its pseudo-coordinates."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tgnn.attention.aggregation import inverse_root, row_weights
from tgnn.attention.scores import Gaussian
from tgnn.graphs.interop import as_layout
from tgnn.graphs.transforms import degrees
from tgnn.models.cards import Choice
from tgnn.models.layers import run_layers
from tgnn.nn.basic import init_linear, linear
from tgnn.typing import Array, Params


def init_monet(rng: Array, dims: Sequence[int], *, num_kernels: int = 3, coordinate_dim: int = 2) -> list[Params]:
    """Initialises layers `{"linear", "coordinates", "mean", "width", "bias"}` between the successive sizes of `dims`.

    The paper does not state its initialisation. Means are normal with deviation 0.1 and widths 1, so every Gaussian
    starts wide over what tanh gives.

    Args:
        rng: a key.
        dims: input features, then the outputs of each layer.
        num_kernels: Gaussians of a layer; each is a head with its own linear map.
        coordinate_dim: of the pseudo-coordinates, before and after their learned map.
    """
    rngs = jax.random.split(rng, len(dims) - 1)
    sizes = zip(rngs, dims[:-1], dims[1:], strict=True)
    return [_init_layer(r, in_dim, out_dim, num_kernels, coordinate_dim) for r, in_dim, out_dim in sizes]


def _init_layer(rng: Array, in_dim: int, out_dim: int, kernels: int, coordinate_dim: int) -> Params:
    linear_rng, map_rng, mean_rng = jax.random.split(rng, 3)
    return {
        "linear": init_linear(linear_rng, in_dim, (kernels, out_dim), use_bias=False),
        "coordinates": init_linear(map_rng, coordinate_dim, coordinate_dim),
        "mean": 0.1 * jax.random.normal(mean_rng, (kernels, coordinate_dim)),
        "width": jnp.ones((kernels, coordinate_dim)),
        "bias": jnp.zeros(out_dim),
    }


def monet(
    params: list[Params],
    layout: Any,
    x: Array,
    *,
    coordinates: Array | None = None,
    reduction: str = "sum",
    activation: Callable[[Array], Array] = jax.nn.relu,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Sums over neighbours, weighted by Gaussians of `tanh(linear(coordinates))`; the kernels' sums are added up.

    Args:
        params: what `init_monet` made; a layer without `"coordinates"` takes the coordinates as they are.
        layout: edges between the nodes.
        x: `[n, dims[0]]`.
        coordinates: `[*edge_shape, coordinate_dim]` in the caller's order; default `degree_coordinates(layout)`.
        reduction: "sum" over the neighbours, as in the paper, or their "mean", PyG's default.
        activation: between the layers.
        dropout_rate: of each layer's input.
        rng: key of the dropout; None switches it off.

    Returns:
        `[n, dims[-1]]`. A node without in-edges gets the bias.

    Raises:
        ValueError: for another reduction.

    Reference: Monti et al., Geometric deep learning on graphs and manifolds using mixture model CNNs, arXiv:1611.08402,
        eqs. 9 to 11 and 13.
    """
    if reduction not in ("sum", "mean"):
        raise ValueError(f'reduction must be "sum" or "mean", got {reduction!r}')
    layout = as_layout(layout, x.shape[0], x.shape[0])
    coordinates = degree_coordinates(layout) if coordinates is None else coordinates
    own = layout.from_caller(coordinates)

    def layer(params, layout, x, rng):
        return monet_layer(params, layout, x, own, reduction)

    return run_layers(layer, params, layout, x, activation=activation, dropout_rate=dropout_rate, rng=rng)


def monet_layer(params: Params, layout: Any, x: Array, coordinates: Array, reduction: str = "sum") -> Array:
    """One layer: `[n, in_dim] -> [n, out_dim]`; coordinates in the layout's own order."""
    if "coordinates" in params:
        coordinates = jnp.tanh(linear(params["coordinates"], coordinates))
    coordinates = coordinates[..., None, :]  # one for all kernels
    logits = Gaussian(params["mean"], params["width"]).pair(coordinates, coordinates, coordinates)
    weights = jnp.exp(logits) * (row_weights(layout) if reduction == "mean" else 1.0)
    output = layout.aggregate(layout.zero_dead_edges(weights), linear(params["linear"], x)).sum(axis=1)
    return (output + params["bias"][None]).astype(x.dtype)


def degree_coordinates(layout: Any) -> Array:
    """The pseudo-coordinates `(degree_i ** -0.5, degree_j ** -0.5)` of each edge, in the caller's order.

    Returns:
        `[*edge_shape, 2]`.
    """
    root = inverse_root(degrees(layout))[:, None]
    ends = (layout.from_receivers(root), layout.from_senders(root))
    both = jnp.concatenate([jnp.broadcast_to(x, (*layout.edge_shape, 1)) for x in ends], axis=-1)
    return layout.to_caller(layout.zero_dead_edges(both))


CHOICES = (Choice("MoNet", "neighbours", "exp of `Gaussian`, of pseudo-coordinates", "sum", "arXiv:1611.08402"),)
