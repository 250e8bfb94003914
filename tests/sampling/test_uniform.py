"""Uniform neighbours: what is drawn is an edge, at most k times, each as likely as another, the same for a step."""

import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.sampled_graphs import DEGREES, GRAPH, LAYOUT, LIVE, RECEIVERS, SENDERS, N, edges_of
from tgnn.sampling import in_edges_of, sample_neighbors
from tgnn.sampling.drawing import below, subsets


def test_rows_hold_the_live_edges_in_the_callers_order():
    for i in (0, 5, 7, N - 1):
        mine = slice(GRAPH.first[i], GRAPH.first[i + 1])
        expected = np.flatnonzero(LIVE & (RECEIVERS == i))
        np.testing.assert_array_equal(GRAPH.edges[mine], expected)
        np.testing.assert_array_equal(GRAPH.senders[mine], SENDERS[expected])
    assert (GRAPH.n_receivers, GRAPH.n_senders, GRAPH.n_edge) == (N, N, 170)


def test_rows_of_any_layout_and_of_edges_in_no_known_order():
    for layout in (tgnn.Causal(5), tgnn.EdgeList(SENDERS, RECEIVERS, N, N, LIVE)):
        rows, (senders, receivers) = in_edges_of(layout), layout.pairs()
        order = np.argsort(receivers, kind="stable")
        np.testing.assert_array_equal(rows.senders, senders[order])
        np.testing.assert_array_equal(rows.degrees(), np.bincount(receivers, minlength=layout.n_receivers))


def test_rows_leave_out_edges_that_were_masked_after_they_were_sorted():
    loops = tgnn.EdgeList.from_edges([0, 1, 2], [0, 1, 2], n_receivers=3)
    rows = in_edges_of(replace(loops, mask=np.array([False, True, True])))
    assert (rows.senders.tolist(), rows.edges.tolist(), rows.first.tolist()) == ([1, 2], [1, 2], [0, 0, 1, 2])


def test_numbers_of_edges_are_those_of_arrays_per_edge_whatever_the_layout():
    layout = tgnn.Neighbors(jnp.array([[3, 1], [0, 9], [9, 2]]), 4)  # 9: no edge
    rows = in_edges_of(layout)
    assert (rows.edges.tolist(), rows.senders.tolist(), rows.n_edge) == ([0, 1, 2, 5], [3, 1, 0, 2], 6)


@pytest.mark.parametrize("fanouts", [[3], [3, 2], [None, 1, 4], [0, 2], [1000]])
def test_sampled_edges_are_edges_without_replacement_and_at_most_k(fanouts):
    seeds = np.array([5, 40, 0, 12], np.uint8)
    hops = sample_neighbors(GRAPH, seeds, fanouts, seed=1)
    assert len(hops.layouts) == len(fanouts)
    np.testing.assert_array_equal(hops.nodes[:4], seeds)
    real = hops.nodes[hops.nodes >= 0]
    assert len(np.unique(real)) == len(real)
    for layout, numbers, weights, k in zip(hops.layouts, hops.edges, hops.weights, fanouts[::-1], strict=True):
        senders, receivers, chosen = edges_of(layout, hops.nodes, numbers)
        np.testing.assert_array_equal(SENDERS[chosen], senders)
        np.testing.assert_array_equal(RECEIVERS[chosen], receivers)
        assert LIVE[chosen].all() and len(np.unique(chosen)) == len(chosen)
        wanted = hops.nodes[: layout.n_receivers]
        wanted = wanted[wanted >= 0]
        expected = DEGREES[wanted] if k is None else np.minimum(DEGREES[wanted], k)
        kept = np.bincount(receivers, minlength=N)
        np.testing.assert_array_equal(kept[wanted], expected)
        np.testing.assert_allclose(weights[numbers >= 0], DEGREES[receivers] / np.maximum(kept, 1)[receivers])
        assert (weights[numbers < 0] == 0).all()


def test_a_hop_begins_with_the_nodes_of_the_next_one():
    hops = sample_neighbors(GRAPH, [1, 2, 3], [2, 2, 2], seed=0)
    for before, after in zip(hops.layouts[:-1], hops.layouts[1:], strict=True):
        assert before.n_receivers == after.n_senders
    assert hops.layouts[-1].n_receivers == 8 and hops.layouts[0].n_senders == len(hops.nodes)


def test_every_neighbour_is_as_likely_as_another():
    """Exact frequencies: of 6 in-edges each of the 20 triples, within 5 standard deviations of 6000 / 20."""
    layout = tgnn.EdgeList.from_edges([*range(6)], [6] * 6, n_receivers=7)
    lengths = np.full(6000, 6)
    drawn = np.sort(subsets(np.random.default_rng(0), lengths, 3), axis=0)
    triples, counts = np.unique(drawn, axis=1, return_counts=True)
    assert triples.shape == (3, 20)
    expected = len(lengths) / 20
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 43.8  # 19 degrees of freedom, p = 0.001
    graph = in_edges_of(layout)
    total = np.zeros(6)
    for step in range(60):
        total[sample_neighbors(graph, [6], [2], seed=0, step=step).edges[0][:2]] += 1
    assert abs(total - 20).max() < 5 * np.sqrt(60 / 3 * 2 / 3)


