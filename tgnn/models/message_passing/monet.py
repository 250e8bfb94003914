"""MoNet: the weight of an edge is a mixture of learned Gaussians of its pseudo-coordinates."""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp

from tgnn.attention.aggregation import inverse_root, row_weights
from tgnn.attention.scores import Gaussian
from tgnn.errors import check_size
from tgnn.graphs import Layout
from tgnn.graphs.interop import as_layout
from tgnn.graphs.transforms import degrees
from tgnn.models.cards import Choice
from tgnn.models.edge_features import check_edge_dim
from tgnn.models.layers import Nodes, check_dims, run_layers, sent, single_dim
from tgnn.nn.basic import init_linear, linear
from tgnn.nn.draws import normal
from tgnn.typing import Array, Graph, Params


def init_monet(rng: Array, dims: Sequence[int], *, num_kernels: int = 3, edge_dim: int = 2) -> list[Params]:
    """Initialises layers `{"linear", "coordinates", "mean", "width", "bias"}` between the successive sizes of `dims`.

    The paper does not state its initialisation. Means are normal with deviation 0.1 and widths 1, so every Gaussian
    starts wide over what tanh gives.

    Args:
        rng: a key.
        dims: input features, then the outputs of each layer.
        num_kernels: Gaussians of a layer; each is a head with its own linear map.
        edge_dim: pseudo-coordinates of an edge, before and after their learned map.
    """
    num_kernels = check_size("num_kernels", num_kernels, minimum=1)
    edge_dim = check_size("edge_dim", edge_dim, minimum=1)
    sizes = [(single_dim(in_dim, "MoNet"), out_dim) for in_dim, out_dim in check_dims(dims)]
    rngs = jax.random.split(rng, len(sizes))
    return [_init_layer(r, *size, num_kernels, edge_dim) for r, size in zip(rngs, sizes, strict=True)]


def _init_layer(rng: Array, in_dim: int, out_dim: int, kernels: int, edge_dim: int) -> Params:
    linear_rng, map_rng, mean_rng = jax.random.split(rng, 3)
    return {
        "linear": init_linear(linear_rng, in_dim, (kernels, out_dim), use_bias=False),
        "coordinates": init_linear(map_rng, edge_dim, edge_dim),
        "mean": 0.1 * normal(mean_rng, (kernels, edge_dim)),
        "width": jnp.ones((kernels, edge_dim)),
        "bias": jnp.zeros(out_dim),
    }


def monet(
    params: list[Params],
    graph: Graph,
    x: Nodes,
    *,
    edges: Array | None = None,
    reduction: str = "sum",
    activation: Callable[[Array], Array] = jax.nn.relu,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Sums over neighbours, weighted by Gaussians of `tanh(linear(edges))`; the kernels' sums are added up.

    Args:
        params: what `init_monet` made; a layer without `"coordinates"` takes the coordinates as they are.
        graph: edges between the nodes.
        x: `[n, dims[0]]`; of a bipartite graph a pair `(x_senders, x_receivers)`, for one layer, the second None or
            unread.
        edges: pseudo-coordinates `[*edge_shape, edge_dim]` in the caller's order; default `degree_coordinates(graph)`,
            those of the paper's citation graphs.
        reduction: "sum" over the neighbours, as in the paper, or their "mean", PyG's default and that of the recipe
            with which `experiments/citation` is measured.
        activation: between the layers.
        dropout_rate: of each layer's input.
        rng: key of the dropout.

    Returns:
        `[n, dims[-1]]`. A node without in-edges gets the bias.

    Raises:
        ValueError: for another reduction, edges of another size than the parameters', x that are not the nodes of the
            graph, or a rate above 0 without a key.

    Reference: Monti et al., Geometric deep learning on graphs and manifolds using mixture model CNNs, arXiv:1611.08402,
        eqs. 9 to 11 and 13.

    >>> import jax, tgnn
    >>> params = tgnn.models.init_monet(jax.random.key(0), (4, 8, 2))
    >>> graph = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    >>> tgnn.models.monet(params, graph, jax.numpy.ones((3, 4))).shape
    (3, 2)
    """
    if reduction not in ("sum", "mean"):
        raise ValueError(f'reduction must be "sum" or "mean", got {reduction!r}')
    edge_dim = params[0]["mean"].shape[-1]
    if edges is not None:
        check_edge_dim(edge_dim, edges)
    elif edge_dim != 2:
        raise ValueError(f"edges is None, but params are for {edge_dim} coordinates of an edge, and degrees give 2")
    layer = partial(monet_layer, reduction=reduction)
    options = {"activation": activation, "dropout_rate": dropout_rate, "rng": rng}
    return run_layers(layer, params, graph, x, edges, **options)


def monet_layer(
    params: Params,
    layout: Layout,
    x: Nodes,
    rng: Array | None = None,
    edges: Array | None = None,
    *,
    reduction: str = "sum",
) -> Array:
    """One layer: `[n, in_dim] -> [n, out_dim]`; rng is not used, edges are in the caller's order."""
    coordinates = degree_coordinates(layout) if edges is None else edges
    if "coordinates" in params:
        coordinates = jnp.tanh(linear(params["coordinates"], coordinates))
    coordinates = coordinates[..., None, :]  # [*edge_shape, 1, edge_dim]: one for all kernels
    logits = Gaussian(params["mean"], params["width"]).pair(coordinates, coordinates, coordinates)
    weights = jnp.exp(logits) * (row_weights(layout) if reduction == "mean" else 1.0)  # [*edge_shape, kernels]
    value = linear(params["linear"], sent(x))  # [n_senders, kernels, out_dim]
    output = layout.aggregate(layout.zero_dead_edges(weights), value).sum(axis=1)  # [n, out_dim]
    return output.astype(value.dtype) + params["bias"].astype(value.dtype)[None]


def degree_coordinates(graph: Graph) -> Array:
    """The pseudo-coordinates `(degree_i ** -0.5, degree_j ** -0.5)` of each edge, in the caller's order.

    Degrees are in-degrees; those of the senders are their out-degrees where there are more or fewer of them than of the
    receivers.

    Returns:
        `[*edge_shape, 2]`.
    """
    layout = as_layout(graph)
    inner = degrees(layout)
    outer = inner if layout.n_receivers == layout.n_senders else degrees(layout, "senders")
    roots = layout.from_receivers(inverse_root(inner)[:, None]), layout.from_senders(inverse_root(outer)[:, None])
    both = jnp.concatenate([jnp.broadcast_to(x, (*layout.edge_shape, 1)) for x in roots], axis=-1)
    return layout.zero_dead_edges(both)


CHOICES = (
    Choice(
        "MoNet",
        "neighbours",
        "exp of `Gaussian`, of pseudo-coordinates",
        "`aggregate`: sum, as in the paper, or mean, as measured",
        "arXiv:1611.08402",
    ),
)
