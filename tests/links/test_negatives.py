"""Negatives: never an edge, every other pair equally likely, the same for the same seed and step."""

import jraph
import numpy as np
import pytest

import tgnn
from tgnn.links import NonEdges, sample_pairs, sample_senders
from tgnn.links.negatives import from_triangle, triangle

RNG = np.random.default_rng(0)
N, M = 11, 7
ADJACENCY = RNG.random((N, M)) < 0.4
ADJACENCY[3], ADJACENCY[5], ADJACENCY[6] = True, False, [True] * (M - 1) + [False]
RECEIVERS, SENDERS = np.nonzero(ADJACENCY)
LAYOUT = tgnn.EdgeList.from_edges(
    np.append(SENDERS, SENDERS[:3]), np.append(RECEIVERS, RECEIVERS[:3]), n_receivers=N, n_senders=M
)  # with copies
BIPARTITE = NonEdges.of(LAYOUT)
SQUARE = RNG.random((9, 9)) < 0.3
UNORDERED = NonEdges.of(tgnn.EdgeList.from_edges(*np.nonzero(SQUARE), n_receivers=9), unordered=True)


def test_all_pairs_without_an_edge_can_be_drawn_and_no_other():
    senders, receivers = sample_pairs(BIPARTITE, len(BIPARTITE), seed=0)
    assert senders.dtype == np.int32 and len(BIPARTITE) == (~ADJACENCY).sum()
    assert {*zip(receivers.tolist(), senders.tolist(), strict=True)} == {*map(tuple, np.argwhere(~ADJACENCY).tolist())}
    with pytest.raises(ValueError, match=f"num is {len(BIPARTITE) + 1}, but only {len(BIPARTITE)} pairs are no edges"):
        sample_pairs(BIPARTITE, len(BIPARTITE) + 1, seed=0)


def test_unordered_pairs_have_no_edge_in_either_direction():
    low, high = sample_pairs(UNORDERED, len(UNORDERED), seed=1)
    free = np.triu(~(SQUARE | SQUARE.T), 1)
    assert (low < high).all() and free[low, high].all() and len({*zip(low, high, strict=True)}) == free.sum()


def test_senders_of_each_receiver_are_equally_likely_and_none_has_an_edge():
    receivers = np.repeat(np.delete(np.arange(N), 3), 3000)
    senders = sample_senders(BIPARTITE, receivers, 2, seed=0)
    assert senders.shape == (len(receivers), 2) and not ADJACENCY[receivers[:, None], senders].any()
    for receiver in np.unique(receivers):
        count = np.bincount(senders[receivers == receiver].ravel(), minlength=M)[~ADJACENCY[receiver]]
        assert abs(count / 6000 - 1 / len(count)).max() < 0.03  # four deviations and more


def test_a_receiver_that_has_every_edge_is_named():
    with pytest.raises(ValueError, match="receivers has node 3, which has an edge from every sender"):
        sample_senders(BIPARTITE, [0, 3], seed=0)
    with pytest.raises(ValueError, match=r"receivers\[1\] is -1, expected an index in \[0, 11\)"):
        sample_senders(BIPARTITE, [0, -1], seed=0)


@pytest.mark.parametrize("dtype", "int8 uint8 int16 uint16 int32 uint32 int64 uint64".split())
def test_receivers_of_every_type(dtype):
    receivers = np.array([0, 5, 10], dtype)
    np.testing.assert_array_equal(
        sample_senders(BIPARTITE, receivers, seed=2), sample_senders(BIPARTITE, [0, 5, 10], seed=2)
    )


def test_a_draw_is_a_function_of_seed_and_step():
    draws = [
        sample_senders(BIPARTITE, np.zeros(64, int), seed=s, step=t).tobytes() for s, t in [(0, 1), (0, 2), (1, 0)]
    ]
    assert len(set(draws)) == 3
    assert draws[0] == sample_senders(BIPARTITE, np.zeros(64, int), seed=0, step=1).tobytes()
    first, second = (sample_pairs(UNORDERED, 3, seed=4, step=5) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_graphs_without_edges_nodes_or_anything_left():
    empty = NonEdges.of(tgnn.EdgeList.from_edges([], [], n_receivers=3))
    assert len(empty) == 9 and len(sample_pairs(empty, 9, seed=0)[0]) == 9
    assert sample_senders(empty, [0], 4, seed=0).max() < 3 and sample_senders(empty, [], seed=0).shape == (0, 1)
    assert len(NonEdges.of(tgnn.EdgeList.from_edges([], [], n_receivers=0))) == 0
    full = NonEdges.of(tgnn.Complete(2, 3))
    assert len(full) == 0 and len(sample_pairs(full, 0, seed=0)[0]) == 0
    graph = jraph.GraphsTuple(np.zeros((2, 1)), None, np.array([0]), np.array([1]), None, np.array([2]), np.array([1]))
    assert len(NonEdges.of(graph)) == 3


def test_unordered_needs_one_set_of_nodes_and_senders_need_order():
    with pytest.raises(ValueError, match="7 senders to 11 receivers, which have no reverse; use unordered=False"):
        NonEdges.of(LAYOUT, unordered=True)
    with pytest.raises(ValueError, match="unordered pairs, which have no receiver"):
        sample_senders(UNORDERED, [0], seed=0)


def test_numbers_of_pairs_are_exact_beyond_floating_point():
    high = np.array([1, 2, 3, 2**26 + 1, 2**31, 3 * 10**9])
    for low in (np.zeros_like(high), high - 1):
        for found, expected in zip(from_triangle(triangle(low, high)), (low, high), strict=True):
            np.testing.assert_array_equal(found, expected)
