"""Buckets equal the rule of the Reformer, for hashes of any type."""

from functools import partial

import jax
import numpy as np
import pytest

from tests.support.pairs import adjacency, equal
from tgnn import patterns


def bucket_mates(hashes, chunk, causal, keep_self):
    """The Reformer's rule: the same bucket and the same or the previous chunk, in any round."""
    rounds, n = hashes.shape
    sees = np.zeros((n, n), bool)
    for bucket in hashes:
        order = sorted(range(n), key=lambda i: (bucket[i] < 0, bucket[i], i))
        place = {node: rank // min(chunk, n) for rank, node in enumerate(order)}
        for i in range(n):
            for j in range(n):
                sees[i, j] |= bucket[i] == bucket[j] >= 0 and place[i] - place[j] in (0, 1) and (j <= i or not causal)
    np.fill_diagonal(sees, False)
    for i in range(n):
        sees[i, i] = (hashes[:, i] >= 0).any() and (keep_self or not sees[i].any())
    return sees


BUCKETS = [(0, 1, 4, True), (1, 2, 4, True), (2, 1, 64, True), (13, 1, 5, False), (13, 2, 13, True), (23, 3, 4, True)]


@pytest.mark.parametrize("keep_self", [False, True])
@pytest.mark.parametrize("n, rounds, chunk, causal", BUCKETS)
def test_lsh_buckets(n, rounds, chunk, causal, keep_self):
    build = jax.jit(lambda hashes: patterns.lsh_buckets(n, hashes, chunk=chunk, causal=causal, keep_self=keep_self))
    for seed in range(5):
        hashes = np.random.default_rng(seed).integers(-1, 4, size=(rounds, n))
        layout, expected = build(hashes), bucket_mates(hashes, chunk, causal, keep_self)
        equal(layout, expected)
        assert np.asarray(layout.mask).sum() == expected.sum()  # no pair twice


WIDE = {
    "largest": np.array([2**31 - 1, 2**31 - 1, 0, -1, 2**31 - 1]),
    "int64": np.array([2**32, 0, 2**32, -(2**40), 5]),
    "uint64": np.array([2**64 - 1, 0, 2**64 - 1, 7, 2**63], np.uint64),
    "int8": np.array([127, 127, -1, -128, 0], np.int8),
    "uint8": np.array([255, 0, 255, 3, 255], np.uint8),
    "uint32": np.array([2**32 - 1, 0, 2**32 - 1, 2**31, 2**31], np.uint32),
}


@pytest.mark.parametrize("name", WIDE)
def test_equal_hashes_meet_whatever_their_width(name):
    hashes = WIDE[name]
    equal(patterns.lsh_buckets(5, hashes, chunk=2), bucket_mates(hashes[None], 2, True, False))


@pytest.mark.parametrize("name", ["largest", "int8", "uint8"])
def test_equal_hashes_meet_under_jit(name):
    layout = jax.jit(lambda hashes: patterns.lsh_buckets(5, hashes, chunk=2))(WIDE[name])
    equal(layout, bucket_mates(WIDE[name][None].astype(int), 2, True, False))


def test_the_future_moves_only_the_borders_of_chunks():
    hashes = np.random.default_rng(0).integers(0, 3, size=(2, 13))
    other = np.where(np.arange(13) < 9, hashes, 0)  # another future of the same past
    for chunk, depends in ((13, False), (2, True)):
        build = jax.jit(partial(patterns.lsh_buckets, 13, chunk=chunk))
        seen, instead = adjacency(build(hashes)), adjacency(build(other))
        assert not np.triu(seen, 1).any() and not np.triu(instead, 1).any()
        assert (seen[:9] != instead[:9]).any() == depends


@pytest.mark.slow
def test_one_bucket_is_full_attention():
    equal(patterns.lsh_buckets(7, np.zeros(7, int), keep_self=True), np.tri(7, dtype=bool))
