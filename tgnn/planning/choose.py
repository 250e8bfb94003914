"""Choose the layout that will run fastest for given edges.

Structure decides what is possible: a rule where the edges follow one, else a list, tiles, row windows, a matrix or a
table of neighbours. A saved measurement (`timings.py`) decides between them; nothing here is a matter of taste.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from tgnn.graphs import Blocks, Causal, Complete, Dense, EdgeList, Layout, Neighbors, RowWindows, Window
from tgnn.graphs.host import distinct, pair_key
from tgnn.graphs.layout import is_traced
from tgnn.graphs.orders import best_order, count_work
from tgnn.graphs.planned import Planned
from tgnn.planning.timings import Timings
from tgnn.planning.timings import load as load_timings

BLOCKS = 16, 32, 64, 128  # sizes of tiles that are tried
WINDOWS = 32, 64  # receivers of a row window, likewise
MOST_SLOTS = 2**31  # a matrix or tiles beyond are not built, whatever their speed
GAIN = 0.9  # another layout must promise at most this share of the list's time: predictions err by about as much


class Edges(NamedTuple):
    """A list on the host, in the caller's order."""

    senders: np.ndarray
    receivers: np.ndarray
    live: np.ndarray
    n_receivers: int
    n_senders: int

    @classmethod
    def of(cls, layout: EdgeList) -> "Edges":
        """The edges of a layout. NumPy alone: nothing is compiled."""
        senders, receivers = np.asarray(layout.senders, np.int64), np.asarray(layout.receivers, np.int64)
        live = (receivers >= 0) & (receivers < layout.n_receivers) & (senders >= 0) & (senders < layout.n_senders)
        live &= True if layout.mask is None else np.asarray(layout.mask)
        return cls(senders, receivers, live, layout.n_receivers, layout.n_senders)

    @property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Senders and receivers of the live edges."""
        return self.senders[self.live], self.receivers[self.live]

    @property
    def sizes(self) -> dict[str, int]:
        """As the factories of layouts take them."""
        return {"n_receivers": self.n_receivers, "n_senders": self.n_senders}

    def is_simple(self) -> bool:
        """Whether no live edge stands twice."""
        keys = pair_key(*self.pairs, self.n_senders)
        return len(distinct(keys)) == len(keys)


def plan(
    graph: Layout | jraph.GraphsTuple,
    *,
    heads: int = 8,
    head_dim: int = 16,
    gradients: bool = True,
    timings: str | os.PathLike[str] | None = None,
    backend: str | None = None,
) -> Layout:
    """The layout of the same edges that is predicted to run fastest. Host side, O(n_edge log n_edge).

    Args:
      graph: an EdgeList, a `jraph.GraphsTuple`, or another layout. Layouts by a rule (Complete, Causal, Window, Prefix)
        are fast already and come back as they are; Dense, Blocks, RowWindows and Neighbors are planned anew from their
        edges.
      heads: of the calls to come.
      head_dim: numbers per head.
      gradients: whether they will be differentiated.
      timings: a file of measured times (see `tgnn.planning.timings.load`).
      backend: "cpu", "gpu" or "tpu"; default the one that JAX compiles for. Without a measurement for it the edges
        stay a list, unless they follow a rule.

    Returns:
      A layout whose bias, edges and edge_value are [n_edge, ...] in the caller's order for an EdgeList or GraphsTuple;
      for other layouts in row-major order of their live slots (that of `graph.to_edges()`). A multigraph stays one.

    Raises:
      ValueError: under jit, where the edges are unknown.

    >>> i, j = np.indices((64, 64)).reshape(2, -1)
    >>> type(plan(EdgeList.from_edges(i, j, n_receivers=64)).chosen).__name__
    'Complete'
    """
    listed = as_list(graph)
    if listed.form != "list" or not listed.count_all_slots():
        return listed
    edges = Edges.of(listed)
    found = cheapest(edges, listed, load_timings(timings, backend), heads, head_dim, gradients)
    return listed if found is listed else Planned.of(found, listed)


def as_list(graph: Layout | jraph.GraphsTuple) -> Layout:
    """A concrete edge list, or the layout itself where a rule gives its edges."""
    if any(map(is_traced, jax.tree.leaves(graph))):
        raise ValueError("plan reads the edges on the host, but they are traced; call it outside jit")
    if isinstance(graph, jraph.GraphsTuple):
        graph = EdgeList.from_graph(graph)
    if graph.form == "list" and graph.to_edges().order is None:  # without an order in which rows are read fast
        edges = Edges.of(graph)
        return EdgeList.from_edges(edges.senders, edges.receivers, mask=edges.live, **edges.sizes)
    return graph if graph.is_rule or graph.form == "list" else graph.to_edges()


def cheapest(
    edges: Edges, listed: EdgeList, timings: str | os.PathLike[str] | None, heads: int, head_dim: int, gradients: bool
) -> Layout:
    """The rule that the edges follow, else the layout with the least predicted time."""
    simple = edges.is_simple()
    rule = follow_rule(edges) if simple else None
    if rule is not None:
        return rule
    best, least = None, None
    for option, seconds in predicted(edges, listed, simple, timings, heads, head_dim, gradients):
        if option.kind == "EdgeList":
            least = seconds * GAIN
        elif least is not None and seconds < least:
            best, least = option, seconds
    return listed if best is None else best.build()


class Option(NamedTuple):
    """A layout that can hold the edges: its name in the timings, slots that take as long as it, and how to build it."""

    kind: str
    slots: int
    build: Callable[[], Layout]


def predicted(
    edges: Edges, listed: EdgeList, simple: bool, timings: Timings | None, heads: int, head_dim: int, gradients: bool
) -> Iterator[tuple[Option, float]]:
    """The options that were measured, the list first, with their predicted seconds."""
    limit = None

    def seconds_of(kind: str, slots: int) -> float | None:
        return timings and timings.predict(kind, slots, heads, head_dim, gradients)

    def may_win(kind: str, least_slots: int) -> bool:
        seconds = seconds_of(kind, least_slots)
        return bool(seconds and limit is not None and seconds < limit)

    for option in options(edges, listed, simple, may_win):
        seconds = seconds_of(option.kind, option.slots)
        if seconds:
            limit = seconds * GAIN if option.kind == "EdgeList" else limit
            yield option, seconds


def options(edges: Edges, listed: EdgeList, simple: bool, may_win: Callable[[str, int], bool]) -> Iterator[Option]:
    """Every layout that can hold the edges, the list first; those that take long to count only where they `may_win`."""
    senders, receivers = edges.pairs
    sizes = edges.sizes
    yield Option("EdgeList", len(edges.live), lambda: listed)
    slots = edges.n_receivers * int(np.bincount(receivers, minlength=1).max())
    yield Option("Neighbors", slots, lambda: Neighbors.from_edges(senders, receivers, **sizes))
    if not simple:
        return
    yield Option("Dense", edges.n_receivers * edges.n_senders, lambda: Dense.from_edges(senders, receivers, **sizes))
    for block in BLOCKS:
        tiles = distinct(pair_key(senders // block, receivers // block, -(-edges.n_senders // block)))
        if len(tiles) * block**2 <= MOST_SLOTS:
            build = partial(Blocks.from_edges, senders, receivers, block, **sizes)
            yield Option(f"Blocks {block}", len(tiles) * block**2, build)
    sent = np.bincount(senders, minlength=1)
    for size in WINDOWS:
        kind = f"RowWindows {size}"
        if may_win(kind, size * int((-(-sent // size)).sum())):  # a column serves at most `size` edges
            order = best_order(senders, receivers, *sizes.values(), size)
            slots = count_work(senders, receivers, order, size)
            if slots <= MOST_SLOTS:
                build = partial(RowWindows.from_edges, senders, receivers, size, order=order, **sizes)
                yield Option(kind, slots, build)


def follow_rule(edges: Edges) -> Layout | None:
    """Complete, Causal, Window, or disjoint complete graphs, where the edges are exactly those; None otherwise."""
    senders, receivers = edges.pairs
    n, m = edges.n_receivers, edges.n_senders
    if not len(senders):
        return None
    if len(senders) == n * m:
        return Complete(n, m)
    steps = senders - receivers
    window = Window(n, int(-steps.min()), int(steps.max()), n_senders=m) if steps.min() <= 0 <= steps.max() else None
    if window is not None and steps.max() == 0 and n == m and len(senders) == n * (n + 1) // 2:
        return Causal(n)
    if window is not None and len(senders) == count_band(window):
        return window
    return cliques(edges)


def count_band(window: Window) -> int:
    """How many edges a window has."""
    first = np.maximum(np.arange(window.n) - window.left, 0)
    last = np.minimum(np.arange(window.n) + window.right, window.n_senders - 1)
    return int(np.maximum(last - first + 1, 0).sum())


def cliques(edges: Edges) -> Layout | None:
    """Disjoint complete graphs as one with segments, where they lie one after the other; None otherwise."""
    senders, receivers = edges.pairs
    mine = np.full(edges.n_receivers, edges.n_senders)
    np.minimum.at(mine, receivers, senders)  # a clique is named by its first sender
    theirs = np.full(edges.n_senders, -1)
    theirs[senders] = mine[receivers]
    mine = np.where(mine == edges.n_senders, -1, mine)
    if (theirs[senders] != mine[receivers]).any() or any((np.diff(x[x >= 0]) < 0).any() for x in (mine, theirs)):
        return None
    rows, columns = (np.bincount(x[x >= 0], minlength=edges.n_senders).astype(np.int64) for x in (mine, theirs))
    if int((rows * columns).sum()) != len(senders):
        return None
    return Complete(edges.n_receivers, edges.n_senders).with_segments(jnp.asarray(mine), jnp.asarray(theirs))


def predictions(
    layout: Layout,
    heads: int,
    head_dim: int,
    gradients: bool,
    timings: str | os.PathLike[str] | None,
    backend: str | None,
) -> dict[str, float]:
    """Predicted seconds of the layouts that hold these edges, the fastest first."""
    found = load_timings(timings, backend)
    if found is None:
        return {}
    listed = as_list(layout)
    if listed.form == "list":
        edges = Edges.of(listed)
        every = predicted(edges, listed, edges.is_simple(), found, heads, head_dim, gradients)
        each = {option.kind: seconds for option, seconds in every}
    else:
        kinds, slots = (type(listed).__name__, "EdgeList"), listed.count_slots()
        each = {kind: found.predict(kind, slots, heads, head_dim, gradients) for kind in kinds}
    return dict(sorted(((kind, x) for kind, x in each.items() if x is not None), key=lambda item: item[1]))
