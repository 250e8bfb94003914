"""Which examples are in the batch of a step, as a pure function: the position in the data is the step itself."""

import functools

import numpy as np

from tgnn.errors import check_size


def batch_indices(step: int, n_examples: int, batch_size: int, *, seed: int) -> np.ndarray:
    """Which examples are in the batch of a step: shuffled epochs without replacement.

    An epoch has `n_examples // batch_size` batches; what is left over by its permutation waits for the next one.

    Args:
        step: 0 or more.
        n_examples: size of the data set.
        batch_size: 1 to `n_examples`.
        seed: of the permutations, one per epoch; 0 or more.

    Returns:
        int array [batch_size].

    Raises:
        ValueError: an argument is not an integer, or `batch_size` is out of range.

    >>> sorted(int(i) for step in range(2) for i in batch_indices(step, 6, 3, seed=0))
    [0, 1, 2, 3, 4, 5]
    """
    step, seed = check_size("step", step), check_size("seed", seed)
    n_examples, batch_size = check_size("n_examples", n_examples), check_size("batch_size", batch_size, 1)
    if batch_size > n_examples:
        raise ValueError(f"batch_size must be in 1 to n_examples {n_examples}, got {batch_size}; take a smaller one")
    epoch, index = divmod(step, n_examples // batch_size)
    return _permutation(seed, epoch, n_examples)[index * batch_size : (index + 1) * batch_size].copy()


@functools.lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, n_examples: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(n_examples)
