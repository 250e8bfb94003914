"""ROC AUC and average precision against scikit-learn and a loop over pairs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tgnn import metrics

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, 53)
SCORES = np.round(RNG.normal(size=53) + 0.7 * LABELS, 1).astype(np.float32)  # with ties
BOTH = {"roc_auc": metrics.roc_auc, "average_precision": metrics.average_precision}


def pairs_in_order(scores, labels):
    """A float64 loop over the definition."""
    scores = np.asarray(scores, np.float64)
    positive, negative = scores[labels == 1], scores[labels == 0]
    return np.mean([float(p > n) + 0.5 * float(p == n) for p in positive for n in negative])


@pytest.mark.slow
@pytest.mark.parametrize("name", BOTH)
def test_equal_to_scikit_learn(name):
    sklearn = pytest.importorskip("sklearn.metrics")
    theirs = {"roc_auc": sklearn.roc_auc_score, "average_precision": sklearn.average_precision_score}[name]
    np.testing.assert_allclose(jax.jit(BOTH[name])(SCORES, LABELS), theirs(LABELS, SCORES), rtol=1e-6)
    infinite = np.where(SCORES > 1, np.inf, np.where(SCORES < -1, -np.inf, SCORES))
    largest = np.where(np.isinf(infinite), np.sign(infinite) * 1e9, infinite)  # scikit-learn refuses infinity
    np.testing.assert_allclose(BOTH[name](infinite, LABELS), theirs(LABELS, largest), rtol=1e-6)


def steps_of_recall(scores, labels):
    """Precision at every threshold, weighed by how much recall it adds, in float64."""
    area, before = 0.0, 0
    for threshold in np.unique(scores)[::-1]:
        found = np.sum(labels[scores >= threshold] == 1)
        area += (found - before) * found / np.sum(scores >= threshold)
        before = found
    return area / np.sum(labels == 1)


def test_both_equal_loops():
    np.testing.assert_allclose(metrics.roc_auc(SCORES, LABELS), pairs_in_order(SCORES, LABELS), rtol=1e-6)
    found = metrics.average_precision(SCORES, LABELS)
    np.testing.assert_allclose(found, steps_of_recall(SCORES, LABELS), rtol=1e-6)


@pytest.mark.parametrize("dtype", "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64".split())
def test_labels_of_every_type(dtype):
    for name, function in BOTH.items():
        assert function(SCORES, LABELS.astype(dtype)) == function(SCORES, LABELS), name


def test_labels_that_are_neither_and_masked_entries_do_not_count():
    labels = np.append(LABELS, [-1, 2, 2**32 + 1, 1, 0])
    scores = np.append(SCORES, [9, np.nan, np.nan, np.nan, np.inf]).astype(np.float32)
    mask = np.append(np.ones(56, bool), [False, False])
    for function in BOTH.values():
        np.testing.assert_allclose(function(scores, labels, mask), function(SCORES, LABELS), rtol=1e-6)


@pytest.mark.nans
def test_a_score_that_is_nan_is_not_hidden():
    assert jnp.isnan(metrics.roc_auc(np.array([0.1, np.nan]), np.array([0, 1])))


def test_bfloat16_scores_are_compared_as_they_are():
    scores = jnp.asarray(SCORES, jnp.bfloat16)
    expected = pairs_in_order(np.asarray(scores.astype(jnp.float32)), LABELS)
    found = metrics.roc_auc(scores, LABELS)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("labels", [[], [1, 1], [0, 0], [-1, -1]])
def test_nothing_to_compare_is_zero(labels):
    assert metrics.roc_auc(np.zeros(len(labels)), np.array(labels, int)) == 0
    expected = 1.0 if labels == [1, 1] else 0.0
    assert metrics.average_precision(np.zeros(len(labels)), np.array(labels, int)) == expected


def test_zeros_of_both_signs_are_equal():
    assert metrics.roc_auc(np.array([-0.0, 0.0]), np.array([0, 1])) == 0.5


def test_a_rare_positive_among_many_is_counted_exactly():
    n = 1 << 16
    labels = np.zeros(n, int)
    labels[[5, n // 2]] = 1
    found = metrics.roc_auc(np.arange(n), labels)
    np.testing.assert_allclose(found, (5 + n // 2 - 1) / 2 / (n - 2), rtol=1e-7)


def test_what_is_wrong_is_named():
    with pytest.raises(ValueError, match="labels must be bool, or integers"):
        metrics.roc_auc(SCORES, LABELS.astype(float))
    with pytest.raises(ValueError, match=r"labels have shape \(2,\), but scores have \(53,\)"):
        metrics.average_precision(SCORES, LABELS[:2])
    with pytest.raises(ValueError, match="mask must be bool"):
        metrics.roc_auc(SCORES, LABELS, LABELS)
