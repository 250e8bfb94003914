"""Weights of edges as pictures take them: of a matrix, of a layout, or of a layer that was read."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tgnn.graphs.interop import live_edges
from tgnn.plot.graphs import layout_of


class Weighed(NamedTuple):
    """Edges with the weights of every head, on the host.

    Attributes:
        senders: int [n_edge].
        receivers: int [n_edge].
        weights: float [n_edge, heads].
        n_senders: number of senders.
        n_receivers: number of receivers.
    """

    senders: np.ndarray
    receivers: np.ndarray
    weights: np.ndarray
    n_senders: int
    n_receivers: int

    @property
    def num_heads(self) -> int:
        """How many heads there are."""
        return self.weights.shape[1]

    def matrix(self, head: int) -> np.ndarray:
        """The weights of a head, `[n_receivers, n_senders]`; NaN where no edge is, sums of doubled edges."""
        found = np.full((self.n_receivers, self.n_senders), np.nan)
        found[self.receivers, self.senders] = 0
        np.add.at(found, (self.receivers, self.senders), self.weights[:, head])
        return found


def weighed(graph: Any, weights: Any = None) -> Weighed:
    """What pictures of attention take, with its edges listed.

    Args:
        graph: one of `tgnn.analysis.attention_of`; matrices `[n_receivers, n_senders]` or
            `[heads, n_receivers, n_senders]` of weights; or a graph as for `draw_graph`, with weights.
        weights: `[*edge_shape]` or `[*edge_shape, heads]`, edges in the caller's order.

    Raises:
        ValueError: for weights of other edges, and for what is none of these.
    """
    if weights is None and hasattr(graph, "calls"):
        return Weighed(*graph.edges())
    if weights is None:
        return from_matrices(np.asarray(graph, float))
    layout = layout_of(graph)
    weights, shape = np.asarray(weights, float), tuple(layout.edge_shape)
    if weights.shape[: len(shape)] != shape or weights.ndim > len(shape) + 1:
        raise ValueError(
            f"weights have shape {weights.shape}, expected {shape} of the edges of the {type(layout).__name__}, or "
            "these and heads; give what tgnn.attention_weights returns"
        )
    weights = weights if weights.ndim > len(shape) else weights[..., None]
    live = np.broadcast_to(True if layout.live is None else np.asarray(layout.live), shape)
    return Weighed(*live_edges(layout), weights[live], layout.n_senders, layout.n_receivers)


def from_matrices(matrices: np.ndarray) -> Weighed:
    """Every pair as an edge."""
    if matrices.ndim not in (2, 3):
        raise ValueError(
            f"weights have shape {matrices.shape}, expected [n_receivers, n_senders] or [heads, n_receivers, "
            "n_senders]; or give a layout and the weights of its edges"
        )
    matrices = matrices if matrices.ndim == 3 else matrices[None]
    heads, n_receivers, n_senders = matrices.shape
    receivers, senders = (x.ravel() for x in np.indices((n_receivers, n_senders)))
    return Weighed(senders, receivers, matrices.reshape(heads, -1).T, n_senders, n_receivers)


def chosen_heads(num_heads: int, heads: Sequence[int] | None) -> list[int]:
    """The heads that are drawn, all by default; or a ValueError."""
    heads = list(range(num_heads)) if heads is None else [int(head) for head in heads]
    outside = [head for head in heads if not 0 <= head < num_heads]
    if outside or not heads:
        raise ValueError(f"heads are {outside or heads}, but there are {num_heads}; use some of 0 ... {num_heads - 1}")
    return heads
