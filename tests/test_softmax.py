"""The numerical policy by itself: segments, masks, half precision, and sums of very many rows."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tgnn import softmax
from tgnn.softmax import segment_reduce, segment_softmax

IDS = np.array([0, 0, 2, 2, 2])
LOGITS = np.array([0.5, -1.0, 2.0, 0.0, 1.0], np.float32)


def loop(logits, ids, n, live):
    """The definition in float64."""
    weights = np.zeros(len(ids))
    for segment in range(n):
        mine = np.flatnonzero((ids == segment) & live & (logits != -np.inf))
        if len(mine):
            exponentials = np.exp(np.float64(logits[mine]) - np.float64(logits[mine]).max())
            weights[mine] = exponentials / exponentials.sum()
    return weights


@partial(jax.jit, static_argnums=2)
def value_and_gradient(logits, ids, n, mask=None):
    """The weights, and the gradient of a sum of them that is no constant."""

    def loss(logits):
        weights = segment_softmax(logits, ids, n, mask)
        return (weights * jnp.cos(jnp.arange(weights.size))).sum(), weights

    gradient, weights = jax.grad(loss, has_aux=True)(logits)
    return weights, gradient


CASES = {
    "plain": (LOGITS, IDS, None),
    "a segment of -inf": (np.where(IDS == 2, -np.inf, LOGITS), IDS, None),
    "one -inf": (np.where(np.arange(5) == 3, -np.inf, LOGITS), IDS, None),
    "a mask": (LOGITS, IDS, np.array([True, False, True, True, False])),
    "a mask that leaves nothing": (LOGITS, IDS, np.zeros(5, bool)),
    "huge where masked": (np.where(np.arange(5) == 1, 1e30, LOGITS), IDS, np.arange(5) != 1),
    "inf where masked": (np.where(np.arange(5) == 1, np.inf, LOGITS), IDS, np.arange(5) != 1),
    "out of range on either side": (LOGITS, np.array([0, -1, 2, 7, 2]), None),
    "far apart": (LOGITS * 1e4, IDS, None),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_segments_are_softmaxed_as_by_a_loop_and_gradients_are_finite(case):
    logits, ids, mask = case
    logits = np.asarray(logits, np.float32)
    live = np.ones(5, bool) if mask is None else mask
    weights, gradient = value_and_gradient(logits, ids, 3, mask)
    np.testing.assert_allclose(weights, loop(logits, ids, 3, live), atol=1e-6)
    assert np.isfinite(gradient).all()
    dead = ~live | (ids < 0) | (ids > 2) | (logits == -np.inf)
    assert (np.asarray(weights)[dead] == 0).all() and (np.asarray(gradient)[dead] == 0).all()


def test_half_precision_is_summed_in_float32():
    logits = jnp.asarray(np.random.default_rng(0).normal(size=1000), jnp.bfloat16)
    weights = segment_softmax(logits, np.zeros(1000, int), 1)
    assert weights.dtype == jnp.float32 and abs(float(weights.sum()) - 1) < 1e-5
    np.testing.assert_allclose(weights, loop(np.asarray(logits, np.float32), np.zeros(1000), 1, True), rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros(3), np.zeros(2, int), 2), r"segment_ids must have shape \[n\]"),
        ((np.zeros(3), np.zeros(3, int), 2, np.ones(2, bool)), r"mask must have shape \[n\]"),
        ((np.zeros(3), np.zeros(3, int), 2, np.ones(3)), "mask must be bool"),
        ((np.zeros(3), np.zeros(3), 2), "segment_ids must be integers"),
    ],
)
def test_what_is_no_segment_is_a_sentence(arguments, message):
    with pytest.raises(ValueError, match=message):
        segment_softmax(*arguments)


def every_row(x, op):
    """One group of all rows, for `group_softmax` and its kin."""
    return softmax.least_where_dead(x, None).max(0, keepdims=True) if op == "max" else x.sum(0, keepdims=True)


def test_weights_are_wide_whatever_the_reductions_return():
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(1000, 1)), jnp.bfloat16)
    narrow = lambda x, op: getattr(x, op)(0, keepdims=True)  # noqa: E731
    weights = softmax.group_softmax(logits, None, narrow, lambda x: x)[:, 0]
    expected = loop(np.asarray(logits[:, 0], np.float32), np.zeros(1000), 1, True)
    np.testing.assert_allclose(weights, expected, rtol=1e-5)


def test_the_log_of_the_sum_is_that_of_the_live_rows_and_minus_infinity_of_none():
    logits = jnp.array([[1.0, -jnp.inf], [3.0, -jnp.inf]])
    run = jax.jit(lambda x: softmax.group_log_sum_exp(x, None, every_row, lambda x: x))
    np.testing.assert_allclose(run(logits), [[np.log(np.exp(1) + np.exp(3)), -np.inf]], rtol=1e-6)
    gradient = jax.jit(jax.grad(lambda x: jnp.where(jnp.isfinite(y := run(x)), y, 0.0).sum()))(logits)
    np.testing.assert_allclose(gradient[:, 0], np.exp([1, 3]) / np.exp([1, 3]).sum(), rtol=1e-6)
    assert (gradient[:, 1] == 0).all()


def test_no_nan_comes_up_even_for_a_moment_where_a_group_is_empty():
    logits = jnp.array([[1.0, -jnp.inf], [3.0, -jnp.inf]])

    def loss(x):
        lse = softmax.group_log_sum_exp(x, None, every_row, lambda x: x)
        return (
            jnp.where(jnp.isfinite(lse), lse, 0.0).sum()
            + softmax.group_softmax(x, None, every_row, lambda x: x)[0].sum()
        )

    with jax.debug_nans(True):
        assert jnp.isfinite(jax.grad(loss)(logits)).all()


@pytest.mark.parametrize(("dtype", "least"), [(jnp.int32, -(2**31)), (jnp.float32, -np.inf), (jnp.bfloat16, -np.inf)])
def test_no_maximum_picks_what_is_dead(dtype, least):
    found = softmax.least_where_dead(jnp.ones((3, 2), dtype), jnp.array([True, False, True]))
    np.testing.assert_array_equal(np.asarray(found, np.float64), [[1, 1], [least, least], [1, 1]])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "bfloat16", "float16"])
def test_small_types_are_reduced_in_wide_ones(dtype):
    assert int(segment_reduce(jnp.full(300, 100, dtype), np.zeros(300, int), 1)[0]) == 30_000


@pytest.mark.parametrize("op", ["sum", "max"])
def test_rows_of_no_segment_are_dropped_whatever_the_type_of_their_ids(op):
    ids = np.array([0, -1, 5, 1, -7, 2])
    found = segment_reduce(jnp.arange(1.0, 7.0), ids, 2, op)
    np.testing.assert_array_equal(found, [1, 4])
    found = segment_reduce(jnp.ones(3), np.array([255, 0, 255], np.uint8), 256, op)
    np.testing.assert_array_equal(found[jnp.array([0, 255])], [1, 2 if op == "sum" else 1])
    found = segment_reduce(jnp.ones(2), np.array([-1, 3], np.int8), 300, "sum")  # of which int8 holds 300 - 256
    assert np.flatnonzero(found).tolist() == [3]


def test_a_reduction_to_nothing_has_a_derivative():
    gradient = jax.grad(lambda x: segment_reduce(x, np.zeros(3, int), 0, "max").sum())(jnp.ones(3))
    np.testing.assert_array_equal(gradient, 0)


def test_a_million_rows_in_any_order_are_added_in_buckets():
    n = softmax.LONG
    ids = np.random.default_rng(0).integers(0, 4, n)
    dropped = np.arange(5) * 9_999 + 5_000
    ids[dropped] = [-3, 4, 900, 2**20, -1]  # and not added to another bucket's segments
    found = np.asarray(jax.jit(segment_reduce, static_argnums=2)(jnp.full(n, 0.3), ids, 4), np.float64)
    expected = np.bincount(np.delete(ids, dropped), minlength=4) * np.float64(np.float32(0.3))
    np.testing.assert_allclose(found, expected, rtol=2e-6)


@pytest.mark.parametrize("depth", [1, 2])
def test_long_runs_are_added_in_parts(depth):
    ids = np.repeat([0, 1, 3, 4], [700, 3, 1300, 40])
    ids = np.concatenate([ids, [9, 9, 5, 7]])  # dropped, at the end
    found = segment_reduce(jnp.full(len(ids), 0.3), ids, 5, depth=depth)
    np.testing.assert_allclose(found, np.array([700, 3, 0, 1300, 40]) * np.float64(np.float32(0.3)), rtol=1e-6)
    found = segment_reduce(
        jnp.ones(2_000), np.where(np.arange(2_000) % 3 == 0, 6, np.arange(2_000) // 500), 5, depth=depth
    )
    np.testing.assert_array_equal(found, [333, 333, 334, 333, 0])
