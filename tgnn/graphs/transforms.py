"""Graphs from graphs: self-loops, both directions, degrees, and the bipartite graph from nodes to their graph."""

import math
from dataclasses import replace
from typing import overload

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from tgnn.compiled import compiled
from tgnn.errors import as_index, check_edges, check_numbers
from tgnn.graphs.edge_list import EdgeList
from tgnn.graphs.host import distinct, pair_key, split_key, stable_order
from tgnn.graphs.interop import as_layout, live_edges
from tgnn.graphs.layout import Layout
from tgnn.softmax import depth_of, wide_dtype
from tgnn.typing import Array, ArrayLike, Graph

REDUCTIONS: dict[str, np.ufunc] = {"sum": np.add, "max": np.maximum, "min": np.minimum}


@overload
def self_loops(layout: Graph, edges: None = None, *, fill: str | float = "mean") -> EdgeList: ...


@overload
def self_loops(layout: Graph, edges: ArrayLike, *, fill: str | float = "mean") -> tuple[EdgeList, np.ndarray]: ...


def self_loops(
    layout: Graph, edges: ArrayLike | None = None, *, fill: str | float = "mean"
) -> EdgeList | tuple[EdgeList, np.ndarray]:
    """The edges of `layout` and an edge i -> i for every node that has none, last. Host side.

    Args:
      layout: on one set of nodes.
      edges: [n_edge, ...] features of the live edges, in the caller's order.
      fill: features of the new loops: "mean" of the node's other in-edges (as PyG's GATConv has it; 0 where there are
        none), or a number.

    Returns:
      The `EdgeList`; with `edges` the pair of it and its features, integers as float32 where a mean or a `fill` that
      is no integer joins them.

    >>> looped = self_loops(EdgeList.from_edges([0, 1], [1, 1], n_receivers=2))
    >>> looped.senders.tolist(), looped.receivers.tolist()
    ([0, 1, 0], [1, 1, 0])
    """
    layout = as_layout(layout)
    check_square(layout)
    senders, receivers = live_edges(layout)
    lacks = np.ones(layout.n_receivers, bool)
    lacks[senders[senders == receivers]] = False
    missing = np.flatnonzero(lacks)
    looped = with_loops(layout, senders, receivers, missing)
    if edges is None:
        return looped
    edges = check_features(edges, len(senders))
    if fill == "mean":
        added = mean_of_groups(edges, receivers, layout.n_receivers)[missing]
        dtype = merged_dtype(edges.dtype, "mean")
    elif isinstance(fill, str):
        raise ValueError(f'fill must be "mean" or a number, got {fill!r}')
    else:
        added = np.full((len(missing), *edges.shape[1:]), fill)
        dtype = edges.dtype if is_real(edges.dtype) else filled_dtype(edges.dtype, fill)
    return looped, np.concatenate([edges.astype(dtype), added.astype(dtype)])


@overload
def undirected(layout: Graph, edges: None = None, *, reduction: str = "sum") -> EdgeList: ...


@overload
def undirected(layout: Graph, edges: ArrayLike, *, reduction: str = "sum") -> tuple[EdgeList, np.ndarray]: ...


def undirected(
    layout: Graph, edges: ArrayLike | None = None, *, reduction: str = "sum"
) -> EdgeList | tuple[EdgeList, np.ndarray]:
    """Every edge in both directions, each ordered pair once, sorted by receiver and sender. Host side.

    Args:
      layout: on one set of nodes.
      edges: [n_edge, ...] features of the live edges, in the caller's order; both directions get them.
      reduction: of the features of one pair, as for `coalesce`. (PyG's to_undirected adds by default, too.)

    Returns:
      The `EdgeList`; with `edges` the pair of it and its features.

    >>> undirected(EdgeList.from_edges([0, 0], [1, 1], n_receivers=2)).senders.tolist()
    [1, 0]
    """
    layout = as_layout(layout)
    check_square(layout)
    senders, receivers = live_edges(layout)
    if edges is not None:
        edges = check_features(edges, len(senders))
        edges = np.concatenate([edges, edges])
    keys = pair_key(np.append(senders, receivers), np.append(receivers, senders), layout.n_senders)
    return merged(layout, keys, edges, reduction)


@overload
def coalesce(layout: Graph, edges: None = None, *, reduction: str = "sum") -> EdgeList: ...


@overload
def coalesce(layout: Graph, edges: ArrayLike, *, reduction: str = "sum") -> tuple[EdgeList, np.ndarray]: ...


