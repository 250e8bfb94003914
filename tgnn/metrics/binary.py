"""How well one number tells positives from negatives, whatever the threshold: areas under two curves.

Scores that are equal stay equal: a tie counts for half of a pair, or as one step of the curve.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from tgnn.compiled import compiled
from tgnn.softmax import wide_dtype
from tgnn.typing import Array


class Counts(NamedTuple):
    """Of every entry, int32 [n]: how many positives and negatives have at most, or less than, its score."""

    is_positive: Array
    positives_below: Array
    positives_up_to: Array
    negatives_below: Array
    negatives_up_to: Array


def roc_auc(scores: Array, labels: Array, mask: Array | None = None) -> Array:
    """Area under the receiver operating characteristic: how often a positive has a higher score than a negative.

    O(n log n) time and O(n) memory; counts are integers, so that a million pairs lose no digit.

    Args:
        scores: [...] real numbers or integers, compared in float32 or wider; infinite ones are ranked like others.
        labels: [...] bool, or integers of any type: 1 is a positive, 0 a negative, others count as masked.
        mask: bool [...], True = keep.

    Returns:
        A scalar in [0, 1], float32 or wider; a tie counts 1/2. NaN where a score that counts is NaN; 0 without a
        positive or without a negative, when there is nothing to compare.

    Raises:
        ValueError: shapes disagree, labels are real numbers, or the mask is not boolean.

    Reference: Fawcett, An Introduction to ROC Analysis, Pattern Recognition Letters 27 (2006); equal to
        scikit-learn's `roc_auc_score`.

    >>> float(roc_auc(jnp.array([0.9, 0.4, 0.4, 0.1]), jnp.array([1, 1, 0, 0])))
    0.875
    """
    return _roc_auc(*_checked(scores, labels, mask))


@compiled
def _roc_auc(scores: Array, positive: Array, negative: Array) -> Array:
    scores, counts = _counts(scores, positive, negative)
    each = counts.negatives_below.astype(scores.dtype) + 0.5 * (counts.negatives_up_to - counts.negatives_below)
    num_negatives = jnp.max(counts.negatives_up_to, initial=0)
    return _mean_of_positives(scores, counts, each / jnp.maximum(num_negatives, 1))


def average_precision(scores: Array, labels: Array, mask: Array | None = None) -> Array:
    """Mean over the positives of the precision at their threshold: the area under the steps of precision and recall.

    Args:
        scores: as for `roc_auc`.
        labels: as for `roc_auc`.
        mask: bool [...], True = keep.

    Returns:
        A scalar in [0, 1]; entries of equal score are one step. NaN where a score that counts is NaN, 0 without a
        positive.

    Raises:
        ValueError: as for `roc_auc`.

    Reference: Davis and Goadrich, The Relationship between Precision-Recall and ROC Curves, ICML 2006; equal to
        scikit-learn's `average_precision_score`, which does not interpolate.

    >>> round(float(average_precision(jnp.array([0.9, 0.4, 0.4, 0.1]), jnp.array([1, 1, 0, 0]))), 4)
    0.8333
    """
    return _average_precision(*_checked(scores, labels, mask))


@compiled
def _average_precision(scores: Array, positive: Array, negative: Array) -> Array:
    scores, counts = _counts(scores, positive, negative)
    positives = jnp.max(counts.positives_up_to, initial=0) - counts.positives_below  # with this score or a higher one
    negatives = jnp.max(counts.negatives_up_to, initial=0) - counts.negatives_below
    precision = positives.astype(scores.dtype) / jnp.maximum(positives + negatives, 1)
    return _mean_of_positives(scores, counts, precision)


def _mean_of_positives(scores: Array, counts: Counts, each: Array) -> Array:
    total = jnp.sum(jnp.where(counts.is_positive, each, 0))
    both = jnp.sum(counts.is_positive)
    return jnp.where(jnp.isnan(scores).any(), jnp.nan, total / jnp.maximum(both, 1)).astype(scores.dtype)


def _checked(scores: Array, labels: Any, mask: Array | None) -> tuple[Array, Array, Array]:
    """Scores, and which of them are of positives and of negatives that count."""
    scores = as_array(scores)
    positive, negative = as_labels(labels, scores.shape)
    if mask is None:
        return scores, positive, negative
    keep = check_keep("mask", mask, scores.shape)
    return scores, positive & keep, negative & keep


def _counts(scores: Array, positive: Array, negative: Array) -> tuple[Array, Counts]:
    """Scores, flat and 0 where nothing counts, and the counts of each."""
    scores = scores.astype(wide_dtype(scores.dtype)).ravel()
    positive, negative = positive.ravel(), negative.ravel()
    scores = jnp.where(positive | negative, scores, 0)
    order = jnp.argsort(scores)
    ranked = scores[order]
    sums = [jnp.append(0, jnp.cumsum(x[order], dtype=jnp.int32)) for x in (positive, negative)]  # [n + 1]
    first, last = (jnp.searchsorted(ranked, scores, side=side) for side in ("left", "right"))  # of equal ones
    return scores, Counts(positive, *(total[place] for total in sums for place in (first, last)))


def as_labels(labels: Any, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Which entries are positive and which negative: bool arrays of that shape."""
    labels = labels if hasattr(labels, "dtype") else np.asarray(labels, None if np.size(labels) else np.int32)
    if not (jnp.issubdtype(labels.dtype, jnp.integer) or labels.dtype == bool):
        raise ValueError(f"labels must be bool, or integers (1 positive, 0 negative), got {labels.dtype}; cast them")
    if np.shape(labels) != tuple(shape):
        raise ValueError(f"labels have shape {np.shape(labels)}, but scores have {tuple(shape)}; give one to each")
    if labels.dtype == bool:
        return labels, ~labels
    return labels == 1, labels == 0  # of 64 bits in NumPy too, before JAX cuts them


def as_array(x: Any) -> Any:
    """An array of NumPy or JAX as it is, anything else as one of NumPy."""
    return x if hasattr(x, "dtype") else np.asarray(x)


def check_keep(name: str, mask: Array, shape: tuple[int, ...]) -> Array:
    """A boolean array of a shape, or a ValueError."""
    mask = as_array(mask)
    if mask.dtype != bool or mask.shape != tuple(shape):
        raise ValueError(
            f"{name} must be bool of shape {tuple(shape)}, got {mask.dtype} of shape {mask.shape}; write {name} > 0, "
            "with one entry for each score"
        )
    return mask
