"""k_hop is the boolean power of the adjacency matrix; the mesh is a triangulation of the sphere."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tgnn
from tests.support.pairs import few
from tgnn.patterns import k_hop


@pytest.mark.slow
@few
@given(st.integers(0, 12), st.integers(0, 6), st.booleans(), st.integers(0, 99))
def test_it_is_the_power_of_the_matrix(n, k, loops, seed):
    matrix = np.random.default_rng(seed).random((n, n)) < 1.5 / max(n, 1)
    receivers, senders = np.nonzero(matrix)
    expected = np.linalg.matrix_power(matrix.astype(int) + np.eye(n, dtype=int), k) > 0
    expected &= loops | ~np.eye(n, dtype=bool)
    found = k_hop((senders, receivers), k, n_nodes=n, loops=loops)
    np.testing.assert_array_equal(np.asarray(tgnn.to_scipy(found).todense()), expected)  # each pair once
    keys = np.asarray(found.receivers) * n + np.asarray(found.senders)
    assert (np.diff(keys) > 0).all()


@pytest.mark.slow
def test_any_graph_on_one_set_is_taken():
    ring = [1, 2, 3, 0], [0, 1, 2, 3]
    expected = k_hop(ring, 2, n_nodes=4)
    layout = tgnn.EdgeList.from_edges(*ring, n_receivers=4)
    for graph in (layout, tgnn.to_graph(layout, np.zeros(4)), tgnn.Dense(layout.adjacency())):
        assert k_hop(graph, 2) == expected
    for dtype in (np.uint8, np.int16, np.int64):
        assert k_hop(tuple(np.array(x, dtype) for x in ring), 2, n_nodes=4) == expected
    assert jax.jit(lambda: k_hop(layout, 2).adjacency())().sum() == 12  # it is static
    assert k_hop(tgnn.Causal(5), 3).n_edge == 15
    masked = tgnn.EdgeList.from_edges(*ring, n_receivers=4, mask=np.array([True, False, True, True]))
    assert k_hop(masked, 1).n_edge == 7


def test_no_node_one_node_and_no_hop():
    assert k_hop(([], []), 3, n_nodes=0).n_edge == 0
    assert k_hop(([], []), 3, n_nodes=1).n_edge == 1
    assert k_hop(([0, 1], [1, 0]), 0, n_nodes=2).pairs()[0].tolist() == [0, 1]
    assert k_hop(([0, 1], [1, 0]), 10**9, n_nodes=2, loops=False).n_edge == 2


@pytest.mark.parametrize(
    ("graph", "options", "message"),
    [
        (tgnn.Complete(2, 3), {}, "graph has 2 receivers and 3 senders, but paths need one set of nodes; join"),
        (([0], [1]), {}, "pair .* with n_nodes, got a pair and n_nodes=None; pass n_nodes"),
        (([0], [1], [2]), {"n_nodes": 3}, "got tuple and n_nodes=3"),
        (([0], [3]), {"n_nodes": 3}, r"receivers\[0\] is 3, expected an index in \[0, 3\)"),
        (([0, 1], [2]), {"n_nodes": 3}, "2 senders but 1 receivers"),
        (([0.5], [1]), {"n_nodes": 3}, "senders must be .* integers, got float64"),
        (tgnn.Causal(3), {"n_nodes": 4}, "3 receivers and 3 senders, .* and n_nodes is 4"),
        (tgnn.Causal(3), {"k": -1}, "k must be an integer of at least 0, got -1"),
        (tgnn.Causal(3), {"k": 1.5}, "k must be an integer known before jit, got 1.5"),
        (5, {"n_nodes": 3}, "graph must be a layout, .* got int"),
    ],
)
def test_bad_arguments(graph, options, message):
    with pytest.raises(ValueError, match=message):
        k_hop(graph, **({"k": 2} | options))


def test_traced_edges_are_refused():
    with pytest.raises(ValueError, match="traced"):
        jax.jit(lambda layout: k_hop(layout, 2).adjacency())(tgnn.EdgeList.from_edges([0], [1], n_receivers=2))
