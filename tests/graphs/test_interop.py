"""The border: graphs in and out, padding, stacking, and what of jraph is called at all."""

import re
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import jraph
import networkx
import numpy as np
import pytest
from scipy import sparse

import tgnn
from tests.support.layouts import LAYOUTS, N


def graph(n_node=(3, 4), n_edge=(5, 2), seed=0):
    rng = np.random.default_rng(seed)
    starts = np.repeat(np.cumsum(n_node) - n_node, n_edge)
    sizes = np.repeat(n_node, n_edge)
    return jraph.GraphsTuple(
        nodes=rng.normal(size=(sum(n_node), 2, 3)).astype("f4"),
        edges=rng.normal(size=(sum(n_edge), 2)).astype("f4"),
        senders=(starts + rng.integers(0, sizes)).astype(np.int32),
        receivers=(starts + rng.integers(0, sizes)).astype(np.int32),
        globals=None,
        n_node=np.array(n_node),
        n_edge=np.array(n_edge),
    )


@jax.jit
def attend(graph, mask=None):
    layout = graph if mask is None else tgnn.EdgeList.from_graph(graph, mask=mask)
    return tgnn.attend(layout, graph.nodes, graph.nodes, graph.nodes, bias=graph.edges)


def test_a_graphs_tuple_is_a_layout():
    g = graph()
    edges = tgnn.EdgeList.from_edges(g.senders, g.receivers, n_receivers=7)
    expected = tgnn.attend(edges, g.nodes, g.nodes, g.nodes, bias=g.edges)
    np.testing.assert_allclose(attend(g), expected, atol=1e-6)
    np.testing.assert_allclose(tgnn.attend(g, g.nodes, g.nodes, g.nodes, bias=g.edges), expected, atol=1e-6)


@pytest.mark.slow
def test_padding_and_batching_change_no_output():
    single = [graph((3,), (5,), seed=1), graph((4,), (2,), seed=2)]
    expected = jnp.concatenate([attend(g) for g in single])
    batch = jraph.batch_np(single)
    np.testing.assert_allclose(attend(batch), expected, atol=1e-6)
    for sizes in ((8, 7, 3), (29, 31, 5), (None, None, None)):
        padded, masks = tgnn.pad(batch, *sizes)
        np.testing.assert_allclose(attend(padded)[masks.nodes], expected, atol=1e-6)
        np.testing.assert_allclose(attend(padded, masks.edges)[masks.nodes], expected, atol=1e-6)
        assert (masks.nodes.sum(), masks.edges.sum(), masks.graphs.sum()) == (7, 7, 2)


def test_padding_too_small_is_an_error():
    with pytest.raises(ValueError, match="n_node is 7, but this graph needs at least 8"):
        tgnn.pad(graph(), n_node=7)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "uint64"])
def test_sizes_of_graphs_are_integers_of_any_type(dtype):
    sizes = np.full(10, 100, dtype)  # 1,000 nodes in all, more than 8 bits hold
    g = jraph.GraphsTuple(np.zeros((1000, 1)), None, sizes[:1], sizes[:1], None, sizes, np.eye(10, dtype=dtype)[0])
    np.testing.assert_array_equal(tgnn.readout(g).receivers, np.repeat(np.arange(10), 100))
    padded, _ = tgnn.pad(g)
    assert all(np.issubdtype(x.dtype, np.integer) for x in padded[2:4] + padded[5:])
    assert padded.senders[0] == 100 and padded.n_node[:10].tolist() == sizes.tolist()


@pytest.mark.slow
def test_readout_sums_the_nodes_of_each_graph():
    g = graph()
    pool = tgnn.readout(g)
    expected = [g.nodes[:3].sum(0), g.nodes[3:].sum(0)]
    np.testing.assert_allclose(tgnn.aggregate(pool, g.nodes), expected, atol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda g: tgnn.aggregate(tgnn.readout(g), g.nodes))(g), expected, atol=1e-6)


@pytest.mark.slow
def test_networkx_round_trip():
    club = networkx.karate_club_graph()
    layout = tgnn.from_networkx(club)
    assert layout.edge_shape == (2 * club.number_of_edges(),)
    np.testing.assert_array_equal(layout.adjacency(), networkx.to_numpy_array(club) > 0)
    directed = networkx.MultiDiGraph([(0, 1), (0, 1), (2, 2)])
    again = tgnn.to_networkx(tgnn.from_networkx(directed))
    assert sorted(again.edges()) == sorted(directed.edges())
    assert tgnn.from_networkx(networkx.Graph()).n_receivers == 0


