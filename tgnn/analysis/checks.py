"""Graphs with a weight on each edge, checked: of one layer, or of one layer after the other."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from tgnn.errors import as_index
from tgnn.graphs.interop import as_layout
from tgnn.graphs.layout import Layout, is_traced
from tgnn.softmax import wide_dtype
from tgnn.typing import Array, Graph


def checked_weights(graph: Graph, weights: Array, where: str = "") -> tuple[Layout, Array]:
    """A layout and one weight an edge, `[*edge_shape]`: the mean over heads where there are several."""
    layout, weights = as_layout(graph), jnp.asarray(weights)
    shape = layout.edge_shape
    if weights.shape[: len(shape)] != shape or weights.ndim > len(shape) + 1 or 0 in weights.shape[len(shape) :]:
        raise ValueError(
            f"weights{where} have shape {weights.shape}, expected {shape} of the edges of the {type(layout).__name__}, "
            "or these and heads; give what tgnn.attention_weights returns"
        )
    weights = weights.astype(wide_dtype(weights.dtype))
    return layout, weights if weights.ndim == len(shape) else weights.mean(-1)


def checked_layers(
    layouts: Graph | Sequence[Graph], weights: Sequence[Array], residual: float
) -> list[tuple[Layout, Array]]:
    """The layout and the weights of each layer, the first one first."""
    if not 0 <= residual <= 1:
        raise ValueError(f"residual must be a share in 0 ... 1, got {residual}; 0.5 is the paper's")
    weights = list(weights)
    each = list(layouts) if isinstance(layouts, list | tuple) and not hasattr(layouts, "_fields") else None
    each = [layouts] * len(weights) if each is None else each  # a GraphsTuple is a tuple with names
    if not weights or len(each) != len(weights):
        raise ValueError(
            f"weights are those of {len(weights)} layers and layouts are {len(each)}; give one entry for each layer"
        )
    pairs = [checked_weights(*pair, f" of layer {i}") for i, pair in enumerate(zip(each, weights, strict=True))]
    for i, (layout, _) in enumerate(pairs):
        if residual and layout.n_receivers != layout.n_senders:
            raise ValueError(
                f"layer {i} joins {layout.n_receivers} receivers and {layout.n_senders} senders, which have no "
                "residual connection; pass residual=0"
            )
        if i and layout.n_senders != pairs[i - 1][0].n_receivers:
            raise ValueError(
                f"layer {i} has {layout.n_senders} senders, but layer {i - 1} has {pairs[i - 1][0].n_receivers} "
                "receivers; give the layers in the order in which they run"
            )
    return pairs


def live_values(layout: Layout, weights: Array) -> np.ndarray:
    """Weights of the live edges in the order of `live_edges`, float64."""
    return np.asarray(weights, np.float64)[layout.on_edges(layout.live)]


def checked_nodes(name: str, nodes: Any, size: int) -> Any:
    """Numbers of nodes `[k]`, all of them by default."""
    nodes = np.arange(size) if nodes is None else as_index(name, nodes)
    if np.ndim(nodes) != 1:
        raise ValueError(f"{name} must have shape [k], got {np.shape(nodes)}; one node is [node]")
    if not is_traced(nodes) and np.size(nodes) and not 0 <= np.min(nodes) <= np.max(nodes) < size:
        raise ValueError(
            f"{name} go from {np.min(nodes)} to {np.max(nodes)}, but there are {size} nodes; renumber them"
        )
    return nodes
