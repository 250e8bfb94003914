"""Which device holds which nodes: few edges cut, equal shares, by METIS or by an order."""

import sys

import numpy as np
import pytest

import tgnn
from tgnn.sharding import choose_owners, partition_nodes


def places(n=400, reach=0.09):
    """Nodes of a square that are joined where they are close, numbered at random."""
    at = np.random.default_rng(0).uniform(size=(n, 2))
    near = np.linalg.norm(at[:, None] - at, axis=-1) < reach
    return tgnn.EdgeList.from_edges(*np.nonzero(near), n_receivers=n)


@pytest.mark.parametrize("by", ["metis", "order"])
def test_a_plane_is_cut_into_equal_parts_along_short_borders(by):
    pytest.importorskip("pymetis" if by == "metis" else "scipy")
    graph = places()
    owner = choose_owners(graph, 4, by=by)
    np.testing.assert_array_equal(owner, choose_owners(graph, 4, by=by))  # the same each time
    work = np.bincount(owner, 1 + np.bincount(np.asarray(graph.receivers), minlength=400), minlength=4)
    assert work.max() < (1.1 if by == "metis" else 1.6) * work.mean()
    by_chance = np.random.default_rng(1).permutation(np.arange(400) % 4)
    cuts = [partition_nodes(graph, 4, x).n_cut for x in (owner, by_chance)]
    assert cuts[0] < 0.25 * cuts[1]


def test_without_metis_the_order_is_taken_unless_metis_was_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymetis", None)
    graph = places(50, 0.3)
    np.testing.assert_array_equal(choose_owners(graph, 3), choose_owners(graph, 3, by="order"))
    with pytest.raises(ModuleNotFoundError, match="pip install pymetis"):
        choose_owners(graph, 3, by="metis")


@pytest.mark.parametrize("by", [None, "order"])
@pytest.mark.parametrize(
    "graph",
    [
        tgnn.EdgeList.from_edges([], [], n_receivers=0),
        tgnn.EdgeList.from_edges([0], [0], n_receivers=1),
        tgnn.EdgeList.from_edges([], [], n_receivers=7),
        tgnn.Complete(5),
        tgnn.EdgeList.from_edges(np.array([0, 0, 1], np.uint8), np.array([1, 1, 2], np.int8), n_receivers=3),
    ],
    ids=["no node", "one node", "no edge", "complete", "doubled"],
)
def test_every_graph_has_owners_in_range(graph, by):
    owner = choose_owners(graph, 3, by=by)
    assert owner.shape == (graph.n_receivers,) and owner.dtype == np.int64
    assert ((owner >= 0) & (owner < 3)).all()
    if graph.n_receivers:
        assert partition_nodes(graph, 3, owner).layout.n_receivers >= 1


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((tgnn.Complete(2, 3), 2), {}, "nodes"),
        ((tgnn.Complete(3), 0), {}, "parts must be an integer of at least 1"),
        ((tgnn.Complete(3), 2), {"by": "chance"}, 'by must be "metis", "order" or None'),
    ],
)
def test_what_cannot_be_owned_is_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        choose_owners(*arguments, **options)
