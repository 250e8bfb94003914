"""Graphs on the points of a drawing: `[n]` numbers of strokes, -1 for padding, to a mask `[n, n]`.

After Xu, Joshi and Bresson, Multigraph Transformer for Free-Hand Sketch Recognition, arXiv:1912.11258, section 4.2.
Every point is its own neighbour in every graph, and no edge touches padding.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

import tgnn


def complete(stroke: jax.Array) -> jax.Array:
    """All points of the drawing: the graph of a Transformer."""
    real = stroke >= 0
    return real[:, None] & real[None]


def within(stroke: jax.Array, hops: int) -> jax.Array:
    """Points of one stroke that are at most so many steps of the pen apart."""
    place = jnp.arange(len(stroke))
    near = jnp.abs(place[:, None] - place[None]) <= hops
    return near & (stroke[:, None] == stroke[None]) & complete(stroke)


def strokes(stroke: jax.Array) -> jax.Array:
    """The last point of each stroke and the first of the next one, in both directions: what the pen jumps over.

    As in the authors' code, the last point of the drawing and its first one close the ring.
    """
    place = jnp.arange(len(stroke))
    jump = (place[:, None] + 1 == place[None]) & (stroke[:, None] != stroke[None])
    ring = (place[:, None] == (stroke >= 0).sum() - 1) & (place[None] == 0)
    own = place[:, None] == place[None]
    return (jump | jump.T | ring | ring.T | own) & complete(stroke)


RELATIONS = {
    "complete": complete,
    "one_hop": lambda stroke: within(stroke, 1),
    "two_hop": lambda stroke: within(stroke, 2),
    "strokes": strokes,
}


def layouts(stroke: jax.Array, names: Sequence[str]) -> tgnn.Dense:
    """The graphs of these names, stacked: what `multi_graph_transformer` takes; runs under jit and vmap."""
    return tgnn.Dense(jnp.stack([RELATIONS[name](stroke) for name in names]))
