"""The largest eigenvalues of a sparse symmetric matrix, every copy of a multiple one included.

A block of vectors is filtered until it spans the wanted eigenvectors. Unlike Lanczos from one start, which sees one
vector of a multiple eigenvalue and the others by rounding only, a block finds as many copies as it has columns.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

Filter = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, int]]  # Ritz values, vectors, products

TOLERANCE = 1e-8  # residual over eigenvalue; an eigenvector's error is its residual over the gap to the next eigenvalue
ROUNDING = 1e-14  # no residual is much less
PRODUCTS, SOLVES = 20_000, 200  # the most that are tried, by polynomials and by factors
PATIENCE, TRIAL = 600, 1 / 5  # products after which factors are quicker, and the share after which this is foreseen
CUT = 0.05  # eigenvalues of graphs that have sparse factors
AMPLIFICATION = 1e6, 1e12  # by one polynomial, of the wanted vectors: with more they become copies of one; and of the
# trivial one, of which there is no more than rounding
DEGREE = 40  # the most of a polynomial
SHIFT = 1e-8


def smoothest(matrix: Any, trivial: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of 1 - matrix, ascending, and their eigenvectors `[n, count]`, without the trivial one.

    Chebyshev polynomials of the matrix need products only, and are quick where eigenvalues are well apart, as in random
    graphs. Where these are not, the graph is like a path or a grid, such a matrix has sparse factors, and a few
    solutions of equations do.

    Args:
        matrix: SciPy CSR, symmetric, eigenvalues in [-1, 1]: D^(-1/2) A D^(-1/2) of a connected graph.
        trivial: unit vector `[n]`, that of eigenvalue 1.
        count: how many, below n.

    Raises:
        ValueError: neither converges.

    Reference: Zhou, Saad, Tiago and Chelikowsky, Self-consistent-field calculations using Chebyshev-filtered subspace
        iteration, Journal of Computational Physics 219, 2006.
    """
    n = len(trivial)
    width = min(n - 1, count + max(8, count // 2))
    block = np.random.default_rng(0).normal(size=(n, width))  # so that the result is the same every time
    found = iterate(matrix, trivial, block, count, partial(chebyshev, matrix), PRODUCTS, expected=PATIENCE)
    found = iterate(matrix, trivial, block, count, inverse(matrix), SOLVES) if found is None else found
    if found is None:
        raise ValueError(
            f"the eigenvectors of a component of {n} nodes did not converge; pass dense_up_to={n} to solve it densely"
        )
    return found


def iterate(
    matrix: Any, trivial: np.ndarray, block: np.ndarray, count: int, step: Filter, limit: int, expected: float = np.inf
) -> tuple[np.ndarray, np.ndarray] | None:
    """Filters the block `[n, width]` until its first `count` vectors are eigenvectors; None where that takes too long.

    A cost of more than `expected` is foreseen from the last round. Then an eigenvalue near 0 says that few edges cut
    the graph in two, and that it has sparse factors; else there is nothing better than to go on.
    """
    used, before = 0, np.inf
    while True:
        block = np.linalg.qr(block - trivial[:, None] * (trivial @ block)[None, :])[0]
        product = matrix @ block
        ritz, rotation = np.linalg.eigh(block.T @ product)
        ritz, rotation = ritz[::-1], rotation[:, ::-1]  # the largest first
        block, product = block @ rotation, product @ rotation
        values, residual = 1.0 - ritz[:count], np.linalg.norm(product - block * ritz[None, :], axis=0)[:count]
        excess = (residual / np.maximum(TOLERANCE * values, ROUNDING)).max()
        if excess <= 1.0:
            return values, block[:, :count]
        rounds_left = np.log(excess) / max(np.log(before / excess), 1e-9)
        block, cost = step(ritz, block, product)
        too_slow = used > TRIAL * expected and used + rounds_left * cost > expected
        if used > limit or (too_slow and values[0] < CUT):
            return None
        used, before = used + cost, excess


def chebyshev(matrix: Any, ritz: np.ndarray, block: np.ndarray, product: np.ndarray) -> tuple[np.ndarray, int]:
    """A polynomial of the matrix that is at most 1 up to the least Ritz value and grows quickest beyond; its degree."""
    from scipy.sparse import eye_array

    half, middle = max((ritz[-1] + 1) / 2, 1e-6), (ritz[-1] - 1) / 2
    largest = np.maximum((np.array([ritz[0], 1.0]) - middle) / half, 1.0 + 1e-12)  # the wanted ones', the trivial one's
    degree = int(np.clip((np.log(AMPLIFICATION) / np.arccosh(largest)).min(), 1, DEGREE))
    twice = (matrix - middle * eye_array(len(block))) * (2 / half)
    before, block = block, (product - middle * block) / half
    for _ in range(degree - 1):
        following = twice @ block
        following -= before
        before, block = block, following
    return block, degree


def inverse(matrix: Any) -> Filter:
    """Solutions of equations with 1 - matrix, moved off its kernel."""
    from scipy.sparse import eye_array
    from scipy.sparse.linalg import splu

    # The order for symmetric matrices: with that of others the factors of a graph with hubs are many times larger.
    factors = splu(
        ((1 + SHIFT) * eye_array(matrix.shape[0]) - matrix).tocsc(),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    return lambda ritz, block, product: (factors.solve(block), 1)
