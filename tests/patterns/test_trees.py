"""Binary partitions and trees over a sentence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pairs import adjacency, equal, few, matrix
from tgnn import patterns
from tgnn.graphs.interop import live_edges
from tgnn.patterns.partition import level_sizes


@pytest.mark.slow
@few
@given(st.integers(0, 45), st.integers(1, 4), st.booleans())
def test_binary_partition_shows_every_token_exactly_once(n, k, causal):
    layout, spans = patterns.binary_partition(n, k, causal=causal), patterns.spans(n)
    sees = adjacency(layout)
    assert layout.n_receivers == layout.n_senders == len(spans)
    assert layout.n_edge == sees.sum()
    covers = (spans[:, :1] <= np.arange(n)) & (np.arange(n) < spans[:, 1:])  # [n_node, n]
    seen = sees[:n].astype(int) @ covers
    np.testing.assert_array_equal(seen, np.tri(n) if causal else np.ones((n, n)))
    np.testing.assert_array_equal(sees[n:], np.pad(covers[n:], ((0, 0), (0, len(spans) - n))))  # a span sees its tokens
    levels = len(level_sizes(n))
    assert sees[:n].sum(axis=1).max(initial=0) <= 1 + (1 if causal else 2) * k * levels


@pytest.mark.slow
@few
@given(st.integers(1, 45), st.integers(1, 4), st.booleans())
def test_relations_tell_level_and_side(n, k, causal):
    layout, relation = patterns.binary_partition(n, k, causal=causal), patterns.relations(n, k, causal=causal)
    spans, sizes = patterns.spans(n), level_sizes(n)
    level_of = np.repeat(np.arange(len(sizes)), sizes)
    senders, receivers = live_edges(layout)
    level, offset = np.divmod(relation, 2 * k + 1)
    assert relation.max() < (2 * k + 1) * ((n - 1).bit_length() + 1)
    for s, r, mine, o in zip(senders, receivers, level, offset, strict=True):
        if o == 0:  # into a span above, or to itself
            assert s < n and level_of[r] == mine and spans[r, 0] <= s < spans[r, 1]
        else:  # a node of this level, or half of one
            assert r < n and level_of[s] in (mine, mine - 1)
            assert spans[s, 1] <= r if o <= k else spans[s, 0] > r
    for i in range(n):  # on one side, ranks and levels grow with the distance
        for side in (offset > k, (offset <= k) & (offset > 0)):
            mine = np.flatnonzero((receivers == i) & side)
            distance = abs(spans[senders[mine], 0] - i)
            np.testing.assert_array_equal(np.argsort(relation[mine]), np.argsort(distance))


def test_binary_partition_is_n_log_n():
    edges = [patterns.binary_partition(n, 2, causal=True).n_edge / n for n in (256, 1024, 4096)]
    assert np.allclose(np.diff(edges), 6, atol=0.3)  # 1 way up and 2 nodes seen more per level, 2 levels each


def test_trees():
    heads = np.array([1, -1, 3, 1])
    up = matrix(4, lambda i, j: heads[j] == i)
    equal(patterns.dependency(4, heads, direction="up"), up)
    equal(patterns.dependency(4, heads, direction="down"), up.T)
    equal(patterns.dependency(4, heads), up | up.T)
    children = np.array([[-1, -1], [-1, -1], [0, 1], [-1, -1], [2, 3]])
    up = matrix(5, lambda i, j: j in children[i])
    equal(patterns.constituency(5, children), up)
    equal(patterns.constituency(5, children, direction="both"), up | up.T)
    equal(patterns.dependency(0, []), np.zeros((0, 0)))
    equal(patterns.constituency(0, np.zeros((0, 2), int)), np.zeros((0, 0)))


@pytest.mark.parametrize("n", [1, 2, 5, 13])
def test_relations_keep_the_k_that_is_beyond_n(n):
    k = 10**6
    level, offset = np.divmod(patterns.relations(n, k), 2 * k + 1)
    offset = np.where(offset > k, offset - k + n, offset)  # the right side begins at k + 1
    np.testing.assert_array_equal((2 * n + 1) * level + offset, patterns.relations(n, n))
