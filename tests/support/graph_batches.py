"""Graphs side by side, padded to one shape, and the same as dense matrices."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import tgnn

N, SLOTS, DIM, HEADS, LAYERS = 17, 43, 6, 2, 2
SIZES = {"num_layers": LAYERS, "model_dim": DIM, "num_heads": HEADS, "hidden_dim": 5}
TIGHT = {"rtol": 1e-5, "atol": 1e-5}


class Batch(NamedTuple):
    """Graphs side by side: n_node of them, and padding behind the last."""

    layout: Any
    x: Any
    edges: Any
    segments: Any
    more: Any = None  # what a model measures of the graphs on the host


def random_graph(n, n_edge, seed):
    """A directed graph without double edges, as senders, receivers, nodes, edges; its last node is isolated."""
    rng = np.random.default_rng(seed)
    pairs = rng.choice((n - 1) ** 2, n_edge, replace=False)
    return [*np.divmod(pairs, n - 1), rng.normal(size=(n, DIM)), rng.normal(size=(n_edge, DIM))]


GRAPHS = [random_graph(7, 17, 0), random_graph(5, 11, 1), random_graph(2, 1, 2)]


def batch_of(graphs):
    """One union of N nodes and SLOTS edges; what is padding holds ones."""
    first = np.cumsum([0] + [len(graph[2]) for graph in graphs])
    senders, receivers = (
        np.concatenate([graph[i] + start for graph, start in zip(graphs, first[:-1], strict=True)]) for i in (0, 1)
    )
    x, edges = (
        np.concatenate([graph[i] for graph in graphs] + [np.ones((size, DIM))])[:size].astype(np.float32)
        for i, size in ((2, N), (3, SLOTS))
    )
    segments = np.full(N, -1)
    segments[: first[-1]] = np.repeat(np.arange(len(graphs)), np.diff(first))
    layout = tgnn.EdgeList.from_edges(senders, receivers, n_receivers=N, pad_to=SLOTS)
    return Batch(layout, x, edges, segments)


def permuted(graph, seed=5):
    """The graph with its nodes and edges in another order, and these orders."""
    rng = np.random.default_rng(seed)
    senders, receivers, x, edges = graph
    order, shuffle = rng.permutation(len(x)), rng.permutation(len(edges))
    place = np.argsort(order)
    return [place[senders[shuffle]], place[receivers[shuffle]], x[order], edges[shuffle]], order, shuffle


def extended(order, size):
    """A permutation of the first nodes or edges as one of all."""
    return np.append(order, np.arange(len(order), size))


def places(layout):
    """Where there are edges, bool [n, n], and their positions in the caller's order."""
    live = np.asarray(layout.mask)
    senders, receivers = (np.asarray(x)[live] for x in (layout.senders, layout.receivers))
    mask, slot = np.zeros((2, layout.n_receivers, layout.n_senders), int)
    mask[receivers, senders], slot[receivers, senders] = 1, np.flatnonzero(live)
    return mask > 0, slot


def dense(layout, values):
    """Where there are edges, and per-edge values in the caller's order as [n, n, ...]."""
    mask, slot = places(layout)
    return jnp.asarray(mask), jnp.where(mask[..., None], jnp.asarray(values)[slot], 0)


def close(actual, expected, tolerance=TIGHT):
    """Trees of arrays that are equal up to rounding."""
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), actual, expected)
