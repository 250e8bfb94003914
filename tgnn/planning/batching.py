"""Batches of small graphs: one disjoint union, or a stack of padded matrices, whichever was measured to be faster.

Sparse graphs of unequal size (molecules and their bonds) are faster as a union; whether complete ones (a Transformer on
each molecule) are faster as a stack depends on the machine: `tgnn.planning.timings` knows where the lines cross. Shapes
come in buckets, so that the batches of an epoch share a handful of compiled programs.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.attention.aggregation import aggregate
from tgnn.attention.api import attend
from tgnn.graphs import Complete, Dense, EdgeList, Layout
from tgnn.graphs.host import distinct, pair_key
from tgnn.graphs.interop import live_edges
from tgnn.graphs.layout import register_export
from tgnn.graphs.padding import bucket, each_layout
from tgnn.planning.choose import GAIN
from tgnn.planning.timings import load as load_timings
from tgnn.printing import one_line
from tgnn.pytrees import register
from tgnn.typing import Array, ArrayLike

FORMS = "union", "stack"


@register
@dataclass(frozen=True)
class Batch:
    """Several graphs as one.

    Attributes:
      layout: of the union, or of the stack, with a leading axis of graphs. Padding has no edge.
      graph: int [n_node], or [n_graph, n_node] in a stack: the number of each node's graph, -1 in the padding.
      edge: int [a bucket]: the slot of each edge, those of all graphs one after the other, -1 in the padding.
      n_graph: number of graphs, padding included.
    """

    layout: Layout
    graph: Array
    edge: Array
    n_graph: int = jax.tree.static()  # pyright: ignore

    def __repr__(self) -> str:
        return one_line(self)

    @property
    def form(self) -> str:
        """One of `FORMS`."""
        return FORMS[self.graph.ndim - 1]

    def pack(self, x: ArrayLike) -> np.ndarray:
        """Nodes of all graphs one after the other, [n, ...], into the batch's shape, zeros in the padding. NumPy."""
        inside = np.asarray(self.graph) >= 0
        if np.shape(x)[:1] != (inside.sum(),):
            raise ValueError(
                f"x has shape {np.shape(x)}, but the graphs have {inside.sum()} nodes; give one row for each"
            )
        packed = np.zeros(self.graph.shape + np.shape(x)[1:], np.asarray(x).dtype)
        packed[inside] = x
        return packed

    def unpack(self, x: ArrayLike) -> np.ndarray:
        """The inverse of `pack`."""
        return np.asarray(x)[np.asarray(self.graph) >= 0]

    def pack_edges(self, x: ArrayLike) -> np.ndarray:
        """Edges of all graphs one after the other, [n_edge, ...], into the batch's slots, zeros elsewhere. NumPy.

        The edges of an edge list or a GraphsTuple are its live ones in the caller's order; those of other layouts are
        in row-major order of their slots, as in `to_edges`.
        """
        shape = self.graph.shape + self.graph.shape[-1:] if self.form == "stack" else self.layout.edge_shape
        slots = np.asarray(self.edge)
        slots = slots[slots >= 0]
        if np.shape(x)[:1] != slots.shape:
            raise ValueError(
                f"x has shape {np.shape(x)}, but the graphs have {len(slots)} live edges; give one row for each"
            )
        packed = np.zeros((int(np.prod(shape)), *np.shape(x)[1:]), np.asarray(x).dtype)
        packed[slots] = x
        return packed.reshape(shape + np.shape(x)[1:])

    def attend(self, query: Array, key: Array, value: Array, **options: Any) -> Array:
        """`tgnn.attend` within each graph, on packed arrays, also `edges`, `edge_value` and an array as `bias`.

        All other options are shared by all graphs; dropout drops the same edges in either form.
        """
        for name, x in (("query", query), ("key", key), ("value", value)):
            self.check_packed(name, jnp.asarray(x))
        if self.form == "union":
            return attend(self.layout, query, key, value, **options)
        packed = {name: options.pop(name, None) for name in ("edges", "edge_value", "bias")}
        if callable(packed["bias"]):
            options["bias"] = packed.pop("bias")
        packed = {name: x for name, x in packed.items() if x is not None}
        size = (self.graph >= 0).sum(axis=1)
        first = jnp.cumsum(size) - size  # where each graph begins in the union

        def run(layout, nodes, packed, first):
            return attend(layout, *nodes, **packed, origin=(first, first, 0), **options)

        return jax.vmap(run)(self.layout, (query, key, value), packed, first)

    def check_packed(self, name: str, x: Array) -> None:
        """A ValueError for what has not the shape that `pack` gives."""
        if x.shape[: self.graph.ndim] != self.graph.shape:
            raise ValueError(
                f"{name} has shape {x.shape}, but the nodes of this {self.form} are {list(self.graph.shape)}; "
                f"use batch.pack({name})"
            )

    def pool(self, x: Array, reduction: str = "mean") -> Array:
        """`tgnn.aggregate` over the nodes of each graph: packed features -> [n_graph, ...], zeros for the padding.

        Raises:
          ValueError: for features that are not packed.

        >>> from tgnn.graphs import Complete
        >>> made = batch([Complete(2), Complete(1)])
        >>> made.pool(made.pack(np.array([[1.0], [3.0], [5.0]], np.float32))).tolist()
        [[2.0], [5.0]]
        """
        x = jnp.asarray(x)
        self.check_packed("x", x)
        if self.form == "union":
            n = len(self.graph)
            return aggregate(EdgeList(jnp.arange(n), self.graph, self.n_graph, n), x, reduction)
        inside = jnp.where(self.graph >= 0, 0, -1)
        nodes = lambda segments: Complete(1, len(segments)).with_segments(jnp.zeros(1, int), segments)  # noqa: E731
        return jax.vmap(lambda segments, x: aggregate(nodes(segments), x, reduction)[0])(inside, x)


