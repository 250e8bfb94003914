"""Random positions in rows of unequal length, all rows at once."""

import numpy as np

from tgnn.errors import check_size


def generator(seed: int, step: int) -> np.random.Generator:
    """The random numbers of a step: a function of both integers, so that a run resumes where it stopped."""
    return np.random.default_rng([check_size("seed", seed), check_size("step", step)])


def below(rng: np.random.Generator, limits: np.ndarray) -> np.ndarray:
    """One integer in `[0, limit)` for each limit; 0 for a limit of 0.

    Rounded down from 53 random bits, several times as fast as `rng.integers` with an array of limits; the chances of
    two integers differ by less than limit / 2 ** 53 of them.
    """
    return (rng.random(len(limits)) * limits).astype(np.int64)


def subsets(rng: np.random.Generator, lengths: np.ndarray, k: int) -> np.ndarray:
    """`k` different positions of each row, every subset equally likely: int64 `[k, n_row]`. O(n_row k²), k passes.

    Args:
        rng: random numbers.
        lengths: of each row, at least `k`.
        k: positions of each.

    Reference: Floyd's algorithm: Bentley and Floyd, Programming pearls: a sample of brilliance, CACM 1987.
    """
    chosen = np.empty((k, len(lengths)), np.int64)
    for i in range(k):
        last = lengths - k + i
        candidate = below(rng, last + 1)
        taken = (chosen[:i] == candidate).any(axis=0)
        chosen[i] = np.where(taken, last, candidate)
    return chosen
