"""Attention on every pattern is attention on its matrix."""

import jax
import numpy as np
import pytest

import tgnn
from tests.support.pairs import adjacency
from tests.support.reference import attend as reference_attend
from tgnn import patterns

ATTENDED = {
    "prefix": lambda n: patterns.prefix(n, 3),
    "strided": lambda n: patterns.strided(n, 4),
    "fixed": lambda n: patterns.fixed(n, 4),
    "star": patterns.star,
    "longformer": lambda n: patterns.longformer(n, 2, [0] if n else []),
    "bigbird": lambda n: patterns.bigbird(n, 2),
    "expander": patterns.expander,
    "buckets": lambda n: jax.jit(lambda hashes: patterns.lsh_buckets(n, hashes, chunk=3))(np.arange(n) % 2),
    "partition": patterns.binary_partition,
    "document": lambda n: patterns.document(n, np.arange(n) // 3),
}


@pytest.mark.slow
@pytest.mark.parametrize("n", [0, pytest.param(1, marks=pytest.mark.slow), 13])
@pytest.mark.parametrize("name", ATTENDED)
def test_attention_on_every_pattern_is_that_on_its_matrix(name, n):
    layout = ATTENDED[name](n)
    operands = np.random.default_rng(n).normal(size=(3, layout.n_receivers, 2, 3)).astype("f4")
    receivers, senders = np.nonzero(adjacency(layout))
    expected, _ = reference_attend(senders, receivers, np.ones(len(senders), bool), *operands)
    np.testing.assert_allclose(jax.jit(tgnn.attend)(layout, *operands), expected, atol=2e-6)
