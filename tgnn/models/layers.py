"""What the graph networks of this folder share: a loop over layers and what becomes of the heads of a layer."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax

from tgnn.errors import check_rows
from tgnn.graphs.interop import as_layout
from tgnn.nn.basic import dropout, fold, init_linear, linear
from tgnn.typing import Array, Params


def run_layers(
    layer: Callable[[Params, Any, Array, Array | None], Array],
    params: list[Params],
    layout: Any,
    x: Array,
    *,
    activation: Callable[[Array], Array],
    dropout_rate: float,
    rng: Array | None,
) -> Array:
    """Drops features and applies `layer(params, layout, x, rng)` once for each entry of params, activation between."""
    if len(x.shape) != 2:
        raise ValueError(f"x must have shape [n, features], got {x.shape}; use jax.vmap for a batch axis")
    layout = as_layout(layout, x.shape[0], x.shape[0])
    check_rows(layout, x)
    for i, layer_params in enumerate(params):
        x = activation(x) if i else x
        x = dropout(fold(rng, 2 * i), x, dropout_rate)
        x = layer(layer_params, layout, x, fold(rng, 2 * i + 1))
    return x


def run_attention_layers(
    layer: Callable[..., Array],
    params: list[Params],
    layout: Any,
    x: Array,
    edges: Array | None,
    *,
    activation: Callable[[Array], Array],
    dropout_rate: float,
    rng: Array | None,
) -> Array:
    """`run_layers` for `layer(params, layout, x, rng, edges, dropout_rate)`, with edges in the layout's own order."""
    check_edges("edge" in params[0], edges)
    layout, edges = own_order(layout, x, edges)
    layer = partial(layer, edges=edges, dropout_rate=dropout_rate)
    return run_layers(layer, params, layout, x, activation=activation, dropout_rate=dropout_rate, rng=rng)


def attention_options(params: Params, edges: Array | None, dropout_rate: float, rng: Array | None) -> dict[str, Any]:
    """What such a layer hands to `attend`: mapped features of edges, and dropout where there is a key."""
    edge = None if edges is None else linear(params["edge"], edges)
    return {"edges": edge, "dropout_rate": 0.0 if rng is None else dropout_rate, "rng": rng}


def stack_layers(init: Callable[[Array], Params], rng: Array, num_layers: int) -> Params:
    """What `init(rng)` gives for each layer, as one pytree with a leading axis, for `tgnn.block.run_blocks`."""
    return jax.vmap(init)(jax.random.split(rng, num_layers))


def own_order(layout: Any, x: Array, edges: Array | None) -> tuple[Any, Array | None]:
    """A layout whose own order of edges is the caller's, and features of edges in it: sorted once for all layers.

    Args:
        layout: a layout or a graph.
        x: the nodes, which tell a graph's size.
        edges: features in the caller's order, or None.
    """
    layout = as_layout(layout, x.shape[0], x.shape[0])
    edges = None if edges is None else layout.from_caller(edges)
    return layout, edges


def check_edges(expected: bool, edges: Array | None) -> None:
    """A ValueError if features of edges are missing or too many."""
    if expected != (edges is not None):
        raise ValueError(
            f"edges given is {edges is not None}, but params are for edges with features: {expected}; "
            "pass edges exactly to parameters that were initialised with edge_dim or use_edges=True"
        )


def init_edge(rng: Array, edge_dim: int | None, out_dim: int | tuple[int, ...]) -> Params:
    """`{"edge": a linear map without bias}` of a layer made from `rng`, or nothing where edges have no features."""
    # a key of its own, so that the other parameters are those of a layer without edges
    return {"edge": init_linear(jax.random.fold_in(rng, 9), edge_dim, out_dim, use_bias=False)} if edge_dim else {}


def split_heads(model_dim: int, num_heads: int) -> tuple[int, int]:
    """`(num_heads, head_dim)`, or a ValueError if the heads do not share the features evenly."""
    if num_heads < 1 or model_dim % num_heads:
        raise ValueError(f"num_heads must divide model_dim {model_dim}, got {num_heads}; choose a divisor")
    return num_heads, model_dim // num_heads


def layer_sizes(dims, num_heads: int, num_output_heads: int) -> list[tuple[int, int, int, bool]]:
    """Of each layer: input features, heads, features of a head, and whether it is the last one, which averages."""
    last = len(dims) - 2
    heads = [num_output_heads if i == last else num_heads for i in range(last + 1)]
    inputs = [dims[0]] + [num_heads * dim for dim in dims[1:-1]]
    return [(inputs[i], heads[i], dims[i + 1], i == last) for i in range(last + 1)]


def concatenate_heads(x: Array) -> Array:
    """`[n, heads, head_dim] -> [n, heads * head_dim]`."""
    return x.reshape(x.shape[0], x.shape[1] * x.shape[2])


def add_bias(bias: Array, x: Array) -> Array:
    """Adds a bias to every node and merges heads: concatenated if the bias has heads, else averaged.

    Args:
        bias: `[heads, head_dim]` or `[head_dim]`.
        x: `[n, heads, head_dim]`.

    Returns:
        `[n, heads * head_dim]` or `[n, head_dim]`.
    """
    bias = bias.astype(x.dtype)[None]
    return concatenate_heads(x + bias) if bias.ndim == 3 else x.mean(axis=1) + bias


def glorot(rng: Array, shape: tuple[int, int]) -> Array:
    """One attention vector per head `[heads, head_dim]`: Glorot uniform, as in PyG."""
    limit = (6 / sum(shape)) ** 0.5
    return jax.random.uniform(rng, shape, minval=-limit, maxval=limit)
