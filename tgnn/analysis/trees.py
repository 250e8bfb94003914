"""Trees in weights: the heaviest one without directions, the heaviest one from a root, and how much two trees share."""

import numpy as np

from tgnn.analysis.checks import checked_weights, live_values
from tgnn.errors import as_index
from tgnn.graphs.interop import live_edges
from tgnn.typing import Array, Graph


def spanning_tree(graph: Graph, weights: Array) -> np.ndarray:
    """The maximum spanning tree, edges taken without their directions: the weights of both are summed.

    On the host, by SciPy, in O(edges log n) time. Loops are left out.

    Args:
        graph: who attends to whom, receivers and senders being the same nodes.
        weights: `[*edge_shape]` or `[*edge_shape, heads]`; heads are averaged.

    Returns:
        ints `[n - 1, 2]`, the two ends of each edge, the lower one first, in order; of a graph in several pieces a
        tree of each.

    Raises:
        ValueError: for weights of other edges or NaN, and a bipartite graph.

    >>> import jax.numpy as jnp, tgnn
    >>> weights = jnp.array([[0.0, 0.9, 0.1], [0.3, 0.0, 0.7], [0.5, 0.5, 0.0]])
    >>> spanning_tree(tgnn.Complete(3), weights).tolist()
    [[0, 1], [1, 2]]
    """
    senders, receivers, values, n = weighted_edges(graph, weights)
    return heaviest_tree(np.minimum(senders, receivers), np.maximum(senders, receivers), values, n)


def heaviest_tree(low: np.ndarray, high: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """`spanning_tree` of edges between n nodes; the values of equal pairs are summed."""
    from scipy import sparse
    from scipy.sparse.csgraph import minimum_spanning_tree

    summed = sparse.coo_matrix((values, (low, high)), shape=(n, n)).tocsr()  # also keeps explicit zeros
    if summed.nnz:
        # The tree depends on the order of the sums alone: the largest gets 1, for 0 would be no edge.
        summed.data = 1.0 + np.unique(np.negative(summed.data), return_inverse=True)[1]
    ends = minimum_spanning_tree(summed).nonzero()
    return np.stack(ends, axis=1).astype(np.int64)


def arborescence(graph: Graph, weights: Array, *, root: int | None = None) -> np.ndarray:
    """The maximum spanning arborescence (Chu-Liu/Edmonds): each node but the root keeps one of its in-edges, no cycles.

    On the host, by NetworkX.

    Args:
        graph: as for `spanning_tree`.
        weights: as for `spanning_tree`; of doubled edges the heaviest counts.
        root: the node that keeps none; default the one that leaves the largest sum.

    Returns:
        ints `[n]`, the sender that each receiver keeps; -1 at the root.

    Raises:
        ValueError: as `spanning_tree`, and where the root does not reach every node.

    >>> import jax.numpy as jnp, tgnn
    >>> weights = jnp.array([[0.0, 0.9, 0.1], [0.8, 0.0, 0.2], [0.5, 0.4, 0.0]])
    >>> arborescence(tgnn.Complete(3), weights, root=1).tolist()
    [1, -1, 0]

    Reference: Edmonds, Optimum Branchings, 1967.
    """
    import networkx

    senders, receivers, values, n = weighted_edges(graph, weights)
    if root is not None and not 0 <= root < n:
        raise ValueError(f"root is {root}, but there are {n} nodes; choose one of 0 ... {n - 1}")
    directed = networkx.DiGraph()
    directed.add_nodes_from(range(n))
    exact = whole_numbers(values)  # NetworkX adds a large number to all, in which small floats would be lost
    for i in np.argsort(values, kind="stable"):  # the heaviest of doubled edges comes last, and stays
        if receivers[i] != root:
            directed.add_edge(int(senders[i]), int(receivers[i]), weight=exact[i])
    kept = np.full(n, -1)
    if n < 2:
        return kept
    try:
        tree = networkx.maximum_spanning_arborescence(directed)
    except networkx.NetworkXException:
        place = "no node" if root is None else f"root {root}"
        raise ValueError(f"graph has no tree: {place} reaches all others along its edges; add edges") from None
    for sender, receiver in tree.edges:
        kept[receiver] = sender
    return kept


def whole_numbers(values: np.ndarray) -> list[int]:
    """Integers in the very proportions of some floats, whose denominators are powers of 2.

    >>> whole_numbers(np.array([0.5, -3.0, 0.25]))
    [2, -12, 1]
    """
    ratios = [value.as_integer_ratio() for value in values.tolist()]
    common = max((below for _, below in ratios), default=1)
    return [above * (common // below) for above, below in ratios]


def weighted_edges(graph: Graph, weights: Array) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Senders, receivers and weights of the live edges but loops, on the host, and the number of nodes."""
    layout, weights = checked_weights(graph, weights)
    if layout.n_receivers != layout.n_senders:
        raise ValueError(
            f"graph joins {layout.n_receivers} receivers and {layout.n_senders} senders, but a tree has nodes of one "
            "kind; give the graph of a self-attention"
        )
    senders, receivers = live_edges(layout)
    values = live_values(layout, weights)
    if not np.isfinite(values).all():
        raise ValueError(
            f"weights hold {(~np.isfinite(values)).sum()} numbers that are not finite; leave out the edges"
        )
    other = senders != receivers
    return senders[other], receivers[other], values[other], layout.n_receivers


def tree_overlap(pairs: np.ndarray, heads: np.ndarray, mask: np.ndarray | None = None) -> tuple[int, int]:
    """How many edges of a tree a set of pairs holds, whatever the directions, and of how many: UUAS is the ratio.

    Args:
        pairs: ints `[k, 2]`, such as those of `spanning_tree`.
        heads: ints `[n]`, the node that each depends on, -1 at the root.
        mask: bool `[n]`, which nodes' edges to their heads count; default all.

    Returns:
        `(right, total)`, to be summed over sentences before they are divided.

    Raises:
        ValueError: for shapes that disagree.

    >>> tree_overlap([[0, 1], [1, 2]], [-1, 0, 0])
    (1, 2)
    """
    pairs = np.asarray(as_index("pairs", pairs), np.int64).reshape(-1, 2)  # a key of a pair is beyond int32
    heads = np.asarray(as_index("heads", heads), np.int64)
    if heads.ndim != 1 or (mask is not None and np.shape(mask) != heads.shape):
        raise ValueError(f"heads and mask must have shape [n], got {heads.shape} and {np.shape(mask)}; give one a node")
    asked = (heads >= 0) & (True if mask is None else np.asarray(mask, bool))
    n = 1 + max(len(heads), int(heads.max(initial=0)), int(pairs.max(initial=0)))
    keys = lambda x, y: np.minimum(x, y) * n + np.maximum(x, y)  # noqa: E731
    own = keys(np.flatnonzero(asked), heads[asked])
    return int(np.isin(own, keys(*pairs.T)).sum()), len(own)
