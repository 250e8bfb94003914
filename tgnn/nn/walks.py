"""Random walks: how often a walker is back where it began."""

from typing import Any

import jraph
import numpy as np

from tgnn.errors import check_size
from tgnn.graphs import Layout
from tgnn.graphs.interop import as_layout, to_scipy
from tgnn.graphs.transforms import check_square

FULL, SMALL = (
    1 / 32,
    2048,
)  # share of entries from which on, and rows up to which, arrays are quicker than sparse matrices
STARTS = 128  # walks that are followed at once: as many as make the rows of a product long
ROWS = 256  # that are added in float32 before float64 goes on


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
        float32 `[n_node, steps]`, right to about six digits.

    Raises:
        ValueError: for a bipartite or traced layout, or sizes that are no such integers.

    Cost: O(steps / 2 * n_edge * n_node) time where half a walk reaches the whole graph: the graph of PubMed takes
    seconds. Of paths, grids, molecules and their unions only what half a walk reaches counts.

    Reference: Dwivedi et al., Graph Neural Networks with Learnable Structural and Positional Representations,
        arXiv:2110.07875, section 3.2.

    >>> from tgnn import EdgeList
    >>> random_walk(EdgeList.from_edges([0, 1], [1, 0], n_receivers=2), 3)[0].tolist()
    [0.0, 1.0, 0.0]
    """
    layout = as_layout(layout)
    check_square(layout)
    steps, most = check_size("steps", steps), check_size("numbers_at_once", numbers_at_once, minimum=1)
    n = layout.n_receivers
    counts: Any = to_scipy(layout).astype(np.float64)
    order = near_order(counts)
    step, mutual = one_step(counts[order][:, order])
    result = np.zeros((n, steps), np.float32)
    first, last = neighbour_range(step)
    start = 0
    while steps and start < n:
        end, low, high = start + STARTS, 0, 0
        while True:  # fewer starts, where these reach too much
            end = min(end, n)
            low, high = reached(start, end, first, last, (steps + 1) // 2)
            if end - start == 1 or (high - low) * (end - start) <= most:
                break
            end = start + (end - start) // 2
        local = step[low:high, low:high]
        result[order[start:end]] = returns(local, np.arange(start, end) - low, steps, mutual)
        start = end
    return result


def near_order(counts: Any) -> np.ndarray:
    """An order in which neighbours are near, component after component: int [n]."""
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    if counts.shape[0] == 0:
        return np.arange(0)
    return np.asarray(reverse_cuthill_mckee((counts + counts.T).tocsr(), symmetric_mode=True)).astype(np.int64)


def one_step(counts: Any) -> tuple[Any, bool]:
    """A matrix whose powers have the diagonal of the walk's, and whether it equals its transpose: [to, from].

    Where edges are mutual it is D^(-1/2) A D^(-1/2), of which half a walk forwards is half a walk backwards.
    """
    from scipy.sparse import diags_array

    degree = np.maximum(np.asarray(counts.sum(axis=0)).ravel(), 1.0)  # out-edges of each node
    mutual = (counts != counts.T).nnz == 0
    if mutual:
        root = diags_array(degree**-0.5)
        return (root @ counts @ root).astype(np.float32).tocsr(), True
    return (counts @ diags_array(1.0 / degree)).astype(np.float32).tocsr(), False


def neighbour_range(step: Any) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last node next to each, edges in either direction, itself included: int [n] twice."""
    edges = step.tocoo()
    first, last = np.arange(step.shape[0]), np.arange(step.shape[0])
    for here, there in ((edges.row, edges.col), (edges.col, edges.row)):
        np.minimum.at(first, here, there)
        np.maximum.at(last, here, there)
    return first, last


def reached(start: int, end: int, first: np.ndarray, last: np.ndarray, hops: int) -> tuple[int, int]:
    """A range of nodes that holds all within so many hops of the nodes `start` to `end`."""
    low, high = start, end
    for _ in range(hops):
        wider = int(first[low:high].min()), int(last[low:high].max()) + 1
        if wider == (low, high):
            break
        low, high = wider
    return low, high


def returns(step: Any, starts: np.ndarray, steps: int, mutual: bool) -> np.ndarray:
    """Diagonals of the powers of `step` at some nodes: `[n_start, steps]`.

    Halves meet in the middle: (P^(a + b))_ii is the sum over j of (P^a)_ji (P^b)_ij, so that half the powers will do.
    """
    from scipy.sparse import csr_matrix

    result, columns = np.zeros((len(starts), steps)), np.arange(len(starts))
    shape = step.shape[0], len(starts)
    forwards = csr_matrix((np.ones(len(starts), step.dtype), (starts, columns)), shape=shape)  # [node, start]
    forwards = dense_where_full(forwards)
    backwards, back = forwards, None if mutual else step.T.tocsr()
    for i in range(steps):
        if i % 2 == 0:
            forwards = dense_where_full(step @ forwards)
        else:
            backwards = forwards if back is None else dense_where_full(back @ backwards)
        result[:, i] = column_sums(forwards, backwards)
    return result


def dense_where_full(x: Any) -> Any:
    """A sparse matrix as an array where that is quicker from here on."""
    if isinstance(x, np.ndarray) or (x.shape[0] > SMALL and x.nnz < FULL * x.shape[0] * x.shape[1]):
        return x
    return x.toarray()


def column_sums(x: Any, y: Any) -> np.ndarray:
    """Sums of x * y over rows: `[columns]`, added in float64 every so many rows."""
    if not isinstance(x, np.ndarray):
        return np.asarray(x.multiply(y).sum(axis=0, dtype=np.float64)).ravel()
    if not isinstance(y, np.ndarray):
        return column_sums(y, x)
    pieces = range(0, len(x), ROWS)
    return np.stack([np.einsum("ij,ij->j", x[i : i + ROWS], y[i : i + ROWS]) for i in pieces]).sum(
        axis=0, dtype=np.float64
    )
