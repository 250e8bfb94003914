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
PRODUCTS, SOLVES = 600, 100  # the most that are tried, by polynomials and then by factors
TRIAL = 1 / 5  # of them, after which what is too slow is known
AMPLIFICATION = 1e6  # by one polynomial: with more the vectors become copies of one
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
    found = iterate(matrix, trivial, block, count, partial(chebyshev, matrix), PRODUCTS)
    found = iterate(matrix, trivial, block, count, inverse(matrix), SOLVES) if found is None else found
    if found is None:
        raise ValueError(
            f"the eigenvectors of a component of {n} nodes did not converge; pass dense_up_to={n} to solve it densely"
        )
    return found


def iterate(matrix: Any, trivial: np.ndarray, block: np.ndarray, count: int, step: Filter, limit: int):
    """Filters the block `[n, width]` until its first `count` vectors are eigenvectors; None where it is too slow."""
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
        if used + (rounds_left * cost if used > TRIAL * limit else 0) > limit:
            return None
        used, before = used + cost, excess


def chebyshev(matrix: Any, ritz: np.ndarray, block: np.ndarray, product: np.ndarray) -> tuple[np.ndarray, int]:
    """A polynomial of the matrix that is at most 1 up to the least Ritz value and grows quickest beyond; its degree."""
    from scipy.sparse import eye_array

    half, middle = max((ritz[-1] + 1) / 2, 1e-6), (ritz[-1] - 1) / 2
    growth = np.arccosh(max((ritz[0] - middle) / half, 1.0))  # of the largest value by one degree, as an exponent
    degree = int(np.clip(np.log(AMPLIFICATION) / max(growth, 1e-9), 1, DEGREE))
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
