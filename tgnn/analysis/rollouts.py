"""Attention rollout: where the messages of all layers together come from, as messages along the same edges."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from tgnn.analysis.checks import checked_layers, checked_nodes
from tgnn.compiled import compiled
from tgnn.graphs.layout import Layout
from tgnn.typing import Array, Graph


def rollout(
    layouts: Graph | Sequence[Graph], weights: Sequence[Array], *, senders: Array | None = None, residual: float = 0.5
) -> Array:
    """How much of each input arrives at each output, if layers did nothing but sum: the product of their weights.

    A_l = (residual I + (1 - residual) W_l), rows scaled to sum to 1;    rollout = A_L ... A_1

    No matrix is multiplied: the indicators of the senders are passed along the edges of one layer after the other, in
    O(edges * k) time and O(n * k) memory beside what a layout needs.

    Args:
        layouts: the graph of all layers, or one for each, the first layer first.
        weights: of each layer `[*edge_shape]` or `[*edge_shape, heads]`, what `tgnn.attention_weights` gives; heads
            are averaged. Those of one head are `weights[..., head]`. A NaN makes the rows NaN that it reaches.
        senders: ints `[k]`, the inputs that are asked for; default all.
        residual: the share of a node's own, for the residual connections; 0 for bipartite layers.

    Returns:
        `[n_receivers, k]`, rows of all senders sum to 1. A receiver without edges keeps what it has; with a residual of
        0 it has nothing: its row is 0, and in later layers what hears it gets so much less.

    Raises:
        ValueError: for layers that do not follow each other, weights of other edges, nodes that do not exist.

    >>> from tgnn import EdgeList
    >>> chain = EdgeList.from_edges(senders=[0, 1], receivers=[1, 2], n_receivers=3)
    >>> rollout(chain, [jnp.ones(2), jnp.ones(2)]).tolist()
    [[1.0, 0.0, 0.0], [0.75, 0.25, 0.0], [0.25, 0.5, 0.25]]

    Reference: Abnar and Zuidema, Quantifying Attention Flow in Transformers, arXiv:2005.00928, section 3.1; there the
        graph is complete.
    """
    layers = checked_layers(layouts, weights, residual)
    chosen = checked_nodes("senders", senders, layers[0][0].n_senders)
    return run_rollout(layers, chosen, float(residual))


@compiled
def run_rollout(layers, senders, residual) -> Array:
    """The equations of `rollout`."""
    x = jax.nn.one_hot(senders, layers[0][0].n_senders, axis=0, dtype=layers[0][1].dtype)  # [n_senders, k]
    for layout, weights in layers:
        x = pass_on(layout, weights, x, residual)
    return x


def pass_on(layout: Layout, weights: Array, x: Array, residual: float) -> Array:
    """One layer: `[n_senders, k] -> [n_receivers, k]`."""
    weights = layout.zero_dead_edges(weights)[..., None]  # one head
    total = residual + (1 - residual) * layout.reduce(weights)  # [n_receivers, 1]; less than 1 where no edge enters
    x = (residual * x if residual else 0) + (1 - residual) * layout.aggregate(weights, x[:, None])[:, 0]
    nothing = total == 0  # NaN stays NaN
    return jnp.where(nothing, 0, x / jnp.where(nothing, 1, total))
