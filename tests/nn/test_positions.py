"""Encodings against their closed forms, and against what they promise: only distances count, offsets may be traced."""

import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tgnn.nn.positions import (
    Alibi,
    BucketBias,
    init_bucket_table,
    init_learned_positions,
    learned_positions,
    relative_bucket,
    rotary,
    segment_positions,
    sinusoidal,
)

N, HEADS, DIM = 11, 3, 8
X = jnp.asarray(np.random.default_rng(0).normal(size=(N, HEADS, DIM)), jnp.float32)


def test_sinusoidal_equals_its_closed_form():
    table = sinusoidal(jnp.arange(N), 6)
    for position in range(N):
        for i in range(3):
            angle = position / 10_000 ** (2 * i / 6)
            assert abs(table[position, 2 * i] - math.sin(angle)) < 1e-6
            assert abs(table[position, 2 * i + 1] - math.cos(angle)) < 1e-6
    with pytest.raises(ValueError, match="dim is 7"):
        sinusoidal(jnp.arange(N), 7)


@pytest.mark.slow
@pytest.mark.parametrize("interleaved", [False, True])
def test_rotary_is_a_complex_phase(interleaved):
    positions = jnp.arange(N) * 3 + 1
    wide = np.asarray(X, np.float64)
    pairs = wide.reshape(N, HEADS, -1, 2) if interleaved else wide.reshape(N, HEADS, 2, -1).swapaxes(-1, -2)
    frequency = 10_000.0 ** (-np.arange(DIM // 2) * 2 / DIM)
    turned = (pairs[..., 0] + 1j * pairs[..., 1]) * np.exp(
        1j * np.asarray(positions)[:, None, None] * frequency[None, None]
    )
    turned = np.stack([turned.real, turned.imag], -1 if interleaved else -2).reshape(X.shape)
    chex.assert_trees_all_close(rotary(X, positions, interleaved=interleaved), turned.astype(np.float32), atol=1e-5)


@pytest.mark.slow
def test_rotary_logits_see_distances_only():
    def logits(shift):
        query, key = rotary(X, jnp.arange(N) + shift), rotary(X[::-1], jnp.arange(N) + shift)
        return jnp.einsum("nhd,mhd->nmh", query, key)

    chex.assert_trees_all_close(logits(0), logits(17), atol=1e-4)
    assert jnp.abs(logits(0) - jnp.einsum("nhd,mhd->nmh", X, X[::-1])).max() > 0.1


def test_learned_positions_are_rows_and_end_with_the_table():
    params = init_learned_positions(jax.random.key(0), 5, 4)
    chex.assert_trees_all_equal(learned_positions(params, jnp.array([3, 0])), params["table"][jnp.array([3, 0])])
    with pytest.raises(ValueError, match="5 rows"):
        learned_positions(params, jnp.array([5]))


@pytest.mark.slow
def test_segment_positions_restart():
    segments = jnp.array([0, 0, 1, 2, 2, 2, -1])
    chex.assert_trees_all_equal(jax.jit(segment_positions)(segments), jnp.array([0, 1, 0, 0, 1, 2, 0]))
    assert segment_positions(jnp.zeros(0, int)).shape == (0,)


def test_alibi_slopes_are_the_papers():
    chex.assert_trees_all_close(Alibi.from_heads(8).slopes, 2.0 ** -jnp.arange(1.0, 9.0))
    # From the paper's code: twelve heads take the slopes of eight, then every other one of sixteen.
    expected = [2.0**-i for i in range(1, 9)] + [2.0 ** -(i + 0.5) for i in range(4)]
    chex.assert_trees_all_close(Alibi.from_heads(12).slopes, jnp.array(expected))


def bucket_by_loop(distance, num_buckets, bidirectional, max_distance):
    """T5's rule for one distance, from its text: half exact, then logarithmic, then one bucket."""
    base = 0
    if bidirectional:
        num_buckets //= 2
        base, distance = (num_buckets if distance > 0 else 0), abs(distance)
    else:
        distance = max(-distance, 0)
    exact = num_buckets // 2
    if distance < exact:
        return base + distance
    far = exact + int(math.log(distance / exact) / math.log(max_distance / exact) * (num_buckets - exact))
    return base + min(far, num_buckets - 1)


@pytest.mark.slow
@pytest.mark.parametrize("bidirectional", [False, True])
def test_t5_buckets_equal_their_rule(bidirectional):
    # Distances at which the exact logarithm is an integer could fall to either side in float32.
    distances = [d for d in range(-211, 212) if abs(d) not in (16, 32, 64, 128)]
    expected = [bucket_by_loop(d, 32, bidirectional, 128) for d in distances]
    chex.assert_trees_all_equal(
        relative_bucket(jnp.array(distances), 32, bidirectional=bidirectional), jnp.array(expected)
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "bias",
    [
        Alibi.from_heads(HEADS),
        BucketBias(init_bucket_table(jax.random.key(1), 8, HEADS), max_distance=9),
    ],
    ids=["alibi", "buckets"],
)
def test_biases_equal_their_matrix_and_shift_by_their_offset(bias):
    matrix = jnp.stack([bias(i, jnp.arange(N)[j]) for i in range(N) for j in range(N)]).reshape(N, N, HEADS)
    assert matrix.shape == (N, N, HEADS) and jnp.ptp(matrix) > 0
    full = tgnn.attend(tgnn.Causal(N), X, X, X, bias=bias)
    chex.assert_trees_all_close(full, tgnn.attend(tgnn.Causal(N), X, X, X, bias=matrix), atol=1e-6)

    chex.clear_trace_counter()

    @jax.jit
    @chex.assert_max_traces(1)
    def row(step, bias):
        bias = type(bias)(**{**vars(bias), "offset": step})
        return tgnn.attend(tgnn.Causal(1, N, offset=step), X[step][None], X, X, bias=bias)[0]

    for step in (0, 4, 10):
        chex.assert_trees_all_close(row(jnp.asarray(step), bias), full[step], atol=1e-6)


@pytest.mark.parametrize("distance", [500, -500, 2**31 - 1, -(2**31)])
def test_all_distances_have_a_bucket(distance):
    for bidirectional in (True, False):
        bucket = relative_bucket(jnp.array([distance]), 32, bidirectional=bidirectional)
        last = (31 if distance > 0 else 15) if bidirectional else (0 if distance > 0 else 31)
        assert bucket.tolist() == [last]


BAD = {
    "no logarithm": (lambda: relative_bucket(jnp.array([-500]), 512), "gives 128 exact distances a direction"),
    "no exact": (lambda: relative_bucket(jnp.array([3]), 3), "gives 0 exact distances a direction"),
    "one way": (lambda: relative_bucket(jnp.array([3]), 8, bidirectional=False, max_distance=4), "4 exact distances,"),
    "float": (lambda: relative_bucket(jnp.array([3.5]), 8), "distance must be integers, got float32"),
    "base": (lambda: sinusoidal(jnp.arange(3), 4, base=0.0), "base must be above 0"),
    "dim": (lambda: sinusoidal(jnp.arange(3), 0), "dim must be an integer of at least 1, got 0"),
    "heads": (lambda: Alibi.from_heads(0), "num_heads must be an integer of at least 1, got 0"),
    "table": (lambda: init_bucket_table(jax.random.key(0), 8, 0), "num_heads must be an integer of at least 1, got 0"),
    "rotary": (lambda: rotary(X.astype(int), jnp.arange(N)), "x must be floating point, got int32"),
    "rows": (lambda: rotary(X, jnp.arange(1)), r"got \(11, 3, 8\) and \(1,\); give one position per row"),
    "segments": (lambda: segment_positions(jnp.ones((2, 3), int)), r"segments must have shape \[n\], got \(2, 3\)"),
}


@pytest.mark.parametrize("case", BAD)
def test_settings_outside_a_formula_are_errors(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_alibi_of_half_precision_keeps_long_distances():
    bias = Alibi(jnp.array([0.5], jnp.bfloat16))
    assert bias(jnp.array(100_001), jnp.array(0)).tolist() == [-50_000.5]


@pytest.mark.slow
def test_rotary_of_float64_and_strict_promotion():
    with jax.numpy_dtype_promotion("strict"):
        half = rotary(X.astype(jnp.bfloat16), jnp.arange(N))
        bias = BucketBias(jnp.ones((8, 2), jnp.bfloat16), max_distance=9)(jnp.array(3), jnp.array(1))
        slope = Alibi.from_heads(2)(jnp.array(3), jnp.array(1))
    chex.assert_trees_all_close(half.astype("f4"), rotary(X, jnp.arange(N)), atol=0.05)
    assert half.dtype == bias.dtype == jnp.bfloat16 and slope.shape == (2,)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        assert rotary(jnp.asarray(np.asarray(X, np.float64)), jnp.arange(N)).dtype == jnp.float64


@pytest.mark.slow
def test_bucket_table_gets_gradients():
    def loss(table):
        return (tgnn.attend(tgnn.Complete(N), X, X, X, bias=BucketBias(table)) ** 2).sum()

    assert jnp.abs(jax.grad(loss)(init_bucket_table(jax.random.key(0), 32, HEADS))).max() > 0


@pytest.mark.slow
def test_angles_of_float64_are_float64():
    places, x = np.array([3.0, 1e5]), np.random.default_rng(0).normal(size=(2, 1, 2))
    with jax.enable_x64(True):
        waves = np.asarray(sinusoidal(jnp.asarray(places), 2))
        turned = np.asarray(rotary(jnp.asarray(x), jnp.asarray(places)))[:, 0]
    np.testing.assert_allclose(waves, np.stack([np.sin(places), np.cos(places)], axis=-1), atol=1e-12)
    expected = x[:, 0, 0] * np.cos(places) - x[:, 0, 1] * np.sin(places)
    np.testing.assert_allclose(turned[:, 0], expected, atol=1e-12)
