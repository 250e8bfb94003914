"""Sizes that fit: padding of jraph graphs, buckets, and stacks of layouts of one shape."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.core
import jax.numpy as jnp
import jraph
import numpy as np

from tgnn.errors import as_index, check_size
from tgnn.graphs import EdgeList, Layout
from tgnn.graphs.interop import as_layout, live_edges
from tgnn.printing import one_line
from tgnn.typing import Array

INDICES = "senders", "receivers", "n_node", "n_edge"  # the integers of a GraphsTuple


class Masks(NamedTuple):
    """Which rows of a padded graph are real: bool [n_node], [n_edge], [n_graph]."""

    nodes: Array
    edges: Array
    graphs: Array

    __repr__ = one_line


def bucket(size: int) -> int:
    """The next size of the form 2 ** k or 3 * 2 ** (k - 1): at most a third of a bucket is padding.

    >>> [bucket(size) for size in (1, 5, 100, 130)]
    [8, 8, 128, 192]
    """
    power = 8
    while True:
        for candidate in (power, power * 3 // 2):
            if size <= candidate:
                return candidate
        power *= 2


def pad(
    graph: jraph.GraphsTuple, n_node: int | None = None, n_edge: int | None = None, n_graph: int | None = None
) -> tuple[jraph.GraphsTuple, Masks]:
    """Pads a (batched) graph to fixed sizes, so that all graphs of a bucket share one compiled program.

    Args:
      graph: concrete; features NumPy or JAX arrays.
      n_node: total nodes, at least one spare; default the next bucket.
      n_edge: total edges; default the next bucket.
      n_graph: total graphs, at least one spare; default one spare.

    Returns:
      (graph, masks): the padded graph and `Masks` that tell the real rows. Padding edges join padding nodes.

    Raises:
      ValueError: where a size is too small.
    """
    if not isinstance(graph, jraph.GraphsTuple):
        raise ValueError(
            f"graph must be a jraph.GraphsTuple, got {type(graph).__name__}; use jraph.batch for several, and stack "
            "for layouts"
        )
    if any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(graph)):
        raise ValueError(
            "graph is traced, but pad reads its sizes on the host; call pad outside jit, and pass the result in"
        )
    have = int(np.sum(graph.n_node)), int(np.sum(graph.n_edge)), len(graph.n_node)
    need = have[0] + 1, have[1], have[2] + 1
    sizes = (
        bucket(need[0]) if n_node is None else check_size("n_node", n_node),
        bucket(need[1]) if n_edge is None else check_size("n_edge", n_edge),
        need[2] if n_graph is None else check_size("n_graph", n_graph),
    )
    for name, size, least in zip(("n_node", "n_edge", "n_graph"), sizes, need, strict=True):
        if size < least:
            raise ValueError(f"{name} is {size}, but this graph needs at least {least} (spare padding included)")
    masks = Masks(*(np.arange(size) < real for size, real in zip(sizes, have, strict=True)))
    # jraph adds and appends numbers of nodes to indices: with unsigned ones NumPy makes float64 of them
    indices = {name: as_index(f"graph.{name}", getattr(graph, name)) for name in INDICES}
    graph = graph._replace(**indices)
    return jraph.pad_with_graphs(graph, *sizes), masks


def each_layout(name: str, layouts: Iterable[Layout | jraph.GraphsTuple]) -> list[Layout]:
    """Several layouts or graphs, or a ValueError for one of them alone."""
    if isinstance(layouts, Layout | jraph.GraphsTuple):
        raise ValueError(f"{name} must be several graphs, got one {type(layouts).__name__}; use [graph] for one")
    return [as_layout(layout) for layout in layouts]


def stack(layouts: Sequence[Layout]) -> Layout:
    """Layouts of one kind and equal sizes as one, with a leading axis for `jax.vmap(attend)`: relations, or a batch.

    Edge lists, neighbour tables and tiles of different lengths are padded with dead slots. Different kinds, and
    tiles of different shapes, become edge lists first.

    Raises:
      ValueError: for no layouts, or different numbers of nodes.
    """
    layouts = each_layout("layouts", layouts)
    if not layouts:
        raise ValueError("layouts is empty; stack needs at least one")
    sizes = {(layout.n_receivers, layout.n_senders) for layout in layouts}
    if len(sizes) > 1:
        raise ValueError(
            f"layouts must have equal numbers of nodes, got {sorted(sizes)}; build them for one set of nodes"
        )
    if len({jax.tree.structure(x) for x in layouts if hasattr(x, "offset")}) > 1:  # an offset of 0 is no leaf
        offsets = [getattr(x, "offset", None) for x in layouts]
        layouts = [x if y is None else replace(x, offset=jnp.asarray(y)) for x, y in zip(layouts, offsets, strict=True)]
    structures = {jax.tree.structure(replace(x, depth=0) if hasattr(x, "depth") else x) for x in layouts}
    layouts = lengthen(as_lists(layouts) if len(structures) > 1 else layouts)
    if len({tuple(map(np.shape, jax.tree.leaves(layout))) for layout in layouts}) > 1:  # tiles of several shapes
        layouts = lengthen(as_lists(layouts))
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(x) for x in leaves]), *layouts)


def as_lists(layouts: list[Layout]) -> list[Layout]:
    """The live edges of each."""
    return [EdgeList.from_edges(*live_edges(x), n_receivers=x.n_receivers, n_senders=x.n_senders) for x in layouts]


def lengthen(layouts: list[Layout]) -> list[Layout]:
    """The same edges in as many slots as the largest has."""
    sizes = [layout.data_slots() for layout in layouts]
    depth = max((getattr(layout, "depth", 0) for layout in layouts), default=0)
    most = max((size for size in sizes if size is not None), default=0)
    layouts = [layout if size is None else layout.pad_slots(most) for layout, size in zip(layouts, sizes, strict=True)]
    if depth:  # the longest neighbourhood of all decides for all
        layouts = [replace(layout, depth=depth) for layout in layouts]
    return layouts