def test_integers_below_a_limit():
    limits = np.array([0, 1, 2, 7] * 500)
    drawn = below(np.random.default_rng(0), limits)
    assert (drawn[limits <= 1] == 0).all() and (drawn >= 0).all() and (drawn < np.maximum(limits, 1)).all()
    assert set(drawn[limits == 7]) == set(range(7))


def test_a_sample_is_a_function_of_seed_and_step():
    def draw(seed, step):
        return sample_neighbors(GRAPH, [5, 1], [3, 3], seed=seed, step=step)

    late = draw(3, 7)
    for step in range(5):
        draw(3, step)
    again = draw(3, 7)
    jax.tree.map(np.testing.assert_array_equal, late, again)
    assert not np.array_equal(draw(3, 8).edges[1], late.edges[1])
    assert not np.array_equal(draw(4, 7).edges[1], late.edges[1])


def test_seeds_that_stand_twice_are_computed_once():
    hops = sample_neighbors(GRAPH, np.array([9, 3, 9, 3, 1]), [2], seed=0)
    np.testing.assert_array_equal(hops.nodes[:4], [9, 3, 1, -1])
    np.testing.assert_array_equal(hops.seeds, [0, 1, 0, 1, 2])


@pytest.mark.parametrize("seeds", [[], np.array([], np.int64), [40], [38, 39]])
def test_no_seeds_and_isolated_seeds_have_no_edge(seeds):
    hops = sample_neighbors(GRAPH, seeds, [2, None], seed=0)
    assert (hops.nodes >= 0).sum() == len(seeds) and len(hops.seeds) == len(seeds)
    assert not any(np.asarray(layout.live).any() for layout in hops.layouts)


def test_no_hop_and_no_node():
    hops = sample_neighbors(GRAPH, [3], [], seed=0)
    assert hops.layouts == () and hops.sizes == (8,)
    empty = in_edges_of(tgnn.EdgeList.from_edges([], [], n_receivers=0))
    assert sample_neighbors(empty, [], [3], seed=0).nodes.max() == -1


def test_samples_of_a_bucket_have_one_shape():
    typical = sample_neighbors(GRAPH, [5, 6], [4, 4], seed=0).sizes
    shapes = {
        sample_neighbors(GRAPH, [i, i + 1], [4, 4], seed=0, step=i, sizes=typical).sizes for i in (5, 8, 11, 37, 39)
    }
    assert shapes == {typical}
    larger = sample_neighbors(GRAPH, range(30), [4, 4], seed=0, sizes=typical).sizes
    assert all(a >= b for a, b in zip(larger, typical, strict=True)) and larger != typical


def test_what_is_no_graph_no_node_and_no_number_is_refused():
    with pytest.raises(ValueError, match="graph must be InEdges, got EdgeList; make them once with"):
        sample_neighbors(LAYOUT, [0], [1], seed=0)
    two = in_edges_of(tgnn.EdgeList.from_edges([0], [0], n_receivers=1, n_senders=2))
    with pytest.raises(ValueError, match="graph joins 2 senders to 1 receivers"):
        sample_neighbors(two, [0], [1], seed=0)
    with pytest.raises(ValueError, match=r"seeds\[1\] is 41, expected an index in \[0, 41\)"):
        sample_neighbors(GRAPH, [0, 41], [1], seed=0)
    with pytest.raises(ValueError, match=r"seeds\[0\] is -1"):
        sample_neighbors(GRAPH, [-1], [1], seed=0)
    with pytest.raises(ValueError, match="seeds must be a one-dimensional array of integers"):
        sample_neighbors(GRAPH, [0.5], [1], seed=0)
    with pytest.raises(ValueError, match="fanouts must be an integer of at least 0, got -1"):
        sample_neighbors(GRAPH, [0], [-1], seed=0)
    with pytest.raises(ValueError, match="step must be an integer of at least 0"):
        sample_neighbors(GRAPH, [0], [1], seed=0, step=-1)
    with pytest.raises(ValueError, match="sizes has 2 numbers, expected 3, as Hops.sizes"):
        sample_neighbors(GRAPH, [0], [1], seed=0, sizes=(8, 8))


def test_no_function_is_called_once_for_each_node():
    """What is counted is calls, Python's and C's, since clocks depend on what else a machine does."""
    rng = np.random.default_rng(0)
    graph = in_edges_of(tgnn.EdgeList.from_edges(*rng.integers(0, 10_000, (2, 100_000)), n_receivers=10_000))

    def calls(num_seeds):
        """Of a second time: the first one imports, and JAX compiles for its sizes."""
        count = 0

        def counted(frame, event, arg):
            nonlocal count
            count += event in ("call", "c_call")

        seeds = rng.choice(10_000, num_seeds, replace=False)
        sample_neighbors(graph, seeds, [10, 10], seed=0)
        sys.setprofile(counted)
        try:
            sample_neighbors(graph, seeds, [10, 10], seed=0)
        finally:
            sys.setprofile(None)
        return count

    assert calls(1024) < calls(16) + 100
