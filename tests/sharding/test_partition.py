"""Parts of a graph and what they send each other, on the host: equal to the graph, edge by edge."""

import numpy as np
import pytest

import tgnn
from tgnn.sharding import partition_nodes, split_edges

RNG = np.random.default_rng(0)
GRAPHS = {
    "random": tgnn.EdgeList.from_edges(*RNG.integers(0, 23, (2, 90)), n_receivers=23, mask=RNG.random(90) < 0.8),
    "window": tgnn.Window(20, 2, 1),
    "no edge": tgnn.EdgeList.from_edges([], [], n_receivers=5),
    "one node": tgnn.Complete(1),
    "no node": tgnn.EdgeList.from_edges([], [], n_receivers=0),
}


@pytest.mark.slow
@pytest.mark.parametrize("scattered", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize("name", [x if x == "random" else pytest.param(x, marks=pytest.mark.slow) for x in GRAPHS])
def test_edges_of_the_parts_are_those_of_the_graph(name, scattered):
    graph = GRAPHS[name]
    n = graph.n_receivers
    cut = partition_nodes(graph, 4, RNG.integers(0, 4, n) if scattered else None)
    found, read = [], set()
    for part in range(4):
        senders, receivers, live = (np.asarray(x)[part] for x in (cut.layout.senders, cut.layout.receivers, cut.edges))
        live = np.flatnonzero(live < graph.to_edges().n_edge)
        pairs = np.asarray(cut.senders)[part][senders[live]], np.asarray(cut.nodes)[part][receivers[live]]
        found += list(zip(np.asarray(cut.edges)[part][live], *pairs, strict=True))
        read |= {(part, s) for s in pairs[0] if s not in np.asarray(cut.nodes)[part]}
    edges = graph.to_edges()
    kept = np.flatnonzero(np.asarray(edges.live))
    expected = zip(kept, np.asarray(edges.senders)[kept], np.asarray(edges.receivers)[kept], strict=True)
    assert sorted(found) == sorted(expected)
    assert cut.n_cut == len(read) <= cut.n_sent
    x = np.arange(3.0 * n).reshape(n, 3)
    np.testing.assert_array_equal(cut.unpack(cut.pack(x)), x)


def test_owners_of_a_small_type_count_more_nodes_than_it_holds():
    graph, owner = tgnn.Window(600, 1, 1), np.arange(600) // 100
    small, large = (partition_nodes(graph, 6, owner.astype(dtype)) for dtype in (np.uint8, np.int64))
    np.testing.assert_array_equal(small.place, large.place)
    assert small.n_cut == large.n_cut == 10


@pytest.mark.slow
def test_what_comes_in_is_what_was_sent():
    cut = partition_nodes(GRAPHS["random"], 4)
    nodes, place = np.asarray(cut.nodes), cut.nodes.shape[1]
    for hop, rows in zip(cut.hops, cut.sends, strict=True):
        for part in range(4):
            came = np.asarray(cut.senders)[(part + hop) % 4, place : place + rows.shape[1]]
            sent = nodes[part][np.asarray(rows)[part]]
            np.testing.assert_array_equal(sent[came < 23], came[came < 23])
        place += rows.shape[1]


@pytest.mark.slow
def test_a_window_sends_only_to_its_neighbours():
    cut = partition_nodes(tgnn.Window(80, 3, 3), 8)
    assert cut.hops == (1, 7) and cut.n_cut == 2 * 3 * 7 and cut.layout.n_senders == 10 + 6


def test_equal_shares_of_edges_keep_their_order():
    graph = GRAPHS["random"]
    parts = split_edges(graph, 4)
    assert parts.senders.shape == (4, 23)
    live = np.asarray(parts.mask).ravel()
    np.testing.assert_array_equal(np.flatnonzero(live), np.flatnonzero(np.asarray(graph.live)))
    np.testing.assert_array_equal(np.asarray(parts.receivers).ravel()[live], graph.pairs()[1])
    for order, receivers in zip(np.asarray(parts.order), np.asarray(parts.receivers), strict=True):
        assert (np.diff(receivers[order]) >= 0).all()


@pytest.mark.parametrize(
    "layout, options, message",
    [
        (tgnn.Complete(3, 4), {}, "layout must be on one set of nodes.*use attend_edges"),
        (GRAPHS["window"], {"owner": np.full(20, 4)}, r"owner must be \[20\] parts in \[0, 4\)"),
        (GRAPHS["window"], {"owner": np.zeros(19, int)}, r"owner must be \[20\] parts"),
    ],
)
def test_what_cannot_be_cut_is_refused(layout, options, message):
    with pytest.raises(ValueError, match=message):
        partition_nodes(layout, 4, **options)
