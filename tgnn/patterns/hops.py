"""The neighbours of neighbours: graphs in which nodes see as far as a few hops."""

from typing import Any

import jax
import jraph
import numpy as np

from tgnn.errors import check_indices, check_size
from tgnn.graphs import EdgeList, Layout
from tgnn.graphs.interop import live_edges
from tgnn.typing import ArrayLike


@jax.ensure_compile_time_eval()  # static, so that it is known under jit too
def k_hop(
    graph: Layout | jraph.GraphsTuple | tuple[ArrayLike, ArrayLike],
    k: int,
    *,
    n_nodes: int | None = None,
    loops: bool = True,
) -> EdgeList:
    """Everybody sees the nodes from which a path of at most `k` edges leads to it. On the host, by log2(k) products.

    Time and memory are those of the result and of its half: O(n * k ** 2) on a mesh, up to n * n where hubs are near
    everything. Attention on it sees in one layer what `k` layers of the graph see.

    Args:
      graph: a layout or GraphsTuple on one set of nodes, or a pair (senders, receivers).
      k: length of the longest path.
      n_nodes: how many nodes a pair joins.
      loops: whether a node sees itself, as by the path of no edge; else not even where a cycle leads back to it.

    Returns:
      Each pair once, sorted by receiver and sender.

    Raises:
      ValueError: for bipartite graphs, traced edges, a k that is no such integer, and a pair without `n_nodes`.

    Reference: Price et al., GenCast: Diffusion-based ensemble forecasting for medium-range weather, arXiv:2312.15796,
    whose Transformer attends to such neighbourhoods of an icosahedral mesh, loops included.

    >>> k_hop(([0, 1, 2], [1, 2, 3]), 2, n_nodes=4, loops=False).adjacency()[3].astype(int).tolist()
    [0, 1, 1, 0]
    """
    from scipy.sparse import coo_array, eye_array

    k = check_size("k", k)
    senders, receivers, n = nodes_and_edges(graph, n_nodes)
    step = coo_array((np.ones(len(senders), bool), (receivers, senders)), shape=(n, n)).tocsr()
    step = step + eye_array(n, dtype=bool, format="csr")  # up to one edge; its powers, up to as many as the exponent
    found: Any = eye_array(n, dtype=bool, format="csr")
    while k:
        found = found @ step if k % 2 else found
        k //= 2
        step = step @ step if k else step
    receivers, senders = found.tocoo().coords
    kept = np.ones(len(senders), bool) if loops else senders != receivers
    order = np.lexsort((senders[kept], receivers[kept]))
    return EdgeList.from_edges(senders[kept][order], receivers[kept][order], n_receivers=n)


def nodes_and_edges(
    graph: Layout | jraph.GraphsTuple | tuple[ArrayLike, ArrayLike], n_nodes: int | None
) -> tuple[np.ndarray, np.ndarray, int]:
    """Senders, receivers and the number of nodes of a graph on one set."""
    if not isinstance(graph, Layout | jraph.GraphsTuple):
        pair = isinstance(graph, tuple | list) and len(graph) == 2
        if n_nodes is None or not pair:
            found = "a pair" if pair else type(graph).__name__
            raise ValueError(
                "graph must be a layout, a jraph.GraphsTuple, or a pair (senders, receivers) with n_nodes, got "
                f"{found} and n_nodes={n_nodes}; pass n_nodes=..."
            )
        n = check_size("n_nodes", n_nodes)
        senders, receivers = check_indices("senders", graph[0], n), check_indices("receivers", graph[1], n)
        if len(senders) != len(receivers):
            raise ValueError(f"graph has {len(senders)} senders but {len(receivers)} receivers; each edge needs both")
        return senders, receivers, n
    layout = EdgeList.from_graph(graph, n_nodes=n_nodes) if isinstance(graph, jraph.GraphsTuple) else graph
    if layout.n_receivers != layout.n_senders or n_nodes not in (None, layout.n_receivers):
        raise ValueError(
            f"graph has {layout.n_receivers} receivers and {layout.n_senders} senders, but paths need one set of nodes"
            + ("" if n_nodes is None else f" and n_nodes is {n_nodes}")
            + "; join both sets, or leave n_nodes out"
        )
    return *live_edges(layout), layout.n_receivers
