"""Random graphs: a layout of the library, and its edges by rules written here, which no code of the library runs."""

from typing import NamedTuple

import jax.numpy as jnp
import jraph
import numpy as np
from hypothesis import strategies as st

import tgnn

LISTS = "edges", "raw edges", "graph"  # per-edge arrays are rows in the caller's order
LISTED = (*LISTS, "neighbors", "blocks", "dense", "plan")  # made of edges that data give
SEGMENTED = "complete", "causal", "window", "prefix"
KINDS = (*LISTED, *SEGMENTED)
INDEX_TYPES = "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"


class Graph(NamedTuple):
    """What a layout is made of, in plain values, so that its repr makes it again.

    Attributes:
        kind: of the layout.
        n: receivers.
        m: senders.
        edges: (sender, receiver) of each, where data give them.
        kept: a mask of these.
        numbers: offset, left, right, dilation, prefix, block, spare, as the kind needs them.
        segments: of receivers and of senders.
        index_type: of the arrays of indices.
    """

    kind: str
    n: int
    m: int
    edges: tuple = ()
    kept: tuple | None = None
    numbers: tuple = (0, 0, 0, 1, 0, 2, 0)
    segments: tuple | None = None
    index_type: str = "int32"


class Edges(NamedTuple):
    """The live edges of a graph, and the rows of per-edge arrays in which they stand."""

    senders: np.ndarray
    receivers: np.ndarray
    rows: np.ndarray


@st.composite
def graphs(draw) -> Graph:
    """Any of these kinds, mostly small, often empty somewhere."""
    kind = draw(st.sampled_from(KINDS))
    n = draw(st.integers(0, 9))
    m = n if kind == "graph" else draw(st.integers(0, 9))
    small = st.integers(0, 4)
    numbers = (
        draw(st.integers(-4, 4)),
        draw(small),
        draw(small),
        draw(st.integers(1, 3)),
        draw(small),
        draw(st.integers(1, 4)),
        draw(small),
    )
    if kind in SEGMENTED:
        if kind == "prefix":
            n = m
        ids = st.integers(-1, 2)
        sides = st.tuples(st.lists(ids, min_size=n, max_size=n), st.lists(ids, min_size=m, max_size=m))
        segments = draw(st.none() | sides.map(lambda two: tuple(map(tuple, two))))
        return Graph(kind, n, m, numbers=numbers, segments=segments)
    outside = 2 if kind in ("raw edges", "graph") else 0  # indices out of range are dead
    senders, receivers = st.integers(-outside, m - 1 + outside), st.integers(-outside, n - 1 + outside)
    possible = (n > 0 and m > 0) or outside
    pairs = (
        st.lists(st.tuples(senders, receivers), max_size=24, unique=kind in ("blocks", "dense")) if possible else None
    )
    edges = tuple(draw(pairs)) if pairs is not None else ()
    lists = st.lists(st.booleans(), min_size=len(edges), max_size=len(edges)).map(tuple)
    kept = draw(st.none() | lists) if kind not in ("blocks", "dense", "plan") else None
    signed = [name for name in INDEX_TYPES if not outside or name.startswith("int")]
    return Graph(kind, n, m, edges, kept, numbers, None, draw(st.sampled_from(signed)))


def live_edges(graph: Graph) -> Edges:
    """By the rule of the kind."""
    n, m = graph.n, graph.m
    offset, left, right, dilation, prefix, _, _ = graph.numbers
    if graph.kind in LISTED:
        kept = graph.kept or (True,) * len(graph.edges)
        rows = [e for e, (s, r) in enumerate(graph.edges) if kept[e] and 0 <= s < m and 0 <= r < n]
        pairs = np.array([graph.edges[e] for e in rows], int).reshape(-1, 2)
        return Edges(pairs[:, 0], pairs[:, 1], np.array(rows, int))
    pairs = []
    for i in range(n):
        for j in range(m):
            step = j - i - offset
            sees = {
                "complete": True,
                "causal": j <= i + offset,
                "prefix": j <= i or j < prefix,
                "window": step % dilation == 0 and -left * dilation <= step <= right * dilation,
            }[graph.kind]
            if graph.segments is not None:
                mine, theirs = graph.segments[0][i], graph.segments[1][j]
                sees = sees and mine == theirs and mine >= 0
            if sees:
                pairs.append((j, i))
    pairs = np.array(pairs, int).reshape(-1, 2)
    return Edges(pairs[:, 0], pairs[:, 1], np.arange(len(pairs)))


def n_rows(graph: Graph) -> int:
    """Rows of per-edge arrays of a list, padding included."""
    return len(graph.edges) + (graph.numbers[6] if graph.kind == "edges" else 0)


def layout_of(graph: Graph):
    """What the library makes of it."""
    n, m, kind = graph.n, graph.m, graph.kind
    offset, left, right, dilation, prefix, block, _ = graph.numbers
    senders = np.array([s for s, _ in graph.edges], graph.index_type)
    receivers = np.array([r for _, r in graph.edges], graph.index_type)
    mask = None if graph.kept is None else np.array(graph.kept, bool)
    ends, sizes = (senders, receivers), {"n_receivers": n, "n_senders": m}
    layout = {
        "edges": lambda: tgnn.EdgeList.from_edges(*ends, **sizes, mask=mask, pad_to=n_rows(graph)),
        "raw edges": lambda: tgnn.EdgeList(*map(jnp.asarray, ends), n, m, None if mask is None else jnp.asarray(mask)),
        "graph": lambda: tgnn.EdgeList.from_graph(
            graphs_tuple(n, *ends), mask=None if mask is None else jnp.asarray(mask)
        ),
        "neighbors": lambda: tgnn.Neighbors.from_edges(*ends, **sizes, mask=mask),
        "blocks": lambda: tgnn.Blocks.from_edges(*ends, block, **sizes),
        "dense": lambda: tgnn.Dense.from_edges(*ends, **sizes),
        "plan": lambda: tgnn.plan(tgnn.EdgeList.from_edges(*ends, **sizes)),
        "complete": lambda: tgnn.Complete(n, m),
        "causal": lambda: tgnn.Causal(n, n_senders=m, offset=offset),
        "window": lambda: tgnn.Window(n, left, right, dilation=dilation, n_senders=m, offset=offset),
        "prefix": lambda: tgnn.Prefix(n, prefix, n_senders=m),
    }[kind]()
    return layout if graph.segments is None else layout.with_segments(*(np.array(x, int) for x in graph.segments))


def graphs_tuple(n, senders, receivers):
    """As jraph has it."""
    size = np.array([n]), np.array([len(senders)])
    return jraph.GraphsTuple(jnp.zeros((n, 1)), None, receivers, senders, None, *size)


def on_rows(graph: Graph, layout, edges: Edges, values, dead):
    """Values of the live edges, [n_live, ...], where per-edge arrays of the layout have them; `dead` in other rows."""
    if graph.kind in (*LISTS, "plan"):
        rows = n_rows(graph)
        return jnp.full((rows, *values.shape[1:]), dead, values.dtype).at[edges.rows].set(values)
    return layout.arrange(values, edges.senders, edges.receivers)
