"""RowWindows: which slots there are, what hubs cost, and what is refused. The laws hold it like every layout."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.layouts import DENSE, LAYOUTS, RECEIVERS, SENDERS, SIZES, M, N
from tgnn.graphs.orders import TILE_COST, best_order, count_columns, count_work


def test_columns_are_the_union_of_the_senders_of_each_window():
    order = np.random.default_rng(1).permutation(N)
    layout = tgnn.RowWindows.from_edges(SENDERS, RECEIVERS, 4, order=order, width=3, **SIZES)
    for number, receivers in enumerate(np.array_split(order, range(4, N, 4))):
        listed = np.asarray(layout.senders)[np.asarray(layout.windows) == number].ravel()
        union = np.flatnonzero(DENSE[receivers].any(axis=0))
        np.testing.assert_array_equal(listed[listed < M], union)
        assert len(listed) == -(-len(union) // 3) * 3
    np.testing.assert_array_equal(np.asarray(layout.receivers).ravel()[np.asarray(layout.places)], np.arange(N))


def test_a_hub_costs_its_own_window_alone():
    n = 5000
    senders, receivers = np.append(np.arange(1, n), np.zeros(n - 1, int)), np.append(np.zeros(n - 1, int), range(1, n))
    layout = tgnn.RowWindows.from_edges(senders, receivers, n_receivers=n)
    windows = -(-n // 32)
    assert layout.count_slots() <= 32 * (n + windows * layout.edge_shape[2] + layout.edge_shape[2])
    tiles = np.bincount(np.asarray(layout.windows))
    assert np.sort(tiles)[-2] == 1 < tiles.max()


def test_what_is_counted_is_what_is_built():
    order = best_order(SENDERS, RECEIVERS, N, M, 4)
    layout = tgnn.RowWindows.from_edges(SENDERS, RECEIVERS, 4, **SIZES)
    width = layout.edge_shape[2]
    assert layout.count_slots() * (width + TILE_COST) == count_work(SENDERS, RECEIVERS, order, 4) * width
    columns = count_columns(SENDERS, RECEIVERS, order, 4)
    assert (np.asarray(layout.senders) < M).sum() == columns.sum()


@pytest.mark.slow
def test_places_of_pairs_are_found_where_they_are():
    for name in ("row windows", "row windows padded"):
        layout = LAYOUTS[name]
        tile, row, column = (np.asarray(x) for x in layout.locate(SENDERS, RECEIVERS))
        np.testing.assert_array_equal(np.asarray(layout.receiver_index)[tile, row, 0], RECEIVERS)
        np.testing.assert_array_equal(np.asarray(layout.sender_index)[tile, 0, column], SENDERS)
        assert (layout.locate([5, M, 0], [0, 0, N])[0] == -1).all()  # sender 5 has no edge


@pytest.mark.slow
def test_indices_out_of_range_are_dead():
    layout = LAYOUTS["row windows padded"]
    edges = set(zip(*layout.pairs(), strict=True))
    first = int(np.asarray(layout.senders)[0, 0])
    members = np.asarray(layout.receivers)[0]
    changed = {
        "senders": layout.senders.at[0, 0].set(-1),
        "windows": layout.windows.at[np.flatnonzero(np.asarray(layout.windows) == 0)].set(-3),
    }
    for name, gone in (("senders", lambda s, r: s == first and r in members), ("windows", lambda s, r: r in members)):
        found = replace(layout, **{name: changed[name]})
        assert set(zip(*found.pairs(), strict=True)) == {x for x in edges if not gone(*x)}
        nodes = [jnp.ones((n, 1, 2)) for n in (N, M, M)]
        expected = tgnn.attend(found.to_edges(), *nodes)
        for implementation in ("definition", "fused"):
            np.testing.assert_allclose(tgnn.attend(found, *nodes, implementation=implementation), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size must be an integer of at least 1, got 0"),
        ({"width": 0}, "width must be an integer of at least 1, got 0"),
        ({"order": [0, 1]}, f"order must hold each of the {N} receivers once, got 2 numbers, 2 of them different"),
        ({"order": np.zeros(N, int)}, f"got {N} numbers, 1 of them different"),
        ({"order": np.arange(N) + 1}, rf"order\[{N - 1}\] is {N}, expected an index"),
        ({"order": np.arange(N) / 2}, "order must be a one-dimensional array of integers, got float64"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        tgnn.RowWindows.from_edges(SENDERS, RECEIVERS, **options, **SIZES)


def test_pairs_are_searched_on_the_host():
    with pytest.raises(ValueError, match="the edges of this RowWindows or the pairs are traced"):
        jax.jit(lambda x: x.locate(SENDERS, RECEIVERS))(LAYOUTS["row windows"])


@pytest.mark.slow
def test_stacks_of_different_shapes_become_lists():
    layouts = [tgnn.RowWindows.from_edges(SENDERS, RECEIVERS, size, **SIZES) for size in (3, 5)]
    both = tgnn.stack(layouts)
    assert isinstance(both, tgnn.EdgeList) and both.senders.shape == (2, len(SENDERS))


@pytest.mark.slow
def test_one_node_and_any_integer_type():
    layout = tgnn.RowWindows.from_edges(np.zeros(1, np.uint8), np.zeros(1, np.int64), n_receivers=np.int16(1))
    assert layout.adjacency().tolist() == [[True]] and layout.count_edges() == 1
