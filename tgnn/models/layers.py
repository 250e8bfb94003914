"""What the models share: a loop over layers, whose nodes may be of two sets.

A bipartite graph has two sets of nodes. Its x is a pair, as in PyG: `(x_senders, x_receivers)`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from tgnn.compiled import compiled
from tgnn.errors import check_dropout, check_size
from tgnn.graphs import Layout
from tgnn.graphs.interop import as_layout
from tgnn.models.edge_features import features_of
from tgnn.nn.basic import dropout, fold
from tgnn.typing import Array, Graph, Params

Nodes = Array | tuple[Array, Array | None]


def run_layers(
    layer: Callable[..., Array],
    params: list[Params],
    graph: Graph,
    x: Nodes,
    edges: Array | None = None,
    *,
    activation: Callable[[Array], Array],
    dropout_rate: float,
    rng: Array | None,
) -> Array:
    """Drops features and applies a layer once for each entry of params, with the activation between.

    Args:
        layer: `(params, layout, x, rng, edges) -> x`; arrays that it reads must be its arguments.
        params: of each layer.
        graph: a layout or a graph.
        x: `[n, features]`, or, for one layer, a pair.
        edges: what the layers see of the edges, in the caller's order.
        activation: between the layers.
        dropout_rate: of each layer's input.
        rng: key of the dropout.
    """
    dropout_rate = check_dropout(dropout_rate, rng)
    layout = layout_of(graph, x, len(params))
    edges = features_of(layout, edges)
    return _run(layer, params, layout, x, edges, activation, dropout_rate, rng)


@compiled
def _run(layer, params, layout, x, edges, activation, dropout_rate, rng):
    for i, layer_params in enumerate(params):
        x = activation(x) if i else x
        x = drop_nodes(fold(rng, 2 * i), x, dropout_rate)
        x = layer(layer_params, layout, x, fold(rng, 2 * i + 1), edges)
    return x


def layout_of(graph: Graph, x: Nodes, num_layers: int = 1) -> Layout:
    """The layout of a graph, or a ValueError if x are not its nodes.

    Args:
        graph: a layout or a graph.
        x: `[n, features]`, or a pair `(x_senders, x_receivers)`, whose second may be None where no layer reads it.
        num_layers: how many layers will run on the graph.
    """
    is_pair = isinstance(x, tuple)
    pair = x if is_pair else (x,)
    if len(pair) > 2 or pair[0] is None:
        raise ValueError(f"x must be an array, or a pair (x_senders, x_receivers), got a tuple of {len(pair)}")
    for part in pair:
        if part is not None and len(getattr(part, "shape", ())) != 2:
            found = getattr(part, "shape", type(part).__name__)
            raise ValueError(f"x must have shape [n, features], got {found}; use jax.vmap for a batch axis")
    senders, receivers = pair[0], pair[-1]
    layout = as_layout(graph, senders.shape[0] if receivers is None else receivers.shape[0], senders.shape[0])
    sizes = layout.n_senders, layout.n_receivers
    if not is_pair and sizes[0] != sizes[1]:
        raise ValueError(
            f"graph has {sizes[0]} senders and {sizes[1]} receivers, but x is one array of shape {senders.shape}; pass "
            "a pair (x_senders, x_receivers)"
        )
    for part, size, name in zip(pair, sizes, ("senders", "receivers"), strict=False):
        if part is not None and part.shape[0] != size:
            raise ValueError(
                f"x has shape {part.shape}, but the graph has {size} {name}, one row each; pad the rows, or build the "
                "layout for this many nodes; of a bipartite graph x is a pair (x_senders, x_receivers)"
            )
    if is_pair and num_layers != 1:
        raise ValueError(
            f"x is a pair (x_senders, x_receivers), but params have {num_layers} layers, and a layer gives new "
            "features to the receivers only; apply one layer at a time"
        )
    return layout


def ends(x: Nodes) -> tuple[Array, Array]:
    """The features of the senders and those of the receivers."""
    senders, receivers = x if isinstance(x, tuple) else (x, x)
    if receivers is None:
        raise ValueError(
            "x is (x_senders, None), but this model reads the receivers too; pass a pair (x_senders, x_receivers)"
        )
    return senders, receivers


def sent(x: Nodes) -> Array:
    """The features of the senders, where nothing else is read."""
    return x[0] if isinstance(x, tuple) else x


def drop_nodes(rng: Array | None, x: Nodes, rate: float) -> Nodes:
    """Dropout of the features of one set of nodes, or of each of two."""
    if not isinstance(x, tuple):
        return dropout(rng, x, rate)
    senders, receivers = x
    dropped = dropout(fold(rng, 0), senders, rate)
    return dropped, None if receivers is None else dropout(fold(rng, 1), receivers, rate)


def check_dims(dims: Sequence[int]) -> list[tuple[Any, int]]:
    """Input and output size of each layer; the first input may be a pair, of the senders and of the receivers."""
    if len(dims) < 2:
        raise ValueError(f"dims must be the inputs and the outputs of at least one layer, got {tuple(dims)}")
    first = dims[0] if isinstance(dims[0], (tuple, list)) else (dims[0],)
    for size in (*first, *dims[1:]):
        check_size("dims", size)
    return list(zip(dims[:-1], dims[1:], strict=True))


def ends_dims(in_dim: int | tuple[int, int]) -> tuple[int, int]:
    """The sizes of the features of the senders and of the receivers."""
    senders, receivers = in_dim if isinstance(in_dim, (tuple, list)) else (in_dim, in_dim)
    return senders, receivers


def single_dim(in_dim: int | tuple[int, int], name: str) -> int:
    """One size, or a ValueError for two where one weight serves both ends."""
    if isinstance(in_dim, (tuple, list)):
        raise ValueError(f"dims begin with {tuple(in_dim)}, but {name} has one linear map for both ends; give one size")
    return in_dim


def stack_layers(init: Callable[[Array], Params], rng: Array, num_layers: int) -> Params:
    """What `init(rng)` gives for each layer, as one pytree with a leading axis, for `tgnn.nn.block.run_blocks`."""
    num_layers = check_size("num_layers", num_layers, minimum=1)
    return jax.vmap(init)(jax.random.split(rng, num_layers))
