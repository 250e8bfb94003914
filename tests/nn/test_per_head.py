"""Heads with graphs of their own: each is the head of the call in which all see its graph."""

import jax
import numpy as np
import pytest

import tgnn
from tgnn.nn.per_head import attend_per_head, per_head

N, HEADS, DIM = 7, 4, 3
QUERY, KEY, VALUE = np.random.default_rng(0).normal(size=(3, N, HEADS, DIM)).astype(np.float32)


@pytest.mark.parametrize("origin", [(0, 0, 0), (5, 5, 2)])
def test_each_head_drops_the_edges_that_it_drops_in_one_call_of_all(origin):
    complete, window = tgnn.Complete(N), tgnn.Window(N, 1, 1)
    options = {"score": tgnn.dot_product, "dropout_rate": 0.5, "rng": jax.random.key(0), "origin": origin}
    found = attend_per_head(per_head(complete, {1: window, 2: window}), QUERY, KEY, VALUE, **options)
    whole, narrow = (attend_per_head(graph, QUERY, KEY, VALUE, **options) for graph in (complete, window))
    np.testing.assert_allclose(found[:, [0, 3]], whole[:, [0, 3]], atol=1e-6)
    np.testing.assert_allclose(found[:, [1, 2]], narrow[:, [1, 2]], atol=1e-6)
    assert np.abs(whole - attend_per_head(complete, QUERY, KEY, VALUE, score=tgnn.dot_product)).max() > 0.1
