"""Laplacian eigenvectors: the smoothest functions on the nodes of a graph."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from tgnn.errors import check_segments, check_size
from tgnn.graphs import Layout
from tgnn.graphs.interop import as_layout, live_edges
from tgnn.graphs.layout import is_traced
from tgnn.graphs.transforms import check_square
from tgnn.nn.eigensolver import smoothest
from tgnn.typing import Array


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

    Returns:
        `Spectrum`.

    Raises:
        ValueError: for a bipartite or traced layout, sizes that are no such integers, or a component on which the
            sparse eigensolver does not converge.

    Cost: O(n ** 3) time for a dense component; for a sparse one some hundred products with its matrix, O(n * k) memory,
        and its factors where these products do not suffice. The graph of PubMed takes seconds.

    Reference: Dwivedi and Bresson, A Generalization of Transformer Networks to Graphs, arXiv:2012.09699, section 2.1.
        Theirs leaves out one trivial eigenvector of a graph; in a graph of several components that is not all of them.

    >>> from tgnn import EdgeList
    >>> laplacian_eigenvectors(EdgeList.from_edges([0], [1], n_receivers=2), 2).vectors.round(3).tolist()
    [[0.7070000171661377, 0.0], [-0.7070000171661377, 0.0]]
    """
    from scipy.sparse.csgraph import connected_components

    layout = as_layout(layout)
    k, dense_up_to, matrix = check_size("k", k), check_size("dense_up_to", dense_up_to), undirected(layout)
    spectrum = Spectrum(*(np.zeros((layout.n_receivers, k), np.float32) for _ in range(2)))
    number, component = connected_components(matrix, directed=False)
    size, order = np.bincount(component, minlength=number), np.argsort(component, kind="stable")
    for n in np.unique(size[size > 1]) if k else ():
        members = order[size[component[order]] == n].reshape(-1, n)  # one row for each component of n nodes
        have = min(k, n - 1)
        sparse = n > max(dense_up_to, have + 1)
        for nodes in members if sparse else (members,):
            values, vectors = (lowest_sparse if sparse else lowest_dense)(matrix, nodes, have)
            spectrum.values[nodes, :have], spectrum.vectors[nodes, :have] = values, settle_signs(vectors)
    return spectrum


def undirected(layout: Layout) -> Any:
    """A SciPy matrix with a one for each two different nodes that an edge joins in either direction."""
    from scipy.sparse import csr_matrix

    check_square(layout)
    senders, receivers = live_edges(layout)
    other = senders != receivers
    pairs = np.append(senders[other], receivers[other]), np.append(receivers[other], senders[other])
    matrix: Any = csr_matrix((np.ones(len(pairs[0])), pairs), shape=(layout.n_receivers,) * 2)  # sums what stands twice
    return (matrix > 0).astype(np.float64)


def lowest_dense(adjacency: Any, nodes: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
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
    return values[:, None, 1 : k + 1], vectors[:, :, 1 : k + 1]


def lowest_sparse(adjacency: Any, nodes: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The same of one large component `nodes [n]`, by the sparse eigensolver."""
    from scipy.sparse import diags_array

    adjacency = adjacency[nodes][:, nodes]
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    root = diags_array(degree**-0.5)
    return smoothest((root @ adjacency @ root).tocsr(), np.sqrt(degree / degree.sum()), k)


def settle_signs(vectors: np.ndarray) -> np.ndarray:
    """Each vector `[..., n, k]` times 1 or -1: its first largest entry is positive, and rounding decides no tie."""
    size = np.abs(vectors)
    first = (size > (1 - 1e-4) * size.max(axis=-2, keepdims=True)).argmax(axis=-2, keepdims=True)
    return vectors * np.where(np.take_along_axis(vectors, first, axis=-2) < 0, -1.0, 1.0)


def flip_signs(rng: Array, vectors: Array, segments: Array | None = None) -> Array:
    """Multiplies every eigenvector of every graph by a random sign, for training; runs under jit.

    Args:
        rng: a key.
        vectors: `[n_node, k]`.
        segments: ints `[n_node]` below n_node, the graph of each node; default one graph. Padding (-1) may get any
            sign. Ids of n_node or more are no graphs: zeros under jit.

    Returns:
        `[n_node, k]`.

    Raises:
        ValueError: for vectors that are no real matrix, and segments that are not one integer below n_node per node.

    Reference: Dwivedi et al., Benchmarking Graph Neural Networks, arXiv:2003.00982, section 3.2.
    """
    vectors = jnp.asarray(vectors)
    if vectors.ndim != 2 or not jnp.issubdtype(vectors.dtype, jnp.floating):
        raise ValueError(
            f"vectors must be floats of shape [n_node, k], got {vectors.dtype} of shape {vectors.shape}; "
            "laplacian_eigenvectors gives such"
        )
    n_node, k = vectors.shape
    if segments is None:
        return vectors * jax.random.rademacher(rng, (1, k), vectors.dtype)
    segments = check_segments("segments", segments, n_node)
    if not is_traced(segments) and n_node and int(segments.max()) >= n_node:
        raise ValueError(
            f"segments must lie in [-1, {n_node}), got {int(segments.max())}; renumber the graphs from 0 on"
        )
    signs = jax.random.rademacher(rng, (n_node, k), vectors.dtype)
    return vectors * signs.at[jnp.maximum(segments, 0)].get(mode="fill", fill_value=0)
