"""Very many edges: sums that float32 cannot add one after the other, and sets on the host in about a second."""

import time

import jax.numpy as jnp
import numpy as np
import pytest

import tgnn


@pytest.mark.slow
@pytest.mark.parametrize("make", ["from_edges", "as it is"])
def test_degrees_of_twenty_million_edges_are_counted(make):
    n = 20_000_000
    layout = long_list(make, n)
    assert float(tgnn.degrees(layout)[0]) == n


@pytest.mark.slow
@pytest.mark.parametrize("make", ["from_edges", "as it is"])
def test_means_and_weights_over_five_million_edges(make):
    n = 5_000_000
    layout = long_list(make, n)
    mean = tgnn.aggregate(layout, jnp.full((n, 1), 0.3), "mean")
    assert abs(float(mean[0, 0]) - 0.3) < 1e-6
    query, key = jnp.zeros((1, 1, 1)), jnp.zeros((n, 1, 1))
    for implementation in ("definition", "fused"):
        output = tgnn.attend(layout, query, key, jnp.full((n, 1, 1), 0.3), implementation=implementation)
        assert abs(float(output[0, 0, 0]) - 0.3) < 1e-6
    weights = np.asarray(tgnn.attention_weights(layout, query, key), np.float64)
    assert abs(weights.sum() - 1) < 1e-6


def long_list(make, n):
    """One receiver that hears everybody."""
    if make == "from_edges":
        return tgnn.EdgeList.from_edges(np.arange(n), np.zeros(n, int), n_receivers=1, n_senders=n)
    return tgnn.EdgeList(jnp.arange(n, dtype=jnp.int32), jnp.zeros(n, jnp.int32), 1, n)


@pytest.mark.slow
def test_sets_and_places_of_a_million_edges_take_about_a_second():
    rng, n, n_edge = np.random.default_rng(0), 20_000, 1_000_000
    pairs = [np.unique(rng.integers(0, n * n, n_edge)) for _ in range(2)]
    a, b = (tgnn.EdgeList.from_edges(x % n, x // n, n_receivers=n) for x in pairs)
    for run, expected in (
        (lambda: a | b, np.union1d(*pairs)),
        (lambda: a & b, np.intersect1d(*pairs)),
        (lambda: a - b, np.setdiff1d(*pairs)),
    ):
        begin = time.perf_counter()
        found = run()
        assert time.perf_counter() - begin < 10
        np.testing.assert_array_equal(np.asarray(found.receivers, np.int64) * n + np.asarray(found.senders), expected)
    begin = time.perf_counter()
    (places,) = a.locate(pairs[1] % n, pairs[1] // n)
    assert time.perf_counter() - begin < 10
    inside = np.isin(pairs[1], pairs[0])
    np.testing.assert_array_equal(np.asarray(places) >= 0, inside)
    np.testing.assert_array_equal(pairs[0][np.asarray(places)[inside]], pairs[1][inside])
