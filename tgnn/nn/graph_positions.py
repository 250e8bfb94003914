"""Where a node stands in a graph that is given by data: Laplacian eigenvectors, random walks, shortest paths.

Host side, in NumPy and SciPy, once per data set; all of it takes concrete layouts with one set of nodes. Every encoding
of a disjoint union is the union of the encodings: walks and paths stay within a graph by themselves, and eigenvectors
are those of each connected component. So a batch is encoded as one layout, and needs no segment ids.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from tgnn.errors import check_size
from tgnn.graphs import Layout
from tgnn.graphs.interop import as_layout, edge_slots, live_edges, to_scipy
from tgnn.graphs.transforms import check_square
from tgnn.typing import Array

LANCZOS_BASIS, LANCZOS_RESTARTS = 64, 30  # what is tried before the factorisation


class Spectrum(NamedTuple):
    """The lower end of the Laplacian's spectrum, as each node sees it.

    Attributes:
        values: float32 [n_node, k]: eigenvalues of the node's component, ascending, in (0, 2]; 0 beyond its last one.
        vectors: float32 [n_node, k]: the node's entries of the eigenvectors, each of unit length; zeros likewise.
    """

    values: np.ndarray
    vectors: np.ndarray


def laplacian_eigenvectors(layout: Layout | jraph.GraphsTuple, k: int, *, dense_up_to: int = 512) -> Spectrum:
    """The k smoothest non-trivial eigenvectors of the normalised Laplacian of each connected component.

    `L = I - D^(-1/2) A D^(-1/2)`, where A joins each two nodes between which there is an edge in either direction, and
    no node to itself. Of each eigenvector the first of the entries that are largest in absolute value is positive, so
    that the result is reproducible; the eigenvectors of a multiple eigenvalue remain one basis of many. Train with
    `flip_signs`.

    Args:
        layout: concrete, one set of nodes.
        k: how many; a component of n nodes has n - 1, and zeros in the place of further ones.
        dense_up_to: components of more nodes go through the sparse eigensolver.

    Cost: O(n ** 3) time for a dense component; O(n * k) memory for a sparse one, and its factors where Lanczos fails.

    Reference: Dwivedi and Bresson, A Generalization of Transformer Networks to Graphs, arXiv:2012.09699, section 2.1.
        Theirs leaves out one trivial eigenvector of a graph; in a graph of several components that is not all of them.

    >>> from tgnn import EdgeList
    >>> laplacian_eigenvectors(EdgeList.from_edges([0], [1], n_receivers=2), 2).vectors.round(3).tolist()
    [[0.7070000171661377, 0.0], [-0.7070000171661377, 0.0]]
    """
    from scipy.sparse.csgraph import connected_components

    layout = as_layout(layout)
    k, matrix = check_size("k", k), _undirected(layout)
    spectrum = Spectrum(*(np.zeros((layout.n_receivers, k), np.float32) for _ in range(2)))
    number, component = connected_components(matrix, directed=False)
    size, order = np.bincount(component, minlength=number), np.argsort(component, kind="stable")
    for n in np.unique(size[size > 1]) if k else ():
        members = order[size[component[order]] == n].reshape(-1, n)  # one row for each component of n nodes
        have = min(k, n - 1)
        sparse = n > max(dense_up_to, have + 1)
        for nodes in members if sparse else (members,):
            values, vectors = (_lowest_sparse if sparse else _lowest_dense)(matrix, nodes, have)
            spectrum.values[nodes, :have], spectrum.vectors[nodes, :have] = values, vectors
    return spectrum


def _undirected(layout: Layout) -> Any:
    """A SciPy matrix with a one for each two different nodes that an edge joins in either direction."""
    from scipy.sparse import csr_matrix

    check_square(layout)
    senders, receivers = live_edges(layout)
    other = senders != receivers
    pairs = np.append(senders[other], receivers[other]), np.append(receivers[other], senders[other])
    matrix: Any = csr_matrix((np.ones(len(pairs[0])), pairs), shape=(layout.n_receivers,) * 2)  # sums what stands twice
    return (matrix > 0).astype(np.float64)


def _lowest_dense(adjacency: Any, nodes: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Of connected components `nodes [count, n]` eigenvalues 1 to k, counted from 0: values and vectors as in Spectrum.

    All components of one size at once: molecules come by the thousand.
    """
    count, n = nodes.shape
    slot = np.full(adjacency.shape[0], -1)
    slot[nodes] = np.arange(count * n).reshape(count, n)
    edges = adjacency.tocoo()
    inside = slot[edges.row] >= 0
    row, column = slot[edges.row[inside]], slot[edges.col[inside]]
    matrix = np.zeros((count, n, n))
    matrix[row // n, row % n, column % n] = 1.0
    root = matrix.sum(axis=2) ** -0.5
    matrix = np.eye(n)[None] - root[:, :, None] * matrix * root[:, None, :]
    values, vectors = np.linalg.eigh(matrix)
    return values[:, None, 1 : k + 1], _settle_signs(vectors[:, :, 1 : k + 1])


def _lowest_sparse(adjacency: Any, nodes: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The same of one large component `nodes [n]`, by the sparse eigensolver.

    Plain Lanczos needs products only and is quick where eigenvalues are well apart, as in random graphs. Where it is
    not, the graph is like a path or a grid, and shift-invert is quick: such a matrix has sparse factors.
    """
    from scipy.sparse import eye_array
    from scipy.sparse.csgraph import laplacian
    from scipy.sparse.linalg import ArpackNoConvergence, splu

    matrix: Any = laplacian(adjacency[nodes][:, nodes], normed=True)
    eye: Any = eye_array(len(nodes))
    basis = min(len(nodes), max(LANCZOS_BASIS, 2 * k + 3))
    try:
        vectors = _leading((eye - matrix).dot, len(nodes), k + 1, ncv=basis, maxiter=LANCZOS_RESTARTS)
    except ArpackNoConvergence:
        vectors = _leading(splu((matrix + 1e-2 * eye).tocsc()).solve, len(nodes), k + 1)
    values = (vectors * (matrix @ vectors)).sum(axis=0)
    lowest = np.argsort(values)[1:]
    return values[lowest], _settle_signs(vectors[:, lowest])


def _leading(product: Callable[[np.ndarray], np.ndarray], n: int, count: int, **limits: Any) -> np.ndarray:
    """Eigenvectors `[n, count]` of the largest eigenvalues of a symmetric operator, given as `vector -> product`.

    From one start, Lanczos sees one vector of an eigenvalue that stands several times, and the others by rounding only.
    So it looks again, beside the vectors that it has found, until nothing larger than the least of them is left.
    """
    from scipy.sparse.linalg import LinearOperator, eigsh

    start = np.random.default_rng(0).normal(size=(count + 1, n))  # so that the result is the same every time
    values, vectors = eigsh(LinearOperator((n, n), product, dtype=float), k=count, which="LA", v0=start[0], **limits)
    for again in start[1:]:

        def beside(x, values=values, vectors=vectors):
            return product(x) - vectors @ ((values + 2.0) * (vectors.T @ x))  # those found become -2, below all others

        value, vector = eigsh(LinearOperator((n, n), beside, dtype=float), k=1, which="LA", v0=again, **limits)
        least = values.argmin()
        if value[0] <= values[least] + 1e-6 * np.abs(values).max():
            break
        values[least], vectors[:, least] = value[0], vector[:, 0]
    return vectors


def _settle_signs(vectors: np.ndarray) -> np.ndarray:
    """Each vector `[..., n, k]` times 1 or -1: its first largest entry is positive, and rounding decides no tie."""
    size = np.abs(vectors)
    first = (size > (1 - 1e-4) * size.max(axis=-2, keepdims=True)).argmax(axis=-2, keepdims=True)
    return vectors * np.where(np.take_along_axis(vectors, first, axis=-2) < 0, -1.0, 1.0)


def flip_signs(rng: Array, vectors: Array, segments: Array | None = None) -> Array:
    """Multiplies every eigenvector of every graph by a random sign, for training; runs under jit.

    Args:
        rng: a key.
        vectors: `[n_node, k]`.
        segments: ints `[n_node]`, the graph of each node; default one graph. Padding (-1) may get any sign.

    Returns:
        `[n_node, k]`.

    Reference: Dwivedi et al., Benchmarking Graph Neural Networks, arXiv:2003.00982, section 3.2.
    """
    n_node, k = vectors.shape
    if segments is None:
        return vectors * jax.random.rademacher(rng, (1, k), vectors.dtype)
    return vectors * jax.random.rademacher(rng, (n_node, k), vectors.dtype)[jnp.clip(segments, 0)]


def random_walk(layout: Layout | jraph.GraphsTuple, steps: int, *, numbers_at_once: int = 2**24) -> np.ndarray:
    """The probability that a random walk is back where it began after 1 to `steps` steps.

    A walker goes along the edges, each out-edge of its node (and each copy of it) with equal probability; at a node
    without out-edges the walk ends.

    Args:
        layout: concrete, one set of nodes.
        steps: number of encodings.
        numbers_at_once: how many probabilities are held together: walks from as many nodes as this allows are followed
            at once.

    Returns:
        float32 `[n_node, steps]`.

    Cost: O(steps * n_edge * n_node) time where a walk reaches the whole graph; small graphs of a union cost as such.

    Reference: Dwivedi et al., Graph Neural Networks with Learnable Structural and Positional Representations,
        arXiv:2110.07875, section 3.2.

    >>> from tgnn import EdgeList
    >>> random_walk(EdgeList.from_edges([0, 1], [1, 0], n_receivers=2), 3)[0].tolist()
    [0.0, 1.0, 0.0]
    """
    from scipy.sparse import csr_matrix, diags_array
    from scipy.sparse.csgraph import connected_components

    layout = as_layout(layout)
    check_square(layout)
    n, steps, counts = layout.n_receivers, check_size("steps", steps), to_scipy(layout).astype(np.float64)
    step = counts @ diags_array(1.0 / np.maximum(np.asarray(counts.sum(axis=0)).ravel(), 1.0))  # [to, from]
    result = np.zeros((n, steps), np.float32)
    component = connected_components(counts, directed=False)[1]
    reach = np.cumsum(np.bincount(component)[component])  # no walk leaves its component
    for starts in np.split(np.arange(n), np.flatnonzero(np.diff(reach // numbers_at_once)) + 1):
        columns = np.arange(len(starts))
        where: Any = csr_matrix((np.ones(len(starts)), (starts, columns)), shape=(n, len(starts)))
        for i in range(steps):
            where = step @ where
            result[starts, i] = np.asarray(where[starts, columns]).ravel()
    return result


def shortest_paths(
    layout: Layout | jraph.GraphsTuple, *, max_distance: int | None = None, unreachable: int = -1
) -> np.ndarray:
    """The number of edges on the shortest directed path from each sender to each receiver.

    Args:
        layout: concrete, one set of nodes.
        max_distance: longer distances become this one; default none.
        unreachable: the entry of pairs that no path joins.

    Returns:
        int32 `[n_receivers, n_senders]`, 0 on the diagonal. O(n_node * n_edge) time, O(n_node ** 2) memory.

    Reference: Ying et al., Do Transformers Really Perform Bad for Graph Representation?, arXiv:2106.05234, section
        3.1.2.

    >>> from tgnn import EdgeList
    >>> shortest_paths(EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)).tolist()
    [[0, -1, -1], [1, 0, -1], [2, 1, 0]]
    """
    layout = as_layout(layout)
    return _capped(_search(layout)[0], max_distance, unreachable)


class ShortestPaths(NamedTuple):
    """One shortest path for each pair of nodes.

    Attributes:
        distances: int32 [n_receivers, n_senders], as `shortest_paths` gives it.
        edges: int32 [n_receivers, n_senders, length]: the path's edges from the sender on, as positions in the caller's
            order of the layout; -1 beyond its end.
    """

    distances: np.ndarray
    edges: np.ndarray


def shortest_path_edges(
    layout: Layout | jraph.GraphsTuple, length: int, *, max_distance: int | None = None, unreachable: int = -1
):
    """The first `length` edges of one shortest path from each sender to each receiver; of several copies the first.

    Args:
        layout: concrete, one set of nodes, with edges along one axis: an `EdgeList`.
        length: how many edges of a path are listed.
        max_distance: as for `shortest_paths`.
        unreachable: as for `shortest_paths`.

    Returns:
        `ShortestPaths`. O(n_node ** 2 * length) memory.
    """
    layout = as_layout(layout)
    length, n = check_size("length", length), layout.n_receivers
    hops, before = _search(layout)
    senders, receivers, live = edge_slots(layout)
    number = np.full((n, n), -1, np.int32)  # of the edge from the second to the first
    backwards = np.flatnonzero(live)[::-1]  # so that the first copy is written last
    number[receivers[backwards], senders[backwards]] = backwards
    paths = np.full((n, n, length), -1, np.int32)
    starts = np.broadcast_to(np.arange(n)[None, :], (n, n))
    here = np.broadcast_to(np.arange(n)[:, None], (n, n))
    # From the receivers back to the senders, all pairs at once: the last edge of a path of d edges has place d - 1.
    while True:
        on_path = before[starts, here] >= 0
        if not on_path.any():
            return ShortestPaths(_capped(hops, max_distance, unreachable), paths)
        previous = np.where(on_path, before[starts, here], here)
        place = np.where(on_path, hops[here, starts], 0).astype(int) - 1
        listed = on_path & (place < length)
        paths[(*np.nonzero(listed), place[listed])] = number[here[listed], previous[listed]]
        here = previous


def _search(layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Distances [receiver, sender], inf where there is no path, and the node before each on its path [start, node]."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import shortest_path

    check_square(layout)
    senders, receivers = live_edges(layout)
    n = layout.n_receivers
    if n == 0:
        return np.zeros((0, 0)), np.zeros((0, 0), int)
    matrix = csr_matrix((np.ones(len(senders)), (senders, receivers)), shape=(n, n))
    hops, before = shortest_path(matrix, method="D", unweighted=True, return_predecessors=True)
    return hops.T, before


def _capped(hops: np.ndarray, max_distance: int | None, unreachable: int) -> np.ndarray:
    known = np.isfinite(hops)
    near = np.where(known, hops, 0)
    near = near if max_distance is None else np.minimum(near, check_size("max_distance", max_distance))
    return np.where(known, near, unreachable).astype(np.int32)
