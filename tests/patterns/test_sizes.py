"""Long sequences cost no matrix, reaching too far costs nothing, and what is static is built under jit."""

import tracemalloc

import jax
import numpy as np
import pytest

from tests.support.pairs import adjacency, equal
from tgnn import patterns
from tgnn.models.sequences.bp_transformer import partition

LONG = {
    "longformer": lambda n: patterns.longformer(n, 1, [0, n // 2], block=1),
    "causal longformer": lambda n: patterns.longformer(n, 1, causal=True, block=1),
    "bigbird": lambda n: patterns.bigbird(n, 1),
    "fixed": lambda n: patterns.fixed_parts(n, 1, 0),
    "statistics": lambda n: patterns.statistics(patterns.causal(n)),
}


@pytest.mark.parametrize("name", LONG)
def test_host_memory_of_long_sequences_is_no_matrix(name):
    n = 4096
    tracemalloc.start()
    try:
        LONG[name](n)
        assert tracemalloc.get_traced_memory()[1] < n**2 / 2  # a bool matrix has n ** 2 bytes
    finally:
        tracemalloc.stop()


MOST = 10**9
FAR = {
    "cached_past": lambda n, far: patterns.cached_past(n, 2, far),
    "window": lambda n, far: patterns.window(n, far, far),
    "star": patterns.star,
    "longformer": patterns.longformer,
    "bigbird": lambda n, far: patterns.bigbird(n, 2, n_window=2 * far + 1, n_global=far, n_random=far),
    "expander": lambda n, far: patterns.expander(n, 2 * far),
    "partition": patterns.binary_partition,
    "causal partition": lambda n, far: patterns.binary_partition(n, far, causal=True),
}


@pytest.mark.parametrize("n", [0, 1, 2, 5])
@pytest.mark.parametrize("name", FAR)
def test_reaching_beyond_all_nodes_costs_no_more_than_reaching_all(name, n):
    beyond, all_nodes = FAR[name](n, MOST), FAR[name](n, 7)
    assert np.prod(beyond.edge_shape) <= max(2 * (n + 2) ** 2, 1)
    equal(beyond, adjacency(all_nodes))


STATIC = {
    "fixed": lambda: patterns.fixed(5, 2),
    "star": lambda: patterns.star(5) | patterns.window(5, 1),
    "longformer": lambda: patterns.longformer(5, 1) - patterns.causal(5),
    "bigbird": lambda: patterns.bigbird(5, 2, n_random=1) & patterns.star(5),
    "expander": lambda: patterns.expander(5, 2),
    "chain": lambda: patterns.chain(5, np.array([0, 0, 1, 1, 1])),
    "document": lambda: patterns.document(5, np.array([0, 0, 1, 1, 1])) | patterns.star(5),
    "tree": lambda: patterns.dependency(5, [-1, 0, 0, 1, 1]) | patterns.window(5, 1),
    "partition": lambda: partition([5], 2).layout,
}


@pytest.mark.parametrize("name", STATIC)
def test_what_is_static_is_built_under_jit(name):
    equal(jax.jit(STATIC[name])(), adjacency(STATIC[name]()))