def test_networkx_numbers_two_sets_of_nodes_one_after_the_other():
    for layout, bipartite, edges in (
        (tgnn.EdgeList.from_edges([0, 1], [1, 1], n_receivers=2), None, [(0, 1), (1, 1)]),
        (tgnn.EdgeList.from_edges([0, 1], [1, 1], n_receivers=2), True, [(2, 1), (3, 1)]),
        (tgnn.EdgeList.from_edges([2], [1], n_receivers=2, n_senders=3), None, [(4, 1)]),
    ):
        graph = tgnn.to_networkx(layout, bipartite=bipartite)
        assert sorted(graph.edges()) == edges
        assert len(graph) == (2 if edges[0] == (0, 1) else 2 + layout.n_senders)
    assert len(tgnn.to_networkx(tgnn.Complete(0, 2))) == 2


def test_features_of_no_edges_have_a_mean():
    nothing = tgnn.EdgeList.from_edges([], [], n_receivers=2)
    assert tgnn.self_loops(nothing, np.zeros((0, 3)))[1].tolist() == [[0.0] * 3] * 2
    assert tgnn.coalesce(nothing, np.zeros((0, 3)), reduction="mean")[1].shape == (0, 3)


@pytest.mark.parametrize(
    ("dtype", "fill", "wanted"),
    [
        ("int32", 1.0, "int32"),
        ("int8", 128, "int16"),
        ("uint8", -1, "int16"),
        ("int8", 2**40, "int64"),
        ("int16", 0.5, "float32"),
        ("int32", np.inf, "float32"),
        ("bool", True, "bool"),
        ("float16", 1, "float16"),
    ],
)
def test_integers_stay_integers_beside_a_whole_number(dtype, fill, wanted):
    layout = tgnn.EdgeList.from_edges([0], [1], n_receivers=2)
    _, edges = tgnn.self_loops(layout, np.ones(1, dtype), fill=fill)
    assert edges.dtype == wanted and edges.tolist() == [1, fill, fill]


def test_scipy_round_trip():
    matrix = sparse.random(7, 11, 0.3, random_state=0, format="csr")
    layout = tgnn.from_scipy(matrix)
    np.testing.assert_array_equal(layout.adjacency(), matrix.todense() != 0)
    np.testing.assert_array_equal(tgnn.to_scipy(layout).todense(), np.asarray(matrix.todense() != 0, "f4"))


def test_to_graph_keeps_the_callers_order():
    layout = tgnn.EdgeList.from_edges([0, 1, 2], [2, 0, 1], n_receivers=3, mask=np.array([True, False, True]))
    g = tgnn.to_graph(layout)
    assert (g.senders.tolist(), g.receivers.tolist()) == ([0, 2], [2, 1])


def test_self_loops_are_added_once_and_directions_completed():
    layout = tgnn.EdgeList.from_edges([0, 1, 0, 0], [0, 2, 1, 1], n_receivers=3)
    looped = np.asarray(tgnn.to_scipy(tgnn.self_loops(layout)).todense())
    np.testing.assert_array_equal(looped, [[1, 0, 0], [2, 1, 0], [0, 1, 1]])
    both = np.asarray(tgnn.to_scipy(tgnn.undirected(layout)).todense())
    np.testing.assert_array_equal(both, [[1, 1, 0], [1, 0, 1], [0, 1, 0]])
    with pytest.raises(ValueError, match="one set of nodes"):
        tgnn.self_loops(tgnn.Complete(2, 3))


TWICE = tgnn.EdgeList.from_edges([0, 0], [1, 1], n_receivers=2)


def test_merged_features_are_reduced_as_aggregate_reduces_messages():
    """Sums wrap in no small type, no mean of integers is cut, and half precision adds up in float32."""
    for dtype in (np.int8, np.uint8):
        _, merged = tgnn.coalesce(TWICE, np.array([100, 100], dtype))
        assert (merged.tolist(), merged.dtype) == ([200], np.int32)
    assert tgnn.undirected(TWICE, np.array([200, 100], np.uint8))[1].tolist() == [300, 300]
    assert tgnn.coalesce(TWICE, [True, True])[1].tolist() == [2]
    assert tgnn.coalesce(TWICE, np.array([2**40, 1]))[1].tolist() == [2**40 + 1]
    assert tgnn.coalesce(TWICE, np.array([9, 7], np.uint8), reduction="max")[1].dtype == np.uint8
    _, merged = tgnn.coalesce(TWICE, [1, 2], reduction="mean")
    assert (merged.tolist(), merged.dtype) == ([1.5], np.float32)
    many = tgnn.EdgeList.from_edges(np.zeros(600, int), np.ones(600, int), n_receivers=2)
    _, merged = tgnn.coalesce(many, np.ones(600, jnp.bfloat16))
    assert (merged.astype(float).tolist(), merged.dtype) == ([600], jnp.bfloat16)


