"""Sums of chunks that keep what rounding takes away."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tgnn.attention.fused.chunk import BucketSum, LongSum

BIG = 2.0**24  # where float32 takes in no more ones


@pytest.mark.parametrize("kind", [LongSum, BucketSum])
def test_ones_are_not_lost_beside_a_large_total(kind):
    sums = kind.zeros((2, 1), jnp.float32).add(jnp.array([1, 2]), jnp.full((2, 1), BIG))  # 2 is out of range
    for _ in range(6):
        sums = sums.add(jnp.array([1, 1, 1, 2]), jnp.ones((4, 1)))
    rest = sums.lost[1, 0] if kind is BucketSum else 0.0
    assert float(sums.total[1, 0] - BIG) - float(rest) == 18
    np.testing.assert_array_equal(sums.total[0], 0)


def test_a_long_sum_goes_on_from_the_chunk_before_and_starts_new_ones():
    sums = LongSum.zeros((4, 1), jnp.float32)
    for index in ([0, 0, 1, 1], [1, 1, 1, 3], [3, 3, 4, 4]):
        sums = sums.add(jnp.array(index), jnp.ones((4, 1)))
    np.testing.assert_array_equal(sums.total[:, 0], [2, 5, 0, 3])


def test_chunks_without_a_live_edge_change_nothing():
    sums = LongSum.zeros((3, 2), jnp.float32)
    for index in ([3, 3], [3, 1], [3, 3], [1, 3], [3, 2], [3, 3]):
        sums = sums.add(jnp.array(index), jnp.ones((2, 2)))
    np.testing.assert_array_equal(sums.total, [[0, 0], [2, 2], [1, 1]])
    assert not LongSum.zeros((3, 2), jnp.float32).total.any()


def test_no_chunk_copies_the_table_of_all_nodes():
    """One hub of more rows than float32 counts in one go: sums are kept another way, and cost as much as the others."""
    n = 5003
    hub = tgnn.EdgeList.from_edges(np.arange(5000) % n, np.zeros(5000, int), n_receivers=n)
    assert hub.depth
    nodes = [jax.ShapeDtypeStruct((n, 8, 8), jnp.float32)] * 3
    text = jax.jit(tgnn.attend).lower(hub, *nodes).compile().as_text()
    assert "while" in text
    tables = re.findall(r"= f32\[5003,(?:64|8,8)\]\S* (?:copy|fusion)\(", text[: text.index("ENTRY")])
    assert not [line for line in tables if "copy(" in line]
