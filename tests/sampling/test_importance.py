"""Importance by random walks: who is visited, how often, who is kept, and what walks that end do."""

import jax
import numpy as np
import pytest

import tgnn
from tests.support.sampled_graphs import DEGREES, GRAPH, N, edges_of
from tgnn.sampling import in_edges_of, sample_important
from tgnn.sampling.importance import most_visited
from tgnn.sampling.walks import random_walks


def counted(visited, nodes, k):
    """A loop over nodes and visits."""
    found = []
    for i, node in enumerate(nodes):
        visits = [int(x) for x in visited[:, i].ravel() if x >= 0 and x != node]
        once = sorted(set(visits), key=lambda x: (-visits.count(x), visits.index(x)))[:k]
        total = sum(visits.count(x) for x in once)
        found += [(i, x, visits.count(x) / total) for x in once]
    return found


@pytest.mark.parametrize("k", [0, 2, 100])
def test_the_most_visited_are_kept_with_their_shares(k):
    nodes = np.array([5, 40, 7])
    visited = np.random.default_rng(0).integers(-1, 9, (3, 3, 8))
    drawn = most_visited(visited, nodes, k, N)
    expected = counted(visited, nodes, k)
    assert list(zip(drawn.row.tolist(), drawn.senders.tolist(), strict=True)) == [x[:2] for x in expected]
    np.testing.assert_allclose(drawn.weights, [x[2] for x in expected], rtol=1e-6)


def test_walks_go_along_edges_and_end_where_nobody_is_heard():
    rng, starts = np.random.default_rng(0), np.arange(N)
    visited = random_walks([GRAPH], starts, 4, rng=rng)
    pairs = {*zip(GRAPH.senders.tolist(), np.repeat(np.arange(N), GRAPH.degrees()).tolist(), strict=True)}
    before = starts
    for at in visited:
        for here, there in zip(before.tolist(), at.tolist(), strict=True):
            assert there == -1 if here < 0 or DEGREES[here] == 0 else (there, here) in pairs
        before = at
    ended = np.flatnonzero(DEGREES == 0)
    assert (visited[:, ended] == -1).all() and {38, 39, 40} <= set(ended)


def test_a_walk_that_begins_again_is_a_neighbour_of_its_start():
    visited = random_walks([GRAPH], np.full(20, 5), 3, rng=np.random.default_rng(0), restart=1.0)
    heard = GRAPH.senders[GRAPH.first[5] : GRAPH.first[6]]
    assert np.isin(visited, heard).all()


def test_of_a_star_every_leaf_is_visited_as_often():
    """From the hub of 4 leaves: 8000 first steps, chi-square with 3 degrees of freedom."""
    graph = in_edges_of(tgnn.EdgeList.from_edges([1, 2, 3, 4], [0] * 4, n_receivers=5))
    visited = random_walks([graph], np.zeros(8000, int), 1, rng=np.random.default_rng(0))
    counts = np.bincount(visited[0], minlength=5)[1:]
    assert ((counts - 2000) ** 2 / 2000).sum() < 16.3


def test_hops_of_important_nodes():
    hops = sample_important(GRAPH, np.array([5, 40, 12], np.int64), [3, 2], num_walks=6, walk_length=3, seed=0)
    assert (hops.nodes[:3] == [5, 40, 12]).all() and 40 not in hops.nodes[3:]
    for layout, numbers, weights, k in zip(hops.layouts, hops.edges, hops.weights, (2, 3), strict=True):
        senders, receivers, _ = edges_of(layout, hops.nodes, numbers)
        assert (numbers == -1).all() and (senders != receivers).all()
        kept = np.bincount(receivers, minlength=N)
        assert kept.max() <= k and kept[40] == 0
        total = np.bincount(receivers, weights=weights[np.asarray(layout.live)], minlength=N)
        np.testing.assert_allclose(total[kept > 0], 1, rtol=1e-6)
    again = sample_important(GRAPH, [5, 40, 12], [3, 2], num_walks=6, walk_length=3, seed=0)
    jax.tree.map(np.testing.assert_array_equal, hops, again)


def test_from_item_to_item_through_users():
    """Items 0 and 1 share users 0 and 1, item 2 has user 2 alone, and item 3 has none."""
    items, users = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 1, 2])
    to_users = in_edges_of(tgnn.EdgeList.from_edges(users, items, n_receivers=4, n_senders=3))
    to_items = in_edges_of(tgnn.EdgeList.from_edges(items, users, n_receivers=3, n_senders=4))
    hops = sample_important([to_users, to_items], [0, 2, 3], [5], num_walks=20, seed=0)
    senders, receivers, _ = edges_of(hops.layouts[0], hops.nodes, hops.edges[0])
    assert (senders.tolist(), receivers.tolist()) == ([1], [0])
    with pytest.raises(ValueError, match=r"graphs\[0\] leads to 3 senders, but the next one begins at 4 receivers"):
        sample_important([to_users, to_users], [0], [5], seed=0)


def test_what_is_no_walk_is_refused():
    with pytest.raises(ValueError, match=r"restart must be a probability in \[0, 1\], got 1.5"):
        sample_important(GRAPH, [0], [1], restart=1.5, seed=0)
    with pytest.raises(ValueError, match="fanouts must be numbers, got None"):
        sample_important(GRAPH, [0], [None], seed=0)
    with pytest.raises(ValueError, match="num_walks must be an integer of at least 1"):
        sample_important(GRAPH, [0], [1], num_walks=0, seed=0)
    with pytest.raises(ValueError, match="graphs must be InEdges, at least one of them"):
        sample_important([], [0], [1], seed=0)
