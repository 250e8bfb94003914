"""The border: jraph, NumPy, SciPy and NetworkX graphs in and out; as layouts.

jraph supplies the interchange type and its naming. Of its functions only those that work today are called (see
`tests/graphs/test_interop.py`), and none of its numerics apart from plain segment sums and maxima.
"""

from typing import TYPE_CHECKING, Any

import jraph
import numpy as np

from tgnn.graphs.edge_list import EdgeList
from tgnn.graphs.layout import Layout
from tgnn.typing import Params

if TYPE_CHECKING:
    import networkx
    from scipy.sparse import csr_matrix


def as_layout(
    graph: Layout | jraph.GraphsTuple, n_receivers: int | None = None, n_senders: int | None = None
) -> Layout:
    """A layout as it is, or the edges of a GraphsTuple, between nodes of the given number or as many as it says."""
    check_graph(graph)
    if isinstance(graph, Layout):
        return check_single(graph)
    if n_receivers is not None and n_senders is not None and n_receivers != n_senders:
        raise ValueError(f"a GraphsTuple joins nodes of one set, but query has {n_receivers} rows and key {n_senders}")
    return EdgeList.from_graph(graph, n_nodes=n_receivers)


def check_graph(graph: Any) -> None:
    """A ValueError for what is no graph."""
    if not isinstance(graph, Layout | jraph.GraphsTuple):
        raise ValueError(
            f"layout must be a tgnn layout or a jraph.GraphsTuple, got {type(graph).__name__}; "
            "it is the first argument; build one with tgnn.EdgeList.from_edges(senders, receivers, n_receivers=...), "
            "tgnn.from_networkx or tgnn.from_scipy"
        )


def check_single(layout: Layout) -> Layout:
    """`layout`, or a ValueError for what `stack` made, or a mask for each head, outside of `jax.vmap`."""
    for name, axes in layout.axes.items():
        x = getattr(layout, name)
        if x is not None and np.ndim(x) != axes:
            raise ValueError(
                f"layout is a {type(layout).__name__} with {name} of shape {np.shape(x)}, expected {axes} axes for "
                "one graph; give several, or one for each head, to jax.vmap"
            )
    return layout


def from_networkx(graph: "networkx.Graph[Any]") -> EdgeList:
    """The edges of a NetworkX graph, nodes numbered as in `graph.nodes`; an undirected edge gives both directions.

    Arrays per edge (`bias`, `edges`) follow `graph.edges()`; of an undirected graph those in the other direction come
    after all of them, without loops. Attributes such as `weight` are left out: read them in that order.
    """
    number = {node: i for i, node in enumerate(graph.nodes)}
    pairs = [(number[u], number[v]) for u, v in graph.edges()]
    if not graph.is_directed():
        pairs += [(v, u) for u, v in pairs if u != v]
    senders, receivers = np.array(pairs, np.int64).reshape(-1, 2).T
    return EdgeList.from_edges(senders, receivers, n_receivers=len(number))


def is_bipartite(layout: Layout, bipartite: bool | None) -> bool:
    """Whether senders and receivers are two sets of nodes, by default where their numbers differ, or a ValueError."""
    uneven = layout.n_receivers != layout.n_senders
    if uneven and bipartite is False:
        raise ValueError(
            f"bipartite is False, but graph joins {layout.n_senders} senders to {layout.n_receivers} receivers, which "
            "are not one set of nodes; leave it out"
        )
    return uneven if bipartite is None else bipartite


def to_networkx(layout: Layout, *, bipartite: bool | None = None) -> "networkx.MultiDiGraph[Any]":
    """A `networkx.MultiDiGraph` of the live edges; senders of a bipartite layout are numbered after the receivers.

    Args:
        layout: any layout with concrete edges, or a graph.
        bipartite: whether senders and receivers are two sets of nodes. Default: where their numbers differ; say it
            where they may be equal.
    """
    import networkx

    layout = as_layout(layout)
    senders, receivers = live_edges(layout)
    graph = networkx.MultiDiGraph()
    two_sets = is_bipartite(layout, bipartite)
    shift = layout.n_receivers if two_sets else 0
    graph.add_nodes_from(range(layout.n_receivers + two_sets * layout.n_senders))
    graph.add_edges_from(zip((senders + shift).tolist(), receivers.tolist(), strict=True))
    return graph


def from_scipy(matrix: Any) -> EdgeList:
    """The stored entries of a SciPy sparse matrix [n_receivers, n_senders] as edges, in COO order.

    Values are left out: `matrix.tocoo().data[:, None]` are the weights with which `layout.aggregate` multiplies by the
    matrix.

    >>> import jax.numpy as jnp, scipy.sparse
    >>> matrix = scipy.sparse.csc_matrix([[0.0, 2.0], [3.0, 4.0]])
    >>> layout = from_scipy(matrix)
    >>> weights = jnp.asarray(matrix.tocoo().data)[:, None]
    >>> layout.aggregate(weights, jnp.array([1.0, 10.0])[:, None, None]).ravel().tolist()
    [20.0, 43.0]
    """
    if not hasattr(matrix, "tocoo"):
        raise ValueError(
            f"matrix must be a SciPy sparse matrix, got {type(matrix).__name__}; use scipy.sparse.coo_matrix(matrix), "
            "or tgnn.Dense for a mask"
        )
    matrix = matrix.tocoo()
    return EdgeList.from_edges(matrix.col, matrix.row, n_receivers=matrix.shape[0], n_senders=matrix.shape[1])


def to_scipy(layout: Layout) -> "csr_matrix":
    """A `scipy.sparse.csr_matrix` [n_receivers, n_senders] that counts the edges of each pair."""
    from scipy import sparse

    layout = as_layout(layout)
    senders, receivers = live_edges(layout)
    shape = (layout.n_receivers, layout.n_senders)
    return sparse.csr_matrix((np.ones(len(senders), np.float32), (receivers, senders)), shape=shape)


def to_graph(layout: Layout, nodes: Params = None) -> jraph.GraphsTuple:
    """One `jraph.GraphsTuple` of the live edges, in the caller's order, with `nodes` as its node features."""
    senders, receivers = live_edges(layout)
    return jraph.GraphsTuple(
        nodes=nodes,
        edges=None,
        senders=senders,
        receivers=receivers,
        globals=None,
        n_node=np.array([layout.n_receivers]),
        n_edge=np.array([len(senders)]),
    )


def live_edges(layout: Layout | jraph.GraphsTuple) -> tuple[np.ndarray, np.ndarray]:
    """Senders and receivers of the live edges on the host, in the caller's order. NumPy: nothing is compiled."""
    return as_layout(layout).pairs()


def edge_slots(layout: Layout | jraph.GraphsTuple) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sender and receiver of each edge of a list and whether it is live, on the host, in the caller's order.

    Of layouts that are no list, the live ones only.
    """
    layout = as_layout(layout)
    layout.require_concrete()
    edges = layout.to_edges()
    return edges.on_edges(edges.sender_index), edges.on_edges(edges.receiver_index), edges.on_edges(edges.live)
