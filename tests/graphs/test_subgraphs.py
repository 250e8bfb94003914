"""Parts of graphs, line graphs, virtual nodes: against networkx, and features that follow."""

import networkx
import numpy as np
import pytest

import tgnn

GRAPH = networkx.gnp_random_graph(17, 0.12, seed=3, directed=True)
EDGES = np.array(GRAPH.edges)
LAYOUT = tgnn.EdgeList.from_edges(*EDGES.T, n_receivers=17)


def pairs(layout):
    return set(zip(*(np.asarray(x).tolist() for x in layout.pairs()), strict=True))


@pytest.mark.parametrize("nodes", [np.array([4, 1, 9, 16], np.int8), np.arange(17) % 2 == 0, []])
def test_an_induced_graph_is_networkxs_and_its_edges_know_where_they_come_from(nodes):
    part = tgnn.induced(LAYOUT, nodes)
    expected = set(GRAPH.subgraph(part.nodes.tolist()).edges)
    back = [(part.nodes[s], part.nodes[r]) for s, r in zip(part.layout.senders, part.layout.receivers, strict=True)]
    assert set(back) == expected and len(back) == len(expected)
    np.testing.assert_array_equal(EDGES[part.edges], np.array(back, int).reshape(-1, 2))


def test_masked_edges_are_not_counted():
    mask = np.arange(len(EDGES)) > 0
    layout = tgnn.EdgeList.from_edges(*EDGES.T, n_receivers=17, mask=mask)
    part = tgnn.induced(layout, np.arange(17))
    np.testing.assert_array_equal(EDGES[1:][part.edges], np.stack([part.layout.senders, part.layout.receivers], 1))


def test_the_largest_component_is_networkxs():
    part = tgnn.largest_component(LAYOUT)
    assert set(part.nodes.tolist()) == max(networkx.weakly_connected_components(GRAPH), key=len)
    assert tgnn.largest_component(tgnn.EdgeList.from_edges([], [], n_receivers=0)).layout.n_receivers == 0
    assert tgnn.largest_component(tgnn.EdgeList.from_edges([], [], n_receivers=3)).nodes.tolist() == [0]


def test_the_line_graph_is_networkxs():
    lines, shared = tgnn.line_graph(LAYOUT)
    named = {tuple(edge): i for i, edge in enumerate(EDGES.tolist())}
    assert pairs(lines) == {(named[a], named[b]) for a, b in networkx.line_graph(GRAPH).edges}
    np.testing.assert_array_equal(shared, EDGES[lines.senders, 1])
    np.testing.assert_array_equal(shared, EDGES[lines.receivers, 0])
    onward = tgnn.line_graph(tgnn.EdgeList.from_edges([0, 1, 1], [1, 0, 2], n_receivers=3), backtracking=False)[0]
    assert pairs(onward) == {(0, 2)}


def test_virtual_nodes_join_the_nodes_of_their_graph():
    ids = np.array([0] * 5 + [2] * 11 + [-1], np.int16)
    layout, kinds = tgnn.virtual_nodes(LAYOUT, ids)
    assert layout.n_receivers == 20 and np.bincount(kinds).tolist() == [len(EDGES), 16, 16]
    adjacency = np.asarray(layout.adjacency())
    np.testing.assert_array_equal(adjacency[:17, :17], LAYOUT.adjacency())
    expected = ids[:, None] == np.arange(3)[None]
    np.testing.assert_array_equal(adjacency[:17, 17:], expected)
    np.testing.assert_array_equal(adjacency[17:, :17], expected.T)
    assert not adjacency[17:, 17:].any()
    assert tgnn.virtual_nodes(tgnn.EdgeList.from_edges([], [], n_receivers=0))[0].n_receivers == 1


@pytest.mark.parametrize(
    "wrong, message",
    [
        (lambda: tgnn.induced(LAYOUT, [17]), "nodes"),
        (lambda: tgnn.induced(LAYOUT, [1, 1]), "nodes must be given once each"),
        (lambda: tgnn.induced(LAYOUT, [1.0]), "nodes"),
        (lambda: tgnn.line_graph(tgnn.Complete(2, 3)), "needs one set of nodes"),
        (lambda: tgnn.virtual_nodes(LAYOUT, [0]), "graph_ids must have shape"),
        (lambda: tgnn.virtual_nodes(LAYOUT, [-2] * 17), "graph_ids must have shape"),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()
