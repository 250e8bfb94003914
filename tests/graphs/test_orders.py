"""Orders of nodes: permutations, compact where the graph is a surface, and chosen by what they fill."""

import numpy as np
import pytest
from scipy.sparse.csgraph import shortest_path

import tgnn
from tgnn.graphs.orders import best_order, bisect, count_columns, depths, hops, orders, tile_width, undirected
from tgnn.patterns import icosahedral_mesh, k_hop

MESH = icosahedral_mesh(3)
SENDERS, RECEIVERS = k_hop(MESH.layout, 3).pairs()
SIZE = len(MESH.vertices)


def test_bisection_fills_row_windows_of_a_mesh_best():
    found = orders(SENDERS, RECEIVERS, SIZE, SIZE, 32)
    fill = {k: len(SENDERS) / 32 / count_columns(SENDERS, RECEIVERS, x, 32).sum() for k, x in found.items()}
    assert fill["bisection"] > 1.5 * fill["cuthill-mckee"] and fill["bisection"] > 1.5 * fill["given"]
    by_place = bisect(MESH.vertices, 32)
    columns = count_columns(SENDERS, RECEIVERS, by_place, 32).sum()
    assert count_columns(SENDERS, RECEIVERS, found["bisection"], 32).sum() < 1.1 * columns  # hops are as good as places
    np.testing.assert_array_equal(best_order(SENDERS, RECEIVERS, SIZE, SIZE, 32), found["bisection"])


def test_columns_are_counted():
    order = np.random.default_rng(0).permutation(SIZE)
    counts = count_columns(SENDERS, RECEIVERS, order, 50)
    window = np.argsort(order) // 50
    assert counts.tolist() == [len(np.unique(SENDERS[window[RECEIVERS] == i])) for i in range(-(-SIZE // 50))]


@pytest.mark.parametrize("n, size", [(0, 4), (1, 4), (4, 4), (5, 4), (37, 4), (64, 1), (33, 32)])
def test_parts_of_a_bisection_are_of_the_size(n, size):
    points = np.random.default_rng(n).normal(size=(n, 2))
    points[: n // 2] = 0.0  # many at one place
    order = bisect(points, size)
    assert sorted(order.tolist()) == list(range(n))


def test_a_line_is_cut_into_stretches():
    x = np.random.default_rng(0).permutation(96)
    parts = np.sort(x[bisect(x[:, None].astype(float), 8)].reshape(-1, 8))
    assert sorted(parts.tolist()) == np.arange(96).reshape(-1, 8).tolist()


def test_hops_are_those_of_shortest_paths():
    rng = np.random.default_rng(0)
    senders, receivers = rng.integers(0, 40, 45), rng.integers(0, 40, 45)  # several components
    graph = undirected(senders, receivers, 40, 40)
    from scipy.sparse.csgraph import breadth_first_order

    exact = shortest_path(graph, unweighted=True, indices=0)
    found = depths(*breadth_first_order(graph, 0))
    reached = np.isfinite(exact)
    np.testing.assert_array_equal(found[reached], exact[reached])
    assert not reached.all() and (found[~reached] == exact[reached].max() + 1).all()
    assert hops(graph).shape == (40, 8) and np.isfinite(hops(graph)).all()


def test_bipartite_graphs_and_graphs_without_edges_have_orders():
    for n, m in ((7, 5), (5, 7), (3, 0), (0, 3), (0, 0), (1, 1)):
        none = np.zeros(0, np.int64)
        edges = (none, none) if not n * m else (np.arange(n) % m, np.arange(n))
        for order in orders(*edges, n, m, 2).values():
            assert sorted(order.tolist()) == list(range(n))


def test_width_of_tiles():
    assert tile_width(np.full(9, 440)) == 448 and tile_width(np.zeros(0, int)) == 64
    assert tile_width(np.array([5000, *[30] * 99])) == 64  # a hub does not widen the tiles of all others


@pytest.mark.slow
def test_reorder_takes_the_fullest_order_or_the_one_that_is_asked_for():
    layout = tgnn.EdgeList.from_edges(SENDERS, RECEIVERS, n_receivers=SIZE)

    def tiles(layout):
        senders, receivers = layout.pairs()
        return len(np.unique(senders // 64 * SIZE + receivers // 64))

    found = {by: tgnn.reorder(layout, by=by) for by in (None, "given", "cuthill-mckee", "bisection")}
    counts = {by: tiles(ordered) for by, (ordered, _) in found.items()}
    assert counts[None] == min(counts.values()) < counts["given"]
    np.testing.assert_array_equal(found["given"][1], np.arange(SIZE))
    ordered, permutation = tgnn.reorder(layout, by="bisection", points=MESH.vertices)
    np.testing.assert_array_equal(ordered.adjacency(), np.asarray(layout.adjacency())[np.ix_(permutation, permutation)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "size"}, "by must be one of given, cuthill-mckee, bisection or None for the best, got 'size'"),
        ({"points": np.zeros((3, 2))}, rf"points must be finite numbers \[{SIZE}, dim\].* got shape \(3, 2\)"),
        ({"points": np.full((SIZE, 2), np.nan)}, "points must be finite"),
        ({"points": np.zeros(SIZE)}, "one row for each node, .*; add an axis"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        tgnn.reorder(MESH.layout, **options)


def test_row_windows_have_an_order_of_their_own():
    with pytest.raises(ValueError, match="RowWindows, which has an order of its own; use layout.to_edges"):
        tgnn.reorder(tgnn.RowWindows.from_edges([0], [1], n_receivers=2))  # pyright: ignore
