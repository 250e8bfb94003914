"""The graph of Exphormer: given edges, those of an expander, and those with virtual nodes."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tgnn.errors import check_segments, check_size
from tgnn.graphs import EdgeList, Layout
from tgnn.graphs.interop import edge_slots
from tgnn.graphs.layout import is_traced
from tgnn.patterns import expander
from tgnn.typing import Array

GIVEN, EXPANDER, FROM_VIRTUAL, TO_VIRTUAL = range(4)


class Interactions(NamedTuple):
    """The graph that Exphormer attends along: n nodes, and then the virtual nodes of each graph.

    Attributes:
        layout: given edges first, in their caller's order; a pair that is of two kinds has two edges.
        kinds: int32 [n_edge] in the caller's order: `GIVEN`, `EXPANDER`, `FROM_VIRTUAL`, `TO_VIRTUAL`; -1 = padding.
    """

    layout: EdgeList
    kinds: Array | np.ndarray


def interactions(
    layout: Layout,
    *,
    segments: Array | None = None,
    num_graphs: int | None = None,
    degree: int = 4,
    num_virtual: int = 1,
    seed: int = 0,
    pad_to: int | None = None,
) -> Interactions:
    """Adds expander edges and virtual nodes to the graphs of a batch. Host side.

    Args:
        layout: an `EdgeList` with the given edges of n nodes.
        segments: ints `[n]`, the graph of each node, -1 for padding; default one graph.
        num_graphs: how many graphs get virtual nodes; default as many as there are.
        degree: of the expander, even; 0 for none. See `tgnn.patterns.expander`.
        num_virtual: virtual nodes of each graph, joined to all of its nodes in both directions.
        seed: of the expanders: they depend on it and on the number of nodes alone, so that a graph has the same one in
            every batch.
        pad_to: number of edge slots, for batches of one shape; default what is needed.
    """
    n = layout.n_receivers
    owner = np.zeros(n, np.int32) if segments is None else np.asarray(check_segments("segments", segments, n))
    num_graphs = int(owner.max(initial=-1)) + 1 if num_graphs is None else check_size("num_graphs", num_graphs)
    members = [np.flatnonzero(owner == graph) for graph in range(num_graphs)]
    own = np.flatnonzero((owner >= 0) & (owner < num_graphs))
    hubs = (n + owner[own][:, None] * num_virtual + np.arange(num_virtual)[None]).ravel()
    spokes = np.repeat(own, num_virtual)
    senders, receivers, live = edge_slots(layout)
    random = [nodes[_expander(len(nodes), degree, seed)] for nodes in members if len(nodes) > 1 and degree]
    random = np.concatenate([np.zeros((2, 0), int), *random], axis=1)
    parts = [(senders, receivers), random, (hubs, spokes), (spokes, hubs)]
    ends = [np.concatenate([part[side] for part in parts]) for side in (0, 1)]
    kinds = np.repeat(np.arange(4, dtype=np.int32), [len(part[0]) for part in parts])
    mask = np.append(live, np.ones(len(kinds) - len(senders), bool))
    total = n + num_graphs * num_virtual
    joined = EdgeList.from_edges(*ends, n_receivers=total, mask=mask, pad_to=pad_to)
    kinds = np.pad(np.where(mask, kinds, -1), (0, joined.n_edge - len(kinds)), constant_values=-1)
    return Interactions(joined, kinds)


@lru_cache
def _expander(n: int, degree: int, seed: int) -> np.ndarray:
    """Senders and receivers `[2, n_edge]` of an expander of n nodes."""
    table = expander(n, degree, seed)
    live = np.asarray(table.live)
    return np.stack([np.asarray(table.senders)[live], np.nonzero(live)[0]])


def check_given(graph: Interactions, edges: Array) -> None:
    """Rows of `edges` beyond the given edges would be added to the expander's."""
    if is_traced(graph.kinds):
        return
    others = np.flatnonzero(np.asarray(graph.kinds) > GIVEN)
    if len(others) and len(edges) != others[0]:
        raise ValueError(f"edges must have {others[0]} rows, one for each given edge, got {len(edges)}")
