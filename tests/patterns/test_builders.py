"""Every pattern equals its definition, written out pair by pair."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pairs import SIZES, adjacency, equal, few, matrix
from tgnn import patterns
from tgnn.patterns.hubs import random_tiles


@few
@given(SIZES, st.integers(0, 9), st.integers(0, 9), st.integers(1, 4))
def test_rules_on_positions(n, a, b, c):
    equal(patterns.complete(n, a), np.ones((n, a), bool))
    equal(patterns.causal(n), matrix(n, lambda i, j: j <= i))
    equal(patterns.window(n, a, b), matrix(n, lambda i, j: i - a <= j <= i + b))
    equal(patterns.dilated(n, a, b, c), matrix(n, lambda i, j: (j - i) % c == 0 and -a <= (j - i) // c <= b))
    equal(patterns.prefix(n, a), matrix(n, lambda i, j: j <= i or j < a))
    equal(patterns.memory(n, a), np.ones((n, a + n), bool))
    equal(patterns.cached_past(n, a), matrix(n, lambda i, j: j <= i + a, a + n))
    equal(patterns.cached_past(n, a, b), matrix(n, lambda i, j: i + a - b <= j <= i + a, a + n))


@pytest.mark.slow
@few
@given(SIZES, st.integers(1, 9), st.integers(0, 9))
def test_sparse_transformer(n, stride, summary):
    summary = min(summary, stride)
    recent, periodic = patterns.strided_parts(n, stride)
    equal(recent, matrix(n, lambda i, j: max(0, i - stride) <= j <= i))
    equal(periodic, matrix(n, lambda i, j: j <= i and (i - j) % stride == 0))
    equal(patterns.strided(n, stride), adjacency(recent) | adjacency(periodic))
    local, summaries = patterns.fixed_parts(n, stride, summary)
    equal(local, matrix(n, lambda i, j: j <= i and i // stride == j // stride))
    equal(summaries, matrix(n, lambda i, j: j <= i and j % stride in range(stride - summary, stride)))
    equal(patterns.fixed(n, stride, summary), adjacency(local) | adjacency(summaries))


@few
@given(SIZES, st.integers(0, 9), st.booleans(), st.sampled_from([None, 1, 5]), st.sets(st.integers(0, 22), max_size=3))
def test_longformer(n, window, causal, block, hubs):
    hubs = sorted(hub for hub in hubs if hub < n)
    layout = patterns.longformer(n, window, hubs, causal=causal, block=block)
    equal(
        layout,
        matrix(n, lambda i, j: (abs(i - j) <= window or i in hubs or j in hubs) and (j <= i or not causal)),
    )


@few
@given(SIZES, st.integers(0, 5))
def test_star(n, window):
    def sees(i, j):
        around = min((i - j) % max(n - 1, 1), (j - i) % max(n - 1, 1))
        return i == 0 or j == 0 or around <= window

    equal(patterns.star(n, window), matrix(n, sees))


@few
@given(SIZES, st.integers(1, 6), st.sampled_from([1, 3, 5]), st.integers(0, 2), st.integers(0, 3), st.integers(0, 9))
def test_bigbird(n, block, width, n_global, n_random, seed):
    layout = patterns.bigbird(n, block, n_window=width, n_global=n_global, n_random=n_random, seed=seed)
    sees = adjacency(layout)
    block = min(block, max(n, 1))
    ruled = matrix(
        n,
        lambda i, j: abs(i // block - j // block) <= width // 2 or min(i // block, j // block) < n_global,
    )
    assert (sees >= ruled).all()
    rows = -(-n // block)
    tiles = sees[::block, ::block]
    np.testing.assert_array_equal(sees, np.kron(tiles, np.ones((block, block), bool))[:n, :n])  # whole tiles
    extra = (tiles & ~ruled[::block, ::block]).sum(axis=1)
    np.testing.assert_array_equal(extra, np.minimum(n_random, rows - ruled[::block, ::block].sum(axis=1)))


def test_random_blocks_are_drawn_from_all_free_ones():
    rows, width, n_global, n_random = 9, 1, 2, 3
    drawn = np.zeros((rows, rows), int)
    for seed in range(200):
        drawn.ravel()[random_tiles(rows, width, n_global, n_random, seed)] += 1
    free = matrix(rows, lambda i, j: i >= n_global and j >= n_global and abs(i - j) > width)
    np.testing.assert_array_equal(drawn > 0, free)
    share = np.minimum(n_random / np.maximum(free.sum(axis=1, keepdims=True), 1), 1) * free
    np.testing.assert_allclose(drawn / 200, share, atol=0.17)  # five standard deviations


@few
@given(SIZES, st.sampled_from([0, 2, 4, 6]), st.integers(0, 99))
def test_expander(n, degree, seed):
    layout = patterns.expander(n, degree, seed)
    sees = adjacency(layout)
    assert layout.edge_shape == (n, min(degree, max(n - 1, 0)))
    np.testing.assert_array_equal(sees, sees.T)
    assert not sees.diagonal().any() and sees.sum(axis=1).max(initial=0) <= degree
    if n > 1 and degree:
        assert patterns.statistics(layout).spectral_gap > 1e-3  # connected
        assert sees.sum(axis=1).min() >= min(2, n - 1)


def test_an_expander_is_far_better_connected_than_a_window_of_its_degree():
    expander = patterns.statistics(patterns.expander(401, 4))
    window = patterns.statistics(patterns.window(401, 2, 2))
    assert expander.diameter <= 10 < 200 == window.diameter
    assert expander.spectral_gap > 0.1 > 0.001 > window.spectral_gap


@few
@given(st.lists(st.integers(-1, 3), max_size=19), st.booleans())
def test_documents(segments, causal):
    layout = patterns.document(len(segments), np.array(segments, int), causal=causal)
    same = matrix(len(segments), lambda i, j: segments[i] == segments[j] >= 0 and (j <= i or not causal))
    equal(layout, same)


@few
@given(SIZES, st.lists(st.floats(0, 30), min_size=1, max_size=4), st.floats(0, 5), st.integers(1, 4))
def test_adaptive_span_holds_exactly_the_positive_masks(n, spans, ramp, multiple):
    layout = patterns.adaptive_span(n, spans, ramp=ramp)
    positive = [d for d in range(n) if d == 0 or any(d < span + ramp for span in spans)]
    equal(layout, matrix(n, lambda i, j: i - j in positive))
    longer = patterns.adaptive_span(n, spans, ramp=ramp, multiple=multiple)
    assert longer.left in range(layout.left, layout.left + multiple)


@few
@given(st.lists(st.integers(-1, 2), max_size=13), st.booleans())
def test_chain(segments, reverse):
    n, step = len(segments), -1 if reverse else 1
    equal(patterns.chain(n, reverse=reverse), matrix(n, lambda i, j: i == j + step))
    joined = matrix(n, lambda i, j: i == j + step and segments[i] == segments[j] >= 0)
    equal(patterns.chain(n, np.array(segments, int), reverse=reverse), joined)
    first = n - 1 if reverse else 0
    given_state = matrix(n, lambda i, j: i == first if j == n else i == j + step, n + 1)
    equal(patterns.chain(n, reverse=reverse, n_past=1), given_state)
