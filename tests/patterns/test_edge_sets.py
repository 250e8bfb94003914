"""Edge sets obey the laws of sets."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tgnn
from tests.support.pairs import SETS, M, N, adjacency, equal, few
from tgnn import patterns


@pytest.mark.slow
@pytest.mark.parametrize("right", SETS)
@pytest.mark.parametrize("left", SETS)
def test_edge_sets(left, right):
    a, b = SETS[left], SETS[right]
    x, y = adjacency(a), adjacency(b)
    for result, expected in ((a | b, x | y), (a & b, x & y), (a - b, x & ~y)):
        equal(result, expected)


@pytest.mark.slow
def test_rules_stay_rules():
    window, dilated = patterns.window(9, 3, 2), patterns.dilated(9, 2, 1, 2)
    causal, segments = patterns.causal(9), np.array([0, 0, 0, 1, 1, 2, 2, -1, -1])
    assert (window & causal) == patterns.window(9, 3)
    assert (dilated & causal) == patterns.dilated(9, 2, 0, 2)
    assert (window | patterns.window(9, 1, 4)) == patterns.window(9, 3, 4)
    assert (window & patterns.window(9, 1, 4)) == patterns.window(9, 1, 2)
    assert (causal | patterns.complete(9)) == patterns.complete(9)
    assert (patterns.complete(9) & window) == window
    packed = jax.jit(lambda s: patterns.document(9, s) & patterns.causal(9))(segments)
    assert isinstance(packed, tgnn.Causal)
    equal(packed, adjacency(patterns.document(9, segments, causal=True)))
    assert isinstance(patterns.longformer(50, 9) & patterns.causal(50), tgnn.Blocks)
    assert isinstance(patterns.bigbird(50, 5) | patterns.window(50, 7), tgnn.Blocks)
    assert isinstance(patterns.bigbird(50, 50) - patterns.bigbird(50, 50), tgnn.Blocks)


def test_what_is_not_known_under_jit_is_said():
    with pytest.raises(ValueError, match="do this outside jit"):
        jax.jit(lambda mask: (tgnn.Dense(mask) | patterns.causal(3)).adjacency())(np.ones((3, 3), bool))
    with pytest.raises(ValueError, match="must join the same nodes"):
        patterns.causal(3) | patterns.causal(4)
    with pytest.raises(TypeError):
        patterns.causal(3) | 4


@pytest.mark.slow
@few
@given(st.sampled_from(sorted(SETS)), st.sampled_from(sorted(SETS)))
def test_de_morgan(left, right):
    whole, a, b = tgnn.Complete(N, M), SETS[left], SETS[right]
    equal(whole - (a | b), adjacency((whole - a) & (whole - b)))
    equal((a - b) | (a & b), adjacency(a))