register_export(Batch)


def batch(
    graphs: Sequence[Layout],
    form: str | None = None,
    *,
    n_graph: int | None = None,
    heads: int = 8,
    head_dim: int = 16,
    gradients: bool = True,
    timings: str | os.PathLike[str] | None = None,
) -> Batch:
    """Several graphs as one, in buckets: sizes of the form 2 ** k or 3 * 2 ** (k - 1). Host side, NumPy.

    Args:
      graphs: layouts, each on one set of nodes.
      form: "union", "stack", or None for the one with the least predicted time.
      n_graph: number of graphs, padding included; default as many as there are. One number keeps one program.
      heads: of the calls to come, like the next two arguments.
      head_dim: numbers per head.
      gradients: whether they will be differentiated.
      timings: a file of measured times, as for `plan`.

    Raises:
      ValueError: for no graph, more than `n_graph`, bipartite ones, an unknown form, or duplicate edges in a stack.

    >>> from tgnn.graphs import Complete
    >>> batch([Complete(2), Complete(3)], "stack").layout.mask.shape
    (2, 8, 8)
    """
    graphs = each_layout("graphs", graphs)
    check(graphs, form, n_graph)
    sizes = np.array([graph.n_receivers for graph in graphs])
    edges = [live_edges(graph) for graph in graphs]
    if form is None:
        form = faster(graphs, sizes, edges, heads, head_dim, gradients, timings)
    return (union if form == "union" else stack)(sizes, edges, n_graph or len(graphs))


def check(graphs: Sequence[Layout], form: str | None, n_graph: int | None) -> None:
    """A ValueError for what cannot be batched."""
    if not len(graphs):
        raise ValueError("graphs is empty; a batch needs at least one")
    if form not in (None, *FORMS):
        raise ValueError(f"form must be None or one of {', '.join(FORMS)}, got {form!r}")
    if n_graph is not None and n_graph < len(graphs):
        raise ValueError(f"n_graph is {n_graph}, but there are {len(graphs)} graphs; choose at least that")
    for i, graph in enumerate(graphs):
        if graph.n_receivers != graph.n_senders:
            raise ValueError(
                f"graph {i} has {graph.n_receivers} receivers and {graph.n_senders} senders; "
                "a batch needs graphs on one set of nodes"
            )
        graph.require_concrete()


def faster(
    graphs: Sequence[Layout],
    sizes: np.ndarray,
    edges: Sequence[tuple[np.ndarray, np.ndarray]],
    heads: int,
    head_dim: int,
    gradients: bool,
    timings: str | os.PathLike[str] | None,
) -> str:
    """The form with the least predicted time; a union where nothing was measured, or an edge stands twice."""
    known = load_timings(timings)
    simple = all(len(distinct(pair_key(s, r, n))) == len(s) for (s, r), n in zip(edges, sizes.tolist(), strict=True))
    if known is None or not simple:
        return "union"
    slots = {"EdgeList": bucket(sum(len(s) for s, _ in edges)), "Stack": len(graphs) * bucket(int(sizes.max())) ** 2}
    union, stack = (known.predict(name, n, heads, head_dim, gradients) for name, n in slots.items())
    return "stack" if union is not None and stack is not None and stack < GAIN * union else "union"


def union(sizes: np.ndarray, edges: Sequence[tuple[np.ndarray, np.ndarray]], n_graph: int) -> Batch:
    """All graphs as one edge list, its nodes and edges padded to a bucket."""
    first = np.cumsum(sizes) - sizes
    senders, receivers = (
        np.concatenate([x[i] + n for x, n in zip(edges, first.tolist(), strict=True)]) for i in (0, 1)
    )
    n = bucket(int(sizes.sum()))
    graph = np.append(np.repeat(np.arange(len(sizes)), sizes), np.full(n - sizes.sum(), -1)).astype(np.int32)
    layout = EdgeList.from_edges(senders, receivers, n_receivers=n, pad_to=bucket(len(senders)))
    return Batch(layout, jnp.asarray(graph), numbered(np.arange(len(senders))), n_graph)


def stack(sizes: np.ndarray, edges: Sequence[tuple[np.ndarray, np.ndarray]], n_graph: int) -> Batch:
    """A matrix of one size for every graph, the size of a bucket."""
    n = bucket(int(sizes.max()))
    counts = np.zeros((n_graph, n, n), np.int32)
    for matrix, (senders, receivers) in zip(counts, edges, strict=False):
        np.add.at(matrix, (receivers, senders), 1)
    if counts.max() > 1:
        raise ValueError('an edge stands twice, and a matrix keeps each edge once; use form="union"')
    inside = np.arange(n)[None] < np.append(sizes, np.zeros(n_graph - len(sizes), int))[:, None]
    graph = np.where(inside, np.arange(n_graph)[:, None], -1).astype(np.int32)
    slots = [(i * n + receivers) * n + senders for i, (senders, receivers) in enumerate(edges)]
    return Batch(Dense(jnp.asarray(counts > 0)), jnp.asarray(graph), numbered(np.concatenate(slots)), n_graph)


def numbered(slots: np.ndarray) -> Array:
    """Slots of edges, padded with -1 to a bucket."""
    return jnp.asarray(np.append(slots, np.full(bucket(len(slots)) - len(slots), -1)).astype(np.int32))
