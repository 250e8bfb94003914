"""Metrics of rankings against loops over rows, and scikit-learn's NDCG."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tgnn import metrics

RNG = np.random.default_rng(0)
ROWS, ITEMS = 7, 31
SCORES = np.round(RNG.normal(size=(ROWS, ITEMS)), 1).astype(np.float32)  # with ties
RELEVANT = (RNG.random((ROWS, ITEMS)) < 0.2).astype(int)
SEEN = RNG.random((ROWS, ITEMS)) < 0.3
RELEVANT[3] = 0  # a user without anything to find
SEEN[5] = True  # one who knows everything


def loop(scores, relevant, k, seen):
    """Mean recall and NDCG in float64, row by row."""
    found = []
    for row, wanted, known in zip(np.asarray(scores, np.float64), np.asarray(relevant) == 1, seen, strict=True):
        wanted = wanted & ~known
        if not wanted.any():
            continue
        order = [i for i in np.argsort(-row, kind="stable") if not known[i]][:k]
        gains = [1 / np.log2(rank + 2) for rank, item in enumerate(order) if wanted[item]]
        best = sum(1 / np.log2(rank + 2) for rank in range(min(k, wanted.sum())))
        found.append((wanted[order].sum() / wanted.sum(), sum(gains) / best))
    return np.mean(found, axis=0)


BOTH = [jax.jit(f, static_argnums=2) for f in (metrics.recall_at_k, metrics.ndcg_at_k)]


@pytest.mark.parametrize("k", [5, 100])
def test_recall_and_ndcg_equal_a_loop(k):
    nothing = np.zeros_like(SEEN)
    for seen in (SEEN, nothing):
        found = [f(SCORES, RELEVANT, k, seen=seen) for f in BOTH]
        np.testing.assert_allclose(found, loop(SCORES, RELEVANT, k, seen), rtol=1e-6)
    assert BOTH[0](SCORES, RELEVANT, k) == found[0]


@pytest.mark.slow
def test_ndcg_equals_scikit_learns_where_nothing_is_tied():
    sklearn = pytest.importorskip("sklearn.metrics")
    scores = RNG.permuted(np.arange(ROWS * ITEMS, dtype=np.float32).reshape(ROWS, ITEMS), axis=1)
    rows = RELEVANT.any(axis=1)
    expected = sklearn.ndcg_score(RELEVANT[rows], scores[rows], k=5)
    np.testing.assert_allclose(metrics.ndcg_at_k(scores, RELEVANT, 5), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64".split())
def test_relevance_of_every_type(dtype):
    for function in (metrics.recall_at_k, metrics.ndcg_at_k):
        assert function(SCORES, RELEVANT.astype(dtype), 5) == function(SCORES, RELEVANT, 5)


@pytest.mark.nans
def test_what_is_seen_takes_no_place_even_from_minus_infinity():
    scores = jnp.array([[9.0, -jnp.inf, jnp.nan, 8.0]])
    items, there = metrics.top_k(scores, 4, jnp.array([[True, False, False, False]]))
    assert items.tolist() == [[3, 1, 2, 0]] and there.tolist() == [[True, True, True, False]]
    relevant = np.array([[1, 1, 0, 0]])
    assert metrics.recall_at_k(scores, relevant, 2, seen=jnp.array([[True, False, False, False]])) == 1.0


@pytest.mark.nans
def test_equal_scores_keep_their_order_and_nan_is_below_all():
    least = float(jnp.finfo(jnp.float32).min)
    scores = jnp.array([[-0.0, 0.0, jnp.nan, -jnp.inf, least, 7.0]])
    items, there = metrics.top_k(scores, 6, jnp.array([[False] * 5 + [True]]))
    assert items.tolist() == [[0, 1, 4, 3, 2, 5]] and there.tolist() == [[True] * 5 + [False]]


def test_bfloat16_ranks_what_it_holds():
    scores = jnp.asarray(SCORES, jnp.bfloat16)
    expected = loop(np.asarray(scores.astype(jnp.float32)), RELEVANT, 5, SEEN)
    found = [f(scores, RELEVANT, 5, seen=SEEN) for f in BOTH]
    assert found[0].dtype == jnp.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(0, 4), (3, 4), (2, 0)])
def test_nothing_to_find_is_zero(shape):
    for function in (metrics.recall_at_k, metrics.ndcg_at_k):
        assert function(np.zeros(shape, np.float32), np.zeros(shape, int), 2) == 0


def test_a_perfect_ranking_is_one():
    assert metrics.ndcg_at_k(RELEVANT.astype(np.float32), RELEVANT, 10) == 1.0
    assert metrics.recall_at_k(RELEVANT.astype(np.float32), RELEVANT, ITEMS) == 1.0


def ranks(positive, negative):
    """The best and the worst rank of each positive."""
    return [(1 + np.sum(n > p), 1 + np.sum(n >= p)) for p, n in zip(positive, negative, strict=True)]


POSITIVE, NEGATIVE = SCORES[:, 0], SCORES[:, 1:]


def test_mean_reciprocal_rank_and_hits_equal_a_loop():
    each = ranks(POSITIVE, NEGATIVE)
    found = metrics.mean_reciprocal_rank(POSITIVE, NEGATIVE)
    np.testing.assert_allclose(found, np.mean([2 / (best + worst) for best, worst in each]), rtol=1e-6)
    for k in (1, 5, 40):
        found = jax.jit(metrics.hits_at_k, static_argnums=2)(POSITIVE, NEGATIVE, k)
        np.testing.assert_allclose(found, np.mean([worst <= k for _, worst in each]), rtol=1e-6)


def test_negatives_may_be_shared_and_positives_masked():
    shared, mask = NEGATIVE[0], np.arange(ROWS) < 4
    each = ranks(POSITIVE[:4], [shared] * 4)
    found = metrics.mean_reciprocal_rank(POSITIVE, shared, mask)
    np.testing.assert_allclose(found, np.mean([2 / (best + worst) for best, worst in each]), rtol=1e-6)
    np.testing.assert_allclose(metrics.hits_at_k(POSITIVE, shared, 3, mask), np.mean([w <= 3 for _, w in each]))


def test_no_positives_and_no_negatives():
    assert (
        metrics.hits_at_k(POSITIVE[:0], NEGATIVE[:0], 3) == 0 and metrics.hits_at_k(POSITIVE, NEGATIVE[:, :0], 3) == 1
    )
    assert metrics.mean_reciprocal_rank(POSITIVE[:0], NEGATIVE[0]) == 0
    assert metrics.mean_reciprocal_rank(POSITIVE, NEGATIVE[0, :0]) == 1


@pytest.mark.nans
def test_a_network_that_gives_nan_or_one_number_wins_nothing():
    nothing, same = np.full(3, np.nan, np.float32), np.zeros(3, np.float32)
    for positive in (nothing, same):
        assert metrics.hits_at_k(positive, positive, 1) == 0
    assert metrics.mean_reciprocal_rank(nothing, nothing) == 0.25 and metrics.mean_reciprocal_rank(same, same) == 0.4


def test_what_is_wrong_is_named():
    with pytest.raises(ValueError, match="k must be an integer of at least 1, got 0"):
        metrics.recall_at_k(SCORES, RELEVANT, 0)
    with pytest.raises(ValueError, match="seen must be bool of shape"):
        metrics.ndcg_at_k(SCORES, RELEVANT, 2, seen=RELEVANT)
    with pytest.raises(ValueError, match=r"positive must be \[n\] and negative \[n, m\] or \[m\]"):
        metrics.hits_at_k(POSITIVE, NEGATIVE[:2], 2)
