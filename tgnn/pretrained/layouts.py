"""The graph of every layer: the network's own, or the caller's, without senders that are padding."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import jraph
import numpy as np

from tgnn.graphs import Causal, Complete, EdgeList, Layout
from tgnn.graphs.interop import as_layout
from tgnn.typing import Array, Graph

Layers = Graph | Sequence[Graph | None] | Mapping[int, Graph] | None


def layouts_of_layers(layout: Layers, num_layers: int, shape: tuple[int, int], batch: int) -> tuple[Layout | None, ...]:
    """One layout for each layer, None where the network keeps its own.

    Args:
        layout: one for all layers, a sequence with one or None for each, or a mapping from layers to layouts.
        num_layers: of the network.
        shape: `(n_receivers, n_senders)` of every layout.
        batch: how many graphs a layout made by `tgnn.stack` must hold.

    Raises:
        ValueError: for another number of layers, layers that do not exist, and layouts of other sizes.
    """
    if layout is None or isinstance(layout, Layout | jraph.GraphsTuple):
        found = (layout,) * num_layers
    elif isinstance(layout, Mapping):
        outside = [layer for layer in layout if layer not in range(num_layers)]
        if outside:
            raise ValueError(f"layout names the layers {outside}, but there are 0 ... {num_layers - 1}; rename them")
        found = tuple(layout.get(layer) for layer in range(num_layers))
    else:
        found = tuple(layout)
        if len(found) != num_layers:
            raise ValueError(f"layout has {len(found)} entries for {num_layers} layers; give one, or None, for each")
    return tuple(None if x is None else _checked(x, shape, batch) for x in found)


def _checked(layout: Graph, shape: tuple[int, int], batch: int) -> Layout:
    layout = as_layout(layout, *shape) if isinstance(layout, jraph.GraphsTuple) else layout
    if not isinstance(layout, Layout):
        raise ValueError(
            f"layout must hold tgnn layouts, got {type(layout).__name__}; build one, such as tgnn.Causal(n)"
        )
    if (sizes := (layout.n_receivers, layout.n_senders)) != shape:
        raise ValueError(f"layout joins {sizes} receivers and senders, but the tokens are {shape}; build it for these")
    if is_stacked(layout):
        count = next(np.shape(getattr(layout, name))[0] for name in layout.axes if getattr(layout, name) is not None)
        if count != batch:
            raise ValueError(f"layout holds {count} graphs for a batch of {batch}; stack one for each text")
    return layout


def is_stacked(layout: Layout | None) -> bool:
    """Whether a layout is one that `tgnn.stack` made, with a graph for each text of a batch."""
    if layout is None:
        return False
    axes = {name: getattr(layout, name) for name in layout.axes}
    return any(x is not None and np.ndim(x) == layout.axes[name] + 1 for name, x in axes.items())


def layout_of(layout: Layout | None, n: int, m: int, keep: Array | None, is_causal: bool) -> Layout:
    """The edges of one layer for one text: the layout, or the network's own, from the senders that are kept."""
    layout = layout if layout is not None else Causal(n) if is_causal else Complete(n, m)
    return layout if keep is None else keep_senders(layout, keep)


def keep_senders(layout: Any, keep: Array) -> Layout:
    """The edges of a layout whose senders are kept, `keep` bool `[n_senders]`; it may be traced.

    >>> keep_senders(Complete(2, 3), jnp.array([True, False, True])).adjacency().astype(int).tolist()
    [[1, 0, 1], [1, 0, 1]]
    """
    if hasattr(layout, "with_segments"):
        own = layout.segments or (jnp.zeros(layout.n_receivers, jnp.int32), jnp.zeros(layout.n_senders, jnp.int32))
        return layout.with_segments(own[0], jnp.where(keep, own[1], -1))
    shape = layout.edge_shape
    kept = jnp.broadcast_to(keep.at[layout.sender_index].get(mode="fill", fill_value=False), shape)
    live = kept if layout.live is None else layout.live & kept
    if hasattr(layout, "mask"):
        return replace(layout, mask=live)  # pyright: ignore
    ends = (jnp.broadcast_to(x, shape).ravel() for x in (layout.sender_index, layout.receiver_index))
    return EdgeList(*ends, layout.n_receivers, layout.n_senders, live.ravel())


def to_matrix(layout: Layout, weights: Array) -> Array:
    """Numbers of edges `[*edge_shape, heads]` as matrices `[heads, n_receivers, n_senders]`; 0 where no edge is."""
    weights = layout.zero_dead_edges(weights)
    shape = layout.n_receivers, layout.n_senders
    if layout.edge_shape != shape or layout.form != "matrix":
        ends = (jnp.broadcast_to(x, layout.edge_shape) for x in (layout.receiver_index, layout.sender_index))
        weights = jnp.zeros((*shape, weights.shape[-1]), weights.dtype).at[tuple(ends)].add(weights, mode="drop")
    return jnp.moveaxis(weights, -1, 0)  # [n_receivers, n_senders, heads] -> [heads, n_receivers, n_senders]


def in_axes(layouts: tuple[Any, ...]) -> tuple[int | None, ...]:
    """Over which axis `jax.vmap` takes each layout apart."""
    return tuple(0 if is_stacked(layout) else None for layout in layouts)
