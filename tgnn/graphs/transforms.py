"""Graphs from graphs: self-loops, both directions, degrees, and the bipartite graph from nodes to their graph."""

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from tgnn.errors import check_edges
from tgnn.graphs import EdgeList, Layout
from tgnn.graphs.interop import as_layout, live_edges
from tgnn.typing import Array


def self_loops(layout: Layout | jraph.GraphsTuple) -> EdgeList:
    """The edges of `layout` and an edge i -> i for every node that has none. Host side.

    Arrays per edge take the loops last: `jnp.append(edge_weight, jnp.ones(number of loops))`.

    >>> looped = self_loops(EdgeList.from_edges([0, 1], [1, 1], n_receivers=2))
    >>> looped.to_caller(looped.senders).tolist(), looped.to_caller(looped.receivers).tolist()
    ([0, 1, 0], [1, 1, 0])
    """
    layout = as_layout(layout)
    check_square(layout)
    senders, receivers = live_edges(layout)
    missing = np.setdiff1d(np.arange(layout.n_receivers), senders[senders == receivers])
    return rebuild(layout, np.append(senders, missing), np.append(receivers, missing))


def undirected(layout: Layout | jraph.GraphsTuple) -> EdgeList:
    """Every edge in both directions, each ordered pair once, sorted by receiver and sender. Host side.

    >>> undirected(EdgeList.from_edges([0, 0], [1, 1], n_receivers=2)).senders.tolist()
    [1, 0]
    """
    layout = as_layout(layout)
    check_square(layout)
    senders, receivers = live_edges(layout)
    pairs = np.stack([np.append(receivers, senders), np.append(senders, receivers)], axis=1)
    receivers, senders = np.unique(pairs, axis=0).reshape(-1, 2).T
    return rebuild(layout, senders, receivers)


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

    With `edge_weight`, [*edge_shape] in the caller's order, the sum of the weights instead.

    >>> degrees(EdgeList.from_edges([0, 1], [1, 1], n_receivers=2)).tolist()
    [0.0, 2.0]
    """
    if of not in ("receivers", "senders"):
        raise ValueError(f'of must be "receivers" or "senders", got {of!r}')
    layout = as_layout(layout)
    weights = jnp.ones(layout.edge_shape)
    if edge_weight is not None:
        check_edges(layout, "edge_weight", edge_weight)
        if np.ndim(edge_weight) != len(layout.caller_shape):
            raise ValueError(
                f"edge_weight must have shape {layout.caller_shape}, one number for each edge, got "
                f"{np.shape(edge_weight)}; pass edge_weight[..., 0]"
            )
        weights *= layout.keep(layout.from_caller(jnp.asarray(edge_weight, jnp.float32)))

    def total(x):  # linear in x, and its derivative counts the out-edges: right for every layout
        return layout.aggregate(weights[..., None], x[:, None, None])[:, 0, 0]

    ones = jnp.ones(layout.n_senders)
    return total(ones) if of == "receivers" else jax.grad(lambda x: total(x).sum())(ones)


def readout(graph: jraph.GraphsTuple) -> EdgeList:
    """The bipartite layout from nodes to the graph that they belong to: pooling is `attend` or `aggregate` on it.

    Args:
      graph: a (batched, padded) graph; also under jit where `nodes` tells the number of nodes.

    >>> graph = jraph.GraphsTuple(jnp.zeros((3, 1)), None, None, None, None, np.array([1, 2]), np.array([0, 0]))
    >>> readout(graph).receivers.tolist()
    [0, 1, 1]
    """
    leaves = jax.tree.leaves(graph.nodes)
    n_node = leaves[0].shape[0] if leaves else int(np.sum(graph.n_node))
    n_graph = len(graph.n_node)
    owner = jnp.repeat(jnp.arange(n_graph), jnp.asarray(graph.n_node), total_repeat_length=n_node)
    return EdgeList(jnp.arange(n_node), owner, n_graph, n_node)