def coalesce(
    layout: Graph, edges: ArrayLike | None = None, *, reduction: str = "sum"
) -> EdgeList | tuple[EdgeList, np.ndarray]:
    """Each pair once, sorted by receiver and sender. Host side, O(n_edge log n_edge).

    Args:
      layout: any edges.
      edges: [n_edge, ...] features of the live edges, in the caller's order.
      reduction: of the features of the copies of a pair: "sum", "mean", "max" or "min".

    Returns:
      The `EdgeList`; with `edges` the pair of it and its features, added up in float32 or wider, in their dtype if it
      is floating point. As in `aggregate` sums of integers stay integers, in int32 or wider, and means are float32.

    >>> layout, weights = coalesce(EdgeList.from_edges([0, 0], [1, 1], n_receivers=2), [1.0, 2.0], reduction="mean")
    >>> layout.senders.tolist(), weights.tolist()
    ([0], [1.5])
    """
    layout = as_layout(layout)
    keys = pair_key(*live_edges(layout), layout.n_senders)
    return merged(layout, keys, None if edges is None else check_features(edges, len(keys)), reduction)


def merged(
    layout: Layout, keys: np.ndarray, edges: np.ndarray | None, reduction: str
) -> EdgeList | tuple[EdgeList, np.ndarray]:
    """Each pair once, between the nodes of `layout`, and the reduced features of its copies if there are any."""
    if reduction not in ("mean", *REDUCTIONS):
        raise ValueError(f"reduction must be one of {sorted(['mean', *REDUCTIONS])}, got {reduction!r}")
    once = distinct(keys)
    senders, receivers = split_key(once, layout.n_senders)
    single = rebuild(layout, senders, receivers)
    if edges is None:
        return single
    group = np.searchsorted(once, keys)
    dtype = merged_dtype(edges.dtype, reduction)
    if reduction == "mean":
        return single, mean_of_groups(edges, group, len(once)).astype(dtype)
    order = stable_order(group)
    first = np.searchsorted(group[order], np.arange(len(once)))
    wide = edges.astype(np.promote_types(dtype, np.float32) if is_real(dtype) else dtype)
    merged = REDUCTIONS[reduction].reduceat(wide[order], first, axis=0) if len(once) else wide
    return single, merged.astype(dtype)


def filled_dtype(dtype: np.dtype, fill: float) -> np.dtype:
    """Of integers, or bools, among which a number stands: theirs or wider integers, float32 if it is none.

    >>> filled_dtype(np.dtype(np.int32), 1.0), filled_dtype(np.dtype(np.int8), 200), filled_dtype(np.dtype(int), np.inf)
    (dtype('int32'), dtype('int16'), dtype('float32'))
    """
    if isinstance(fill, bool | np.bool_) or not (math.isfinite(fill) and fill == int(fill)):
        return dtype if isinstance(fill, bool | np.bool_) else np.dtype(np.float32)
    number = int(fill)
    signed = np.issubdtype(dtype, np.signedinteger) and number >= 0  # the sign takes a bit
    return np.promote_types(dtype, np.min_scalar_type(-number - 1 if signed else number))


def merged_dtype(dtype: np.dtype, reduction: str) -> np.dtype:
    """Of merged features: as `aggregate` has it, and NumPy's own types of 64 bits stay."""
    if is_real(dtype) or reduction in ("max", "min"):
        return dtype
    if reduction == "mean":
        return np.dtype(np.float32)
    return dtype if dtype.itemsize >= 4 else np.promote_types(dtype, np.int32)


def is_real(dtype: np.dtype) -> bool:
    """Whether a dtype holds more than integers: bfloat16 too, which NumPy by itself does not count."""
    return bool(jnp.issubdtype(dtype, jnp.inexact))


def check_features(edges: ArrayLike, n_edge: int) -> np.ndarray:
    """Features in NumPy, one row for each live edge, or a ValueError."""
    edges = np.asarray(edges)
    if edges.shape[:1] != (n_edge,):
        raise ValueError(
            f"edges must have one row for each of the {n_edge} live edges, got shape {edges.shape}; "
            "leave out the rows of masked edges"
        )
    return check_numbers("edges", edges)


def mean_of_groups(x: np.ndarray, group: np.ndarray, n: int) -> np.ndarray:
    """The mean of the rows of each group, in float64; 0 for an empty one."""
    flat = x.reshape(len(x), math.prod(x.shape[1:]))
    sums = [np.bincount(group, weights=column, minlength=n) for column in np.asarray(flat, np.float64).T]
    count = np.maximum(np.bincount(group, minlength=n), 1)
    return (np.stack(sums, axis=1) / count[:, None] if sums else np.zeros((n, 0))).reshape(n, *x.shape[1:])


