"""Splits of edges: nothing of a held-out link is left in the graph, in either direction, in any copy."""

import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tgnn.links import split_edges

RNG = np.random.default_rng(0)
N = 23
SENDERS, RECEIVERS = RNG.integers(0, N, (2, 120))  # with loops, copies and some edges in both directions
LAYOUT = tgnn.EdgeList.from_edges(SENDERS, RECEIVERS, n_receivers=N)


def unordered(senders, receivers):
    pairs = np.sort(np.stack([senders, receivers], 1), axis=1)
    return {tuple(x) for x in pairs.tolist() if x[0] != x[1]}


@pytest.mark.parametrize("directed", [False, True])
def test_parts_share_no_pair_in_any_direction(directed):
    split = split_edges(LAYOUT, validation=0.2, test=0.3, directed=directed, seed=1)
    parts = [unordered(*pairs) for pairs in (split.train, split.validation, split.test)]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    every = unordered(SENDERS, RECEIVERS)
    assert parts[0] | parts[1] | parts[2] == every
    assert [len(x) for x in parts[1:]] == [int(0.2 * len(every)), int(0.3 * len(every))]
    senders, receivers = split.graph.pairs()
    assert unordered(senders, receivers) == parts[0]
    np.testing.assert_array_equal(senders, SENDERS[split.kept])
    np.testing.assert_array_equal(receivers, RECEIVERS[split.kept])
    assert (senders == receivers).sum() == (SENDERS == RECEIVERS).sum()  # loops stay
    if directed:
        given = {*zip(SENDERS.tolist(), RECEIVERS.tolist(), strict=True)}
        assert {*zip(*(x.tolist() for x in split.test), strict=True)} <= given
    else:
        assert (split.test.senders < split.test.receivers).all()


@pytest.mark.parametrize("directed", [False, True])
def test_negatives_are_no_edges_as_many_and_different(directed):
    split = split_edges(LAYOUT, validation=0.2, test=0.3, directed=directed)
    first, second = (list(zip(*x, strict=True)) for x in (split.validation_negatives, split.test_negatives))
    assert (len(first), len(second)) == (len(split.validation.senders), len(split.test.senders))
    assert len({*first, *second}) == len(first) + len(second)
    assert not unordered(*split.validation_negatives) & unordered(SENDERS, RECEIVERS)
    assert all(s != r for s, r in first + second)


def test_a_bipartite_graph_has_no_reverse():
    senders, receivers = RNG.integers(0, 5, 40), RNG.integers(0, 8, 40)
    layout = tgnn.EdgeList.from_edges(senders, receivers, n_receivers=8, n_senders=5)
    split = split_edges(layout, validation=0.25, test=0.25)
    pairs = {*zip(senders.tolist(), receivers.tolist(), strict=True)}
    parts = [{*zip(*(x.tolist() for x in part), strict=True)} for part in (split.train, split.validation, split.test)]
    assert set.union(*parts) == pairs and sum(map(len, parts)) == len(pairs)
    assert not {*zip(*(x.tolist() for x in split.test_negatives), strict=True)} & pairs
    assert (split.graph.n_receivers, split.graph.n_senders) == (8, 5)


def test_as_many_items_as_users_are_two_sets_where_it_is_said():
    layout = tgnn.EdgeList.from_edges([2, 1, 0], [0, 1, 2], n_receivers=3)
    split = split_edges(layout, validation=0.0, test=0.0, bipartite=True)
    assert [x.tolist() for x in split.train] == [[0, 1, 2], [2, 1, 0]]  # 0 -> 2 is no reverse of 2 -> 0, 1 -> 1 no loop
    parts = split_edges(layout, validation=0.34, test=0.34, bipartite=True)
    assert [len(x.senders) for x in (parts.train, parts.validation, parts.test)] == [1, 1, 1]
    with pytest.raises(ValueError, match="bipartite is False, but graph joins 2 senders to 3 receivers"):
        split_edges(tgnn.Complete(3, 2), bipartite=False)


def test_kept_counts_masked_edges():
    mask = np.array([False, True, True, False, True])
    listed = tgnn.EdgeList.from_edges([0, 0, 1, 2, 2], [1, 1, 2, 3, 3], n_receivers=4, mask=mask)
    assert split_edges(listed, validation=0.0, test=0.0).kept.tolist() == [1, 2, 4]
    table = tgnn.Neighbors(jnp.array([[9, 1], [2, 9], [0, 1]]), 3)  # 9: no edge
    split = split_edges(table, validation=0.0, test=0.0)
    np.testing.assert_array_equal(np.asarray(table.senders).ravel()[split.kept], split.graph.pairs()[0])


def test_the_same_seed_gives_the_same_split():
    first, second, other = (split_edges(LAYOUT, seed=seed) for seed in (3, 3, 4))
    for a, b in zip(first[1:], second[1:], strict=True):
        np.testing.assert_array_equal(np.stack(a), np.stack(b))
    assert unordered(*first.test) != unordered(*other.test)


def test_graphs_without_links():
    for layout in (tgnn.EdgeList.from_edges([], [], n_receivers=0), tgnn.EdgeList.from_edges([1], [1], n_receivers=2)):
        split = split_edges(layout)
        assert not len(split.train.senders) and not len(split.test_negatives.senders)
        assert split.graph.n_edge == layout.n_edge


def test_what_is_wrong_is_named():
    with pytest.raises(ValueError, match=r"test must be a share in \[0, 1\), got 2"):
        split_edges(LAYOUT, test=2)
    with pytest.raises(ValueError, match="are 1 of the links; leave some to train on"):
        split_edges(LAYOUT, validation=0.5, test=0.5)
    with pytest.raises(ValueError, match="num is 3, but only 0 pairs are no edges"):
        split_edges(tgnn.Complete(4), test=0.5)
