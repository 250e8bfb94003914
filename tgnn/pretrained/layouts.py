"""The graph of every layer: the network's own, or the caller's, without senders that are padding."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import jraph
import numpy as np

from tgnn.graphs import Causal, Complete, EdgeList, Layout
from tgnn.graphs.interop import as_layout
from tgnn.nn.per_head import PerHead, per_head
from tgnn.typing import Array, Graph

Place = int | tuple[int, int] | None
"""A layer, a head of a layer as `(layer, head)`, or None for all layers that are not named."""

Layers = Graph | PerHead | Sequence[Graph | PerHead | None] | Mapping[Any, Graph] | None
"""Graphs of layers: one for all, a sequence with one or None for each, or a mapping from a `Place` to each."""


def layouts_of_layers(layout: Layers, num_layers: int, shape: tuple[int, int], batch: int) -> tuple[Any, ...]:
    """One layout or `PerHead` for each layer, None where the network keeps its own.

    Args:
        layout: one for all layers, a sequence with one or None for each, or a mapping: from a layer, from a head of one
            as `(layer, head)`, and from None for the layers that are not named.
        num_layers: of the network.
        shape: `(n_receivers, n_senders)` of every layout.
        batch: how many graphs a layout made by `tgnn.stack` must hold.

    Raises:
        ValueError: for another number of layers, layers that do not exist, and layouts of other sizes.
    """
    if layout is None or isinstance(layout, Layout | PerHead | jraph.GraphsTuple):
        found = (layout,) * num_layers
    elif isinstance(layout, Mapping):
        outside = [place for place in layout if place is not None and layer_of(place) not in range(num_layers)]
        if outside:
            raise ValueError(f"layout names the layers {outside}, but there are 0 ... {num_layers - 1}; rename them")
        found = tuple(_of_places(layout, layer) for layer in range(num_layers))
    else:
        found = tuple(layout)
        if len(found) != num_layers:
            raise ValueError(f"layout has {len(found)} entries for {num_layers} layers; give one, or None, for each")
    return tuple(over_graphs(lambda x: _checked(x, shape, batch), x) for x in found)


def layer_of(place: Any) -> Any:
    """The layer of a layer, or of a `(layer, head)`."""
    return place[0] if isinstance(place, tuple) else place


def _of_places(layout: Mapping[Any, Graph], layer: int) -> Any:
    heads = {place[1]: graph for place, graph in layout.items() if isinstance(place, tuple) and place[0] == layer}
    rest = layout.get(layer, layout.get(None))
    return per_head(rest, heads) if heads else rest


def over_graphs(function: Callable[[Any], Any], layout: Any) -> Any:
    """A function of the graph of a layer, or of each graph of its heads; None stays None."""
    if isinstance(layout, PerHead):
        return layout.map(lambda graph: over_graphs(function, graph))
    return None if layout is None else function(layout)


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


def layout_of(layout: Any, n: int, m: int, keep: Array | None, is_causal: bool) -> Any:
    """The edges of one layer for one text: the layout, or the network's own, from the senders that are kept."""
    if isinstance(layout, PerHead):
        return layout.map(lambda graph: layout_of(graph, n, m, keep, is_causal))
    layout = layout if layout is not None else own_graph(n, m, is_causal)
    return layout if keep is None else keep_senders(layout, keep)


def own_graph(n: int, m: int, is_causal: bool) -> Layout:
    """The edges of a layer that nobody has edited."""
    return Causal(n) if is_causal else Complete(n, m)


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


def in_axes(layouts: tuple[Any, ...]) -> tuple[Any, ...]:
    """Over which axis `jax.vmap` takes each layout apart."""
    return tuple(axes_of(layout) for layout in layouts)


def axes_of(layout: Any) -> Any:
    """0 for a graph for each text, None for one that all share; the same of every head."""
    return layout.map(axes_of) if isinstance(layout, PerHead) else 0 if is_stacked(layout) else None
