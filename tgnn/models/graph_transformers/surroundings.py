"""What Graphormer knows of a graph: degrees, distances, and the edges of shortest paths."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from tgnn.errors import check_segments, check_size
from tgnn.graphs import Layout
from tgnn.graphs.interop import live_edges
from tgnn.graphs.layout import is_traced
from tgnn.nn.graph_positions import shortest_path_edges
from tgnn.softmax import wide_dtype
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
    max_distance, path_length = check_size("max_distance", max_distance), check_size("path_length", path_length)
    n = layout.n_receivers
    owner = np.zeros(n, np.int32) if segments is None else np.asarray(check_segments("segments", segments, n))
    num_graphs = int(owner.max(initial=-1)) + 1 if num_graphs is None else check_size("num_graphs", num_graphs)
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


def check_surroundings(params: Params, graph: Surroundings) -> None:
    """A ValueError where a graph was measured with other sizes than those of the parameters."""
    if not isinstance(graph, Surroundings):
        raise ValueError(f"graph must be Surroundings, got {type(graph).__name__}; make them with surroundings(layout)")
    if "path" in params and graph.paths.shape[-1] != len(params["path"]):
        raise ValueError(
            f"graph has paths of {graph.paths.shape[-1]} edges, but params are for {len(params['path'])}; "
            "pass the same path_length to surroundings and init_graphormer"
        )
    last, n_virtual = len(params["distance"]) - 1, len(graph.segments) - len(graph.degrees)
    if n_virtual and not is_traced(graph.distances) and np.max(graph.distances) != last:
        raise ValueError(
            f"graph numbers distances to {np.max(graph.distances)}, but params to {last}; "
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
    shape = (*paths.shape[:2], kernel.shape[-1])
    if not len(edges):  # no row to take
        return jnp.zeros(shape, kernel.dtype)
    edges = edges.astype(wide_dtype(edges.dtype))  # an edge is on many paths: their gradients are summed
    there, total = paths >= 0, jnp.zeros(shape, edges.dtype)  # [n, n, length], [n, n, heads]
    for place in range(kernel.shape[0]):  # one after another: all at once would take `length` times the memory
        values = edges @ kernel[place].astype(edges.dtype)  # [n_edge, heads]
        found = values.at[jnp.clip(paths[..., place], 0)].get(mode="fill", fill_value=0)
        total = total + jnp.where(there[..., place, None], found, 0)
    return total / jnp.maximum(there.sum(-1), 1)[..., None].astype(edges.dtype)
