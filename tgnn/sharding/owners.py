"""Which device holds which nodes, so that few edges are cut.

References: Karypis and Kumar, A Fast and High Quality Multilevel Scheme for Partitioning Irregular Graphs, SIAM Journal
on Scientific Computing 20(1), 1998 (METIS, through pymetis).
"""

import numpy as np
import scipy.sparse

from tgnn.errors import check_size
from tgnn.graphs.interop import as_layout, live_edges
from tgnn.graphs.ordering import reorder
from tgnn.graphs.transforms import check_square
from tgnn.typing import Graph


def choose_owners(layout: Graph, parts: int, *, by: str | None = None) -> np.ndarray:
    """The part of each node, for `partition_nodes`. Host side; edges in either direction count alike.

    Args:
      layout: any layout on one set of nodes, or a GraphsTuple.
      parts: how many.
      by: "metis" cuts as few edges as it can (`pip install pymetis`), with the same number of nodes and edges in each
        part to a few per cent; "order" takes equal shares of the order that `tgnn.reorder` finds. None is METIS where
        it is installed.

    Returns:
      int64 [n_nodes].

    Raises:
      ValueError: for bipartite layouts, no parts, and other names.
      ModuleNotFoundError: METIS is asked for, and pymetis is not installed.

    >>> from tgnn import Window
    >>> choose_owners(Window(8, 1, 1), 2, by="order").tolist() in ([0] * 4 + [1] * 4, [1] * 4 + [0] * 4)
    True
    """
    layout = as_layout(layout)
    check_square(layout)
    parts, n = check_size("parts", parts, 1), layout.n_receivers
    if by not in (None, "metis", "order"):
        raise ValueError(f'by must be "metis", "order" or None, got {by!r}')
    if by == "order":
        return by_order(layout, parts)
    try:
        import pymetis
    except ImportError:
        if by == "metis":
            raise ModuleNotFoundError('by="metis" needs pymetis; pip install pymetis, or leave it out') from None
        return by_order(layout, parts)
    senders, receivers = live_edges(layout)
    apart = senders != receivers
    ends = np.concatenate([senders[apart], receivers[apart]]), np.concatenate([receivers[apart], senders[apart]])
    rows = scipy.sparse.csr_array((np.ones(len(ends[0]), np.int32), ends), (n, n))
    rows.sum_duplicates()
    if parts == 1 or not rows.nnz:
        return np.arange(n) * parts // max(n, 1)
    work = 1 + np.bincount(receivers, minlength=n)  # of a node: its own row, and the edges into it
    adjacency = pymetis.CSRAdjacency(rows.indptr, rows.indices)
    return np.asarray(pymetis.part_graph(parts, adjacency, vweights=work, eweights=rows.data)[1], np.int64)


def by_order(layout: Graph, parts: int) -> np.ndarray:
    """Equal shares of an order in which neighbours stand together."""
    edges = as_layout(layout).to_edges()
    order = reorder(edges)[1]
    owner = np.empty(edges.n_receivers, np.int64)
    owner[order] = np.arange(len(order)) * parts // max(len(order), 1)
    return owner
