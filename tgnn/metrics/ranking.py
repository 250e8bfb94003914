"""How early what is relevant stands in a ranking: of a whole catalogue, or of one link among negatives."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.compiled import compiled
from tgnn.errors import check_size
from tgnn.metrics.binary import as_array, as_labels, check_keep
from tgnn.softmax import wide_dtype
from tgnn.typing import Array


def recall_at_k(scores: Array, relevant: Array, k: int, *, seen: Array | None = None) -> Array:
    """The share of the relevant items that are among the first k, averaged over the rows that have relevant items.

    Args:
        scores: [..., n_item]; a NaN ranks last. Of equal scores the item that stands first ranks first.
        relevant: [..., n_item] bool, or integers of any type, of which 1 is relevant.
        k: static; more than there are items takes them all.
        seen: bool [..., n_item], True = known to the user and not to be ranked: such an item neither takes a place
            nor counts as relevant.

    Returns:
        A scalar in [0, 1], float32 or wider; 0 where no row has a relevant item. The published protocol of
        recommenders divides by all relevant items, also where they are more than k.

    Raises:
        ValueError: shapes disagree, a type is not one of these, or k is not a positive integer.

    Reference: Wang et al., Neural Graph Collaborative Filtering, arXiv:1905.08108, section 4.2.

    >>> float(recall_at_k(jnp.array([[0.9, 0.5, 0.1]]), jnp.array([[0, 1, 1]]), 2))
    0.5
    """
    return _recall_at_k(*_checked(scores, relevant, k, seen))


@compiled
def _recall_at_k(scores: Array, relevant: Array, k: int, seen: Array | None) -> Array:
    return recall_of_hits(*_hits(scores, relevant, k, seen))


def ndcg_at_k(scores: Array, relevant: Array, k: int, *, seen: Array | None = None) -> Array:
    """Normalised discounted cumulative gain: a hit at rank r counts 1 / log2(r + 1), the best ranking counts 1.

    Args:
        scores: as for `recall_at_k`, like the others.
        relevant: [..., n_item].
        k: static.
        seen: bool [..., n_item].

    Returns:
        A scalar in [0, 1]: the mean over the rows that have relevant items, 0 where none has.

    Raises:
        ValueError: as for `recall_at_k`.

    Reference: Järvelin and Kekäläinen, Cumulated Gain-Based Evaluation of IR Techniques, TOIS 2002; equal to
        scikit-learn's `ndcg_score` where no two scores are equal (it averages over ties).

    >>> round(float(ndcg_at_k(jnp.array([[0.9, 0.5, 0.1]]), jnp.array([[0, 1, 0]]), 2)), 4)
    0.6309
    """
    return _ndcg_at_k(*_checked(scores, relevant, k, seen))


@compiled
def _ndcg_at_k(scores: Array, relevant: Array, k: int, seen: Array | None) -> Array:
    return ndcg_of_hits(*_hits(scores, relevant, k, seen))


@compiled
def recall_of_hits(hits: Array, num_relevant: Array) -> Array:
    """`recall_at_k` of rankings that are known.

    Args:
        hits: bool [..., k], whether the item of each rank is relevant.
        num_relevant: int [...], how many relevant items there are; rows without any do not count.
    """
    found = jnp.sum(hits, axis=-1)
    return _mean_of_rows(found / num_relevant, num_relevant)


@compiled
def ndcg_of_hits(hits: Array, num_relevant: Array) -> Array:
    """`ndcg_at_k` of rankings that are known; arguments as for `recall_of_hits`. The best has its hits first."""
    hits, num_relevant = jnp.asarray(hits), jnp.asarray(num_relevant)
    place = jax.lax.broadcasted_iota(jnp.int32, hits.shape, hits.ndim - 1)
    discount = 1.0 / jnp.log2(place + 2.0)  # [..., k]
    best = jnp.where(place < num_relevant[..., None], discount, 0.0).sum(axis=-1)
    found = jnp.where(hits, discount, 0.0).sum(axis=-1)
    return _mean_of_rows(found / best, num_relevant)


def top_k(scores: Array, k: int, seen: Array | None = None) -> tuple[Array, Array]:
    """The first k items of each row and whether there are so many: int32 and bool [..., min(k, n_item)].

    Args:
        scores: [..., n_item]; a NaN ranks last, of equal scores the first.
        k: static.
        seen: bool [..., n_item], True = not to be ranked.
    """
    scores = as_array(scores)
    seen = None if seen is None else check_keep("seen", seen, scores.shape)
    return _top_k(scores, check_size("k", k, 1), seen)


@compiled
def _top_k(scores: Array, k: int, seen: Array | None) -> tuple[Array, Array]:
    wide = scores.astype(wide_dtype(scores.dtype))
    wide = jnp.where(wide == 0, 0, wide)  # -0 would rank after 0
    # The lowest three finite numbers are taken: below all scores is -inf, then NaN, then what is seen.
    lowest = jnp.finfo(wide.dtype).min
    second = np.nextafter(lowest, 0, dtype=wide.dtype)
    wide = jnp.where(wide == -jnp.inf, second, jnp.maximum(wide, np.nextafter(second, 0, dtype=wide.dtype)))
    wide = jnp.where(jnp.isnan(wide), lowest, wide)
    if seen is not None:
        wide = jnp.where(seen, -jnp.inf, wide)
    values, items = jax.lax.top_k(wide, min(k, scores.shape[-1]))
    return items, values >= lowest


def hits_at_k(positive: Array, negative: Array, k: int, mask: Array | None = None) -> Array:
    """The share of positive links that rank among the first k with their negatives.

    Args:
        positive: [n] scores.
        negative: [n, m] scores of the negatives of each, or [m] of those that all share.
        k: static.
        mask: bool [n], True = keep.

    Returns:
        A scalar in [0, 1]: 1 where there are fewer than k negatives, 0 without a positive. A negative that scores as
        high as the positive ranks before it; so does any where a score is NaN.

    Raises:
        ValueError: shapes disagree, or k is not a positive integer.

    Reference: Hu et al., Open Graph Benchmark, arXiv:2005.00687, section 4.

    >>> float(hits_at_k(jnp.array([0.9, 0.3]), jnp.array([0.5, 0.1]), 1))
    0.5
    """
    k = check_size("k", k, 1)
    return _hits_at_k(*_against(positive, negative, mask), k)


@compiled
def _hits_at_k(positive: Array, negative: Array, keep: Array, k: int) -> Array:
    positive, negative = _compared(positive, negative)
    before = jnp.sum(~(negative < positive), axis=-1)
    return _masked_mean(before < k, keep)


def mean_reciprocal_rank(positive: Array, negative: Array, mask: Array | None = None) -> Array:
    """The mean of 1 / rank of positive links among their negatives; a tie takes half a rank.

    Args:
        positive: [n] scores.
        negative: [n, m] scores of the negatives of each, or [m] of those that all share.
        mask: bool [n], True = keep.

    Returns:
        A scalar in [0, 1]; 0 without a positive.

    Raises:
        ValueError: shapes disagree.

    Reference: Hu et al., Open Graph Benchmark, arXiv:2005.00687, section 4, whose evaluator ranks ties alike.

    >>> float(mean_reciprocal_rank(jnp.array([0.9, 0.3]), jnp.array([0.5, 0.1])))
    0.75
    """
    return _mean_reciprocal_rank(*_against(positive, negative, mask))


@compiled
def _mean_reciprocal_rank(positive: Array, negative: Array, keep: Array) -> Array:
    positive, negative = _compared(positive, negative)
    later, equal = jnp.sum(negative < positive, axis=-1), jnp.sum(negative == positive, axis=-1)
    rank = 1.0 + (negative.shape[-1] - later - equal) + 0.5 * equal  # a NaN is neither, and stands before
    return _masked_mean(1.0 / rank, keep)


def _checked(scores: Array, relevant: Any, k: int, seen: Array | None) -> tuple[Array, Array, int, Array | None]:
    scores = as_array(scores)
    relevant, _ = as_labels(relevant, scores.shape)
    return scores, relevant, check_size("k", k, 1), None if seen is None else check_keep("seen", seen, scores.shape)


def _hits(scores: Array, relevant: Array, k: int, seen: Array | None) -> tuple[Array, Array]:
    """Which of the first k are relevant, [..., k], and how many of all items are, [...]."""
    relevant = relevant if seen is None else relevant & ~seen
    items, _ = _top_k(scores, k, seen)
    return jnp.take_along_axis(relevant, items, axis=-1), jnp.sum(relevant, axis=-1)


def _against(positive: Array, negative: Array, mask: Array | None) -> tuple[Array, Array, Array]:
    """What is to be compared, checked; and which positives count."""
    positive, negative = as_array(positive), as_array(negative)
    if positive.ndim != 1 or negative.ndim not in (1, 2) or (negative.ndim == 2 and len(negative) != len(positive)):
        raise ValueError(
            f"positive must be [n] and negative [n, m] or [m], got {positive.shape} and {negative.shape}; give one "
            "score to each link"
        )
    keep = jnp.ones(positive.shape, bool) if mask is None else check_keep("mask", mask, positive.shape)
    return positive, negative, keep


def _compared(positive: Array, negative: Array) -> tuple[Array, Array]:
    """Scores of one type that broadcast, [n, 1] and [n or 1, m]."""
    wide = wide_dtype(positive.dtype, negative.dtype)
    negative = negative[None] if negative.ndim == 1 else negative
    return positive.astype(wide)[:, None], negative.astype(wide)


def _masked_mean(values: Array, keep: Array) -> Array:
    return jnp.sum(jnp.where(keep, values, 0)).astype(wide_dtype(values.dtype)) / jnp.maximum(jnp.sum(keep), 1)


def _mean_of_rows(values: Array, num_relevant: Array) -> Array:
    """Of the rows that have relevant items; those of the others are 0 / 0."""
    return _masked_mean(values, num_relevant > 0)
