"""Graphormer: a Transformer on the complete graph, told of the given one by biases of degrees, distances and paths."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.graphs import Complete, Layout
from tgnn.graphs.interop import live_edges
from tgnn.graphs.layout import is_traced
from tgnn.models.cards import Choice
from tgnn.models.layers import check_edges
from tgnn.nn.basic import embedding, init_embedding
from tgnn.nn.block import TransformerConfig, transformer_block
from tgnn.nn.graph_positions import shortest_path_edges
from tgnn.nn.transformer import encoder, init_encoder
from tgnn.typing import Array, Params


class Surroundings(NamedTuple):
    """What Graphormer knows of a graph, or of a union of graphs: n nodes, and then one virtual node for each graph.

    Attributes:
        degrees: int32 [n, 2], in-degree and out-degree.
        segments: int32 [n + n_graph], the graph of each node, the virtual ones included; -1 = padding.
        distances: int32 [n + n_graph, n + n_graph], to receivers from senders: 0 to the largest that is told apart,
            then one number for pairs that no path joins and one for pairs with a virtual node.
        paths: int32 [n + n_graph, n + n_graph, length], edges of a shortest path in the caller's order, or -1.
    """

    degrees: Array | np.ndarray
    segments: Array | np.ndarray
    distances: Array | np.ndarray
    paths: Array | np.ndarray


def surroundings(
    layout: Layout,
    *,
    segments: Array | None = None,
    num_graphs: int | None = None,
    max_distance: int = 5,
    path_length: int = 5,
) -> Surroundings:
    """Measures a graph for `graphormer`. Host side, O(n ** 2 * path_length) memory.

    Args:
        layout: the given edges, an `EdgeList` where these have features.
        segments: ints `[n]`, the graph of each node, -1 for padding; default one graph.
        num_graphs: virtual nodes; default one for each graph.
        max_distance: longer distances count as this one.
        path_length: how many edges of a path give a bias; 0 for none.

    Many graphs of one size are cheaper apart: stack what this gives for each and `jax.vmap` the model.
    """
    n = layout.n_receivers
    owner = np.zeros(n, np.int32) if segments is None else np.asarray(segments, np.int32)
    num_graphs = int(owner.max(initial=-1)) + 1 if num_graphs is None else num_graphs
    senders, receivers = live_edges(layout)
    degrees = [np.bincount(ends, minlength=n).astype(np.int32) for ends in (receivers, senders)]
    paths = shortest_path_edges(layout, path_length, max_distance=max_distance, unreachable=max_distance + 1)
    more = ((0, num_graphs), (0, num_graphs))
    return Surroundings(
        np.stack(degrees, axis=1),
        np.append(owner, np.arange(num_graphs, dtype=np.int32)),
        np.pad(paths.distances, more, constant_values=max_distance + 2),
        np.pad(paths.edges, (*more, (0, 0)), constant_values=-1),
    )


def init_graphormer(
    rng: Array,
    *,
    num_layers: int,
    model_dim: int,
    num_heads: int,
    hidden_dim: int | None = None,
    edge_dim: int | None = None,
    max_degree: int = 16,
    max_distance: int = 5,
    path_length: int = 5,
) -> Params:
    """Initialises `{"encoder", "in_degree", "out_degree", "virtual", "distance"}`, and `"path"` if edges have features.

    Args:
        rng: a key.
        num_layers: layers.
        model_dim: features of a node, throughout.
        num_heads: a divisor of `model_dim`; biases are of each head, and shared by the layers.
        hidden_dim: of the perceptrons; default `model_dim`, as in the paper.
        edge_dim: features of an edge; None if they have none.
        max_degree: larger degrees count as this one.
        max_distance: as for `surroundings`.
        path_length: as for `surroundings`.
    """
    rngs = jax.random.split(rng, 6)
    config = TransformerConfig(
        vocab_size=0,
        model_dim=model_dim,
        num_layers=num_layers,
        num_heads=num_heads,
        hidden_dim=hidden_dim or model_dim,
    )
    params = {
        "encoder": init_encoder(rngs[0], config),
        "in_degree": init_embedding(rngs[1], max_degree + 1, model_dim),
        "out_degree": init_embedding(rngs[2], max_degree + 1, model_dim),
        "virtual": init_embedding(rngs[3], 1, model_dim)["table"][0],
        "distance": 0.02 * jax.random.normal(rngs[4], (max_distance + 3, num_heads)),
    }
    path = 0.02 * jax.random.normal(rngs[5], (path_length, edge_dim or 0, num_heads))
    return params | {"path": path} if edge_dim else params


def graphormer(
    params: Params,
    around: Surroundings,
    x: Array,
    *,
    edges: Array | None = None,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> tuple[Array, Array]:
    """Attends to all nodes of the graph and to its virtual node, with biases of where they stand in the given graph.

    Args:
        params: what `init_graphormer` made.
        around: what `surroundings` measured, with the same `max_distance` and `path_length`.
        x: `[n, model_dim]`, embedded features of the nodes.
        edges: `[n_edge, edge_dim]` in the caller's order of the measured layout; needed if `edge_dim` was set.
        dropout_rate: as for `transformer_block`.
        rng: key of the dropout; None switches it off.

    Returns:
        The nodes `[n, model_dim]` and the virtual nodes `[n_graph, model_dim]`, the paper's readout. Cost: O(n ** 2).

    Raises:
        ValueError: if only one of the parameters and the call has edges, or `around` was measured with other sizes (of
            `max_distance`, this is seen outside jit only: inside, other distances have no bias).

    Reference: Ying et al., Do Transformers Really Perform Bad for Graph Representation?, arXiv:2106.05234, eqs. 5 to 9.
        Pairs of nodes without a path share a bias of their own.
    """
    check_edges("path" in params, edges)
    _check_sizes(params, around)
    n, total = x.shape[0], around.segments.shape[0]
    for place, name in enumerate(("in_degree", "out_degree")):
        rows = params[name]["table"].shape[0]
        x = x + embedding(params[name], jnp.minimum(around.degrees[:, place], rows - 1)).astype(x.dtype)
    virtual = jnp.broadcast_to(params["virtual"].astype(x.dtype), (total - n, x.shape[1]))
    layout = Complete(total).with_segments(around.segments)
    bias = params["distance"].at[around.distances].get(mode="fill", fill_value=0)
    if edges is not None:
        bias = bias + path_bias(params["path"], around.paths, edges)
    block = partial(transformer_block, bias=bias, activation=jax.nn.gelu)
    x = jnp.concatenate([x, virtual])
    x = encoder(params["encoder"], layout, x, block=block, dropout_rate=dropout_rate, rng=rng)
    return x[:n], x[n:]


def _check_sizes(params: Params, around: Surroundings) -> None:
    if "path" in params and around.paths.shape[-1] != len(params["path"]):
        raise ValueError(
            f"around has paths of {around.paths.shape[-1]} edges, but params are for {len(params['path'])}; "
            "pass the same path_length to surroundings and init_graphormer"
        )
    last, n_virtual = len(params["distance"]) - 1, len(around.segments) - len(around.degrees)
    if n_virtual and not is_traced(around.distances) and np.max(around.distances) != last:
        raise ValueError(
            f"around numbers distances to {np.max(around.distances)}, but params to {last}; "
            "pass the same max_distance to surroundings and init_graphormer"
        )


def path_bias(kernel: Array, paths: Array, edges: Array) -> Array:
    """The mean over the edges of a path of `<edge, kernel[place on the path]>`, 0 for a path without edges.

    Args:
        kernel: `[length, edge_dim, heads]`.
        paths: ints `[n, n, length]`.
        edges: `[n_edge, edge_dim]`.

    Returns:
        `[n, n, heads]`.
    """
    if not len(edges):  # no row to take
        return jnp.zeros((*paths.shape[:2], kernel.shape[-1]), edges.dtype)
    there = paths >= 0
    total = jnp.zeros((*paths.shape[:2], kernel.shape[-1]), edges.dtype)
    for place in range(kernel.shape[0]):  # one after another: all at once would take `length` times the memory
        values = edges @ kernel[place].astype(edges.dtype)
        found = values.at[jnp.clip(paths[..., place], 0)].get(mode="fill", fill_value=0)
        total = total + jnp.where(there[..., place, None], found, 0)
    return total / jnp.maximum(there.sum(-1), 1)[..., None].astype(edges.dtype)


CHOICES = (
    Choice(
        "Graphormer",
        "`Complete`, with a virtual node",
        "dot product and bias, of distance and path in the given graph",
        "softmax",
        "arXiv:2106.05234",
    ),
)