@pytest.mark.parametrize(
    "edges, fill, expected, dtype",
    [
        ([1, 2], "mean", [1, 2, 0, 1.5], np.float32),
        ([1, 2], 0.5, [1, 2, 0.5, 0.5], np.float32),
        (np.array([1, 2], np.uint8), 7, [1, 2, 7, 7], np.uint8),
        (np.array([1, 2], np.uint8), 300, [1, 2, 300, 300], np.uint16),
        (np.array([1, 2], np.float16), 0.5, [1, 2, 0.5, 0.5], np.float16),
    ],
)
def test_features_of_loops_are_not_cut_to_those_of_other_edges(edges, fill, expected, dtype):
    _, looped = tgnn.self_loops(TWICE, edges, fill=fill)
    assert (looped.tolist(), looped.dtype) == (expected, dtype)


@pytest.mark.slow
def test_stack_pads_layouts_of_different_lengths():
    layouts = [LAYOUTS["edges"], LAYOUTS["edges padded"], LAYOUTS["blocks"], LAYOUTS["dense"]]
    for group in (layouts[:2], layouts, [LAYOUTS["neighbors"], LAYOUTS["neighbors padded"]]):
        rng = np.random.default_rng(0)
        query, key = rng.normal(size=(N, 1, 2)).astype("f4"), rng.normal(size=(11, 1, 2)).astype("f4")
        stacked = jax.jit(jax.vmap(tgnn.attend, (0, None, None, None)))(tgnn.stack(group), query, key, key)
        expected = [jax.jit(tgnn.attend)(layout, query, key, key) for layout in group]
        np.testing.assert_allclose(stacked, jnp.stack(expected), atol=1e-6)
    with pytest.raises(ValueError, match="equal numbers of nodes"):
        tgnn.stack([tgnn.Complete(2), tgnn.Complete(3)])
    with pytest.raises(ValueError, match="empty"):
        tgnn.stack([])


def test_only_the_working_functions_of_jraph_are_called():
    """jraph's last release is of 2022; this list grows only after a test of the function."""
    used = set()
    for path in Path(tgnn.__file__).parent.rglob("*.py"):
        used |= set(re.findall(r"jraph\.(\w+)", path.read_text()))
    assert used <= {"GraphsTuple", "segment_sum", "segment_max", "pad_with_graphs", "batch_np", "batch", "unbatch_np"}


def test_a_graph_is_taken_wherever_a_layout_is():
    graph = jraph.GraphsTuple(
        jnp.ones((3, 2)), None, np.array([1, 2]), np.array([0, 1]), None, np.array([3]), np.array([2])
    )
    layout = tgnn.EdgeList.from_graph(graph)
    for function in (tgnn.degrees, lambda x: tgnn.aggregate(x, graph.nodes, "max"), tgnn.self_loops):
        chex.assert_trees_all_equal(function(graph), function(layout))
    assert tgnn.undirected(graph).n_edge == tgnn.batch([graph, layout]).layout.live.sum() == 4
    assert set(tgnn.to_networkx(graph).edges()) == {(0, 1), (1, 2)}
    assert tgnn.patterns.statistics(graph) == tgnn.patterns.statistics(layout)
    with pytest.raises(ValueError, match=r"graph.senders has shape \(2,\) but graph.receivers \(3,\)"):
        tgnn.degrees(graph._replace(receivers=np.array([1, 2, 0])))


def test_submodules_are_there_when_they_are_asked_for():
    assert tgnn.datasets.planetoid.NAMES[0] == "cora"
    with pytest.raises(AttributeError, match="module 'tgnn' has no attribute 'windwo'"):
        tgnn.windwo  # noqa: B018


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "uint64"])
def test_an_edge_index_is_senders_over_receivers(dtype):
    index = np.array([[0, 3, 2], [1, 2, 0]], dtype)
    layout = tgnn.EdgeList.from_edge_index(index, n_receivers=3, n_senders=4, pad_to=5)
    same = tgnn.EdgeList.from_edges(index[0], index[1], n_receivers=3, n_senders=4, pad_to=5)
    chex.assert_trees_all_equal(layout, same)
    empty = tgnn.EdgeList.from_edge_index(np.zeros((2, 0), dtype), n_receivers=2)
    assert empty.n_edge == 0
    for wrong in (index.T, index[0], np.stack([index, index])):
        with pytest.raises(ValueError, match=r"edge_index must be \[2, n_edge\], senders over receivers, got shape"):
            tgnn.EdgeList.from_edge_index(wrong, n_receivers=4)