def with_loops(layout: Layout, senders: np.ndarray, receivers: np.ndarray, nodes: np.ndarray) -> EdgeList:
    """The live edges and loops at `nodes`, last; known orders are merged with the loops', not sought again."""
    ends = np.append(senders, nodes), np.append(receivers, nodes)
    if not isinstance(layout, EdgeList) or layout.n_edge != len(senders):
        return rebuild(layout, *ends)
    if layout.order is None or layout.by_sender is None:
        return rebuild(layout, *ends)
    counts = [np.bincount(x, minlength=layout.n_receivers) for x in (receivers, senders)]
    loops = np.arange(len(senders), len(ends[0]), dtype=np.int32)
    orders = (
        np.insert(np.asarray(order), np.cumsum(count)[nodes], loops)  # behind the other edges of its node
        for order, count in zip((layout.order, layout.by_sender), counts, strict=True)
    )
    longest = int(np.bincount(ends[1], minlength=1).max()) if len(ends[0]) > 4096 else len(ends[0])
    arrays = dict(zip(("senders", "receivers", "order", "by_sender"), map(jnp.asarray, (*ends, *orders)), strict=True))
    live = jnp.ones(len(ends[0]), bool)
    return replace(layout, **arrays, mask=live, depth=depth_of(longest))


def rebuild(layout: Layout, senders: np.ndarray, receivers: np.ndarray) -> EdgeList:
    """An edge list between the same nodes."""
    return EdgeList.from_edges(senders, receivers, n_receivers=layout.n_receivers, n_senders=layout.n_senders)


def check_square(layout: Layout) -> None:
    """A ValueError for a bipartite layout."""
    if layout.n_receivers != layout.n_senders:
        raise ValueError(
            f"layout joins {layout.n_senders} senders to {layout.n_receivers} receivers; this needs one set of nodes"
        )


def degrees(layout: Layout | jraph.GraphsTuple, of: str = "receivers", *, edge_weight: Array | None = None) -> Array:
    """Number of live edges at each node, float32: in-degrees `of="receivers"`, out-degrees `of="senders"`.

    With `edge_weight`, [*edge_shape] in the caller's order, the sum of the weights instead, in float32 or wider.

    >>> degrees(EdgeList.from_edges([0, 1], [1, 1], n_receivers=2)).tolist()
    [0.0, 2.0]
    """
    if of not in ("receivers", "senders"):
        raise ValueError(f'of must be "receivers" or "senders", got {of!r}')
    layout = as_layout(layout)
    if edge_weight is not None:
        check_edges(layout, "edge_weight", edge_weight)
        if np.ndim(edge_weight) != len(layout.edge_shape):
            raise ValueError(
                f"edge_weight must have shape {layout.edge_shape}, one number for each edge, got "
                f"{np.shape(edge_weight)}; pass edge_weight[..., 0]"
            )
        edge_weight = jnp.asarray(edge_weight)
    return count(layout, of, edge_weight)


@compiled
def count(layout: Layout, of: str, edge_weight: Array | None) -> Array:
    """`degrees` after its checks."""
    weights = jnp.ones(layout.edge_shape, jnp.float32)
    if edge_weight is not None:
        weights = layout.zero_dead_edges(jnp.broadcast_to(edge_weight, layout.edge_shape))
        weights = weights.astype(wide_dtype(weights.dtype))
    if of == "senders" and layout.form == "list":
        layout, of = reverse(layout), "receivers"

    def total(x):  # linear in x, and its derivative counts the out-edges: right for every layout
        return layout.aggregate(weights[..., None], x[:, None, None])[:, 0, 0]

    ones = jnp.ones(layout.n_senders, weights.dtype)
    return total(ones) if of == "receivers" else jax.grad(lambda x: total(x).sum())(ones)


def reverse(layout: Layout) -> EdgeList:
    """A list from receivers to senders, its edges in the same order."""
    edges = layout.to_edges()
    depth = 0 if edges.by_sender is None else depth_of(edges.n_edge)
    sizes = {"n_receivers": edges.n_senders, "n_senders": edges.n_receivers}
    live = edges.live  # of a masked edge the receiver may be out of range
    return EdgeList(edges.receivers, edges.senders, **sizes, mask=live, order=edges.by_sender, depth=depth)


def readout(graph: jraph.GraphsTuple) -> EdgeList:
    """The bipartite layout from nodes to the graph that they belong to: pooling is `attend` or `aggregate` on it.

    Args:
      graph: a (batched, padded) graph; also under jit where `nodes` tells the number of nodes.

    >>> graph = jraph.GraphsTuple(jnp.zeros((3, 1)), None, None, None, None, np.array([1, 2]), np.array([0, 0]))
    >>> readout(graph).receivers.tolist()
    [0, 1, 1]
    """
    leaves = jax.tree.leaves(graph.nodes)
    sizes = as_index("graph.n_node", graph.n_node)  # small integers could not be added up
    n_node = leaves[0].shape[0] if leaves else int(np.sum(sizes))
    n_graph = len(sizes)
    owner = jnp.repeat(jnp.arange(n_graph), jnp.asarray(sizes), total_repeat_length=n_node)
    return EdgeList(jnp.arange(n_node), owner, n_graph, n_node)
