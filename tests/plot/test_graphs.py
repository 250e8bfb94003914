"""Pictures of graphs: what is drawn is the graph, and what cannot be drawn is said."""

import subprocess
import sys

import jraph
import numpy as np
import pytest

import tgnn
from tgnn import plot

matplotlib = pytest.importorskip("matplotlib")


def lines(ax):
    """The edges drawn as plain lines."""
    return sum(len(c.get_segments()) for c in ax.collections if hasattr(c, "get_segments"))


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_directed_edges_are_arrows_mutual_ones_lines():
    ax = plot.draw_graph(tgnn.EdgeList.from_edges([0, 1, 2, 3, 3], [1, 0, 1, 4, 3], n_receivers=5))
    assert (lines(ax), len(ax.patches)) == (1, 2)


def test_an_arrow_goes_from_sender_to_receiver():
    (arrow,) = plot.draw_graph(tgnn.EdgeList.from_edges([1], [2], n_receivers=3)).patches
    circle = [(np.sin(2 * np.pi * i / 3), np.cos(2 * np.pi * i / 3)) for i in range(3)]
    np.testing.assert_allclose(arrow._posA_posB, [circle[1], circle[2]], atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "graph",
    [tgnn.Complete(5, 3), np.ones((5, 3), bool), tgnn.Window(5, 1, 1), tgnn.Complete(5).adjacency(), [[0, 1], [1, 1]]],
)
def test_every_graph_is_drawn(graph, tmp_path):
    for ax in (plot.draw_graph(graph, title="a graph"), plot.draw_adjacency(graph)):
        ax.figure.savefig(tmp_path / "graph.png")
        assert (tmp_path / "graph.png").stat().st_size > 1000


@pytest.mark.slow
def test_bipartite_graphs_have_two_rows_and_all_their_edges():
    ax = plot.draw_graph(tgnn.Complete(5, 3), labels="abcde", sender_labels="xyz")
    assert lines(ax) == 15
    assert texts(ax) == list("xyzabcde")
    square = plot.draw_graph(tgnn.Complete(3), labels="abc", sender_labels="xyz")
    assert lines(square) == 9


def test_a_graphs_tuple_is_drawn_as_its_edges():
    none = None
    graph = jraph.GraphsTuple(none, none, np.array([1]), np.array([0]), none, np.array([2, 1]), np.array([1, 0]))
    assert (lines(ax := plot.draw_graph(graph)), len(ax.patches)) == (0, 1)


def test_nodes_have_the_given_places_and_colours():
    places = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    ax = plot.draw_graph(tgnn.Causal(3), positions=places, colors=[0, 1, 2])
    np.testing.assert_array_equal(ax.collections[-1].get_offsets(), places)
    np.testing.assert_array_equal(ax.collections[-1].get_array(), [0, 1, 2])


def test_labels_stand_where_their_nodes_are():
    places = [[100, 100], [110, 100], [105, 110]]
    for labels in ("abc", ["a long one", "b", "c"]):
        ax = plot.draw_graph(tgnn.Causal(3), positions=places, labels=labels)
        assert [text.get_position() for text in ax.texts] == [tuple(place) for place in places]
        ax.figure.canvas.draw()
        (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
        assert 98 < left < 100 and 110 < right < 112 and 98 < low < 100 and 110 < high < 112  # margins, nothing else
        for text, place in zip(ax.texts, places, strict=True):  # within 15 points of the node, on the page
            moved = text.get_transform().transform(place) - ax.transData.transform(place)
            assert np.hypot(*moved) * 72 / ax.figure.dpi < 15


MANY = tgnn.EdgeList.from_edges([2, 0, 0, 1, 1], [0, 1, 1, 0, 1], n_receivers=3)


def test_widths_and_colours_of_edges_are_in_the_callers_order():
    layout = tgnn.EdgeList.from_edges([3, 0, 2], [1, 2, 0], n_receivers=4)
    ax = plot.draw_graph(layout, edge_width=[1, 2, 3], edge_color=["red", "lime", "blue"])
    drawn = {p.get_linewidth(): (tuple(p._posA_posB[0]), p.get_edgecolor()[:3]) for p in ax.patches}
    circle = [(np.sin(np.pi * i / 2), np.cos(np.pi * i / 2)) for i in range(4)]
    for width, sender, color in ((1, 3, (1, 0, 0)), (2, 0, (0, 1, 0)), (3, 2, (0, 0, 1))):
        np.testing.assert_allclose(drawn[width][0], circle[sender], atol=1e-12)
        assert drawn[width][1] == color
    bipartite = tgnn.EdgeList.from_edges([2, 0, 1], [1, 0, 0], n_receivers=2, n_senders=3)
    (edges,) = [c for c in plot.draw_graph(bipartite, edge_width=[1, 2, 3]).collections if hasattr(c, "get_segments")]
    at = {w: round(3 * s[0][0] - 0.5) for w, s in zip(edges.get_linewidths(), edges.get_segments(), strict=True)}
    assert at == {1: 2, 2: 0, 3: 1}


def test_dead_edges_have_widths_that_are_not_drawn():
    mask = np.array([True, False, True])
    layout = tgnn.EdgeList.from_edges([3, 0, 2], [1, 2, 0], n_receivers=4, mask=mask, pad_to=5)
    ax = plot.draw_graph(layout, edge_width=[1, 2, 3, 4, 5])
    assert [patch.get_linewidth() for patch in ax.patches] == [1, 3]


@pytest.mark.slow
@pytest.mark.parametrize("layout", [tgnn.Window(4, 1, 0), tgnn.Causal(4)])
def test_layouts_with_slots_take_widths_in_their_shape(layout):
    width = np.arange(np.prod(layout.edge_shape)).reshape(layout.edge_shape)
    senders = np.broadcast_to(layout.sender_index, layout.edge_shape)
    receivers = np.broadcast_to(layout.receiver_index, layout.edge_shape)
    sees = np.tril(layout.adjacency(), -1)  # loops are rings
    inside = (senders >= 0) & (senders < 4)
    expected = set(width[inside & sees[receivers, np.clip(senders, 0, 3)]])
    assert {patch.get_linewidth() for patch in plot.draw_graph(layout, edge_width=width).patches} == expected


def test_numbers_of_edges_are_colours_from_the_least_to_the_largest():
    layout = tgnn.EdgeList.from_edges([0, 1, 2], [1, 2, 3], n_receivers=4)
    colors = [patch.get_edgecolor() for patch in plot.draw_graph(layout, edge_color=np.array([0.5, 0.9, 0.1])).patches]
    viridis = matplotlib.colormaps["viridis"]
    assert colors == [viridis(0.5), viridis(1.0), viridis(0.0)]


def test_every_copy_of_an_edge_and_every_loop_is_drawn():
    ax = plot.draw_graph(MANY, edge_width=[1, 2, 3, 4, 5])
    assert [patch.get_linewidth() for patch in ax.patches] == [1, 2, 3, 4]
    ways = [patch.get_path().vertices.round(6).tobytes() for patch in ax.patches]
    assert len(set(ways)) == 4  # none hides another
    rings = ax.collections[0]
    assert rings.get_linewidths() == [5] and len(rings.get_offsets()) == 1
    loops = tgnn.EdgeList.from_edges([1, 1], [1, 1], n_receivers=2)
    assert len(set(plot.draw_graph(loops).collections[0].get_sizes())) == 2
    twice = plot.draw_graph(tgnn.EdgeList.from_edges([0, 0], [0, 0], n_receivers=1, n_senders=2))
    first, second = next(c for c in twice.collections if hasattr(c, "get_segments")).get_segments()
    assert np.abs(first - second).max() > 0.01


def test_opposite_edges_that_differ_are_two_arrows():
    layout = tgnn.EdgeList.from_edges([0, 1], [1, 0], n_receivers=2)
    assert len(plot.draw_graph(layout, edge_width=[1, 1]).patches) == 2
    assert len(plot.draw_graph(layout, edge_width=2).patches) == 0


def test_adjacency_shows_receivers_downwards():
    image = plot.draw_adjacency(tgnn.Causal(3)).images[0].get_array()
    np.testing.assert_array_equal(image, np.tri(3))


def test_a_given_axes_is_drawn_on():
    ax = plot.draw_graph(tgnn.Causal(2))
    assert plot.draw_adjacency(tgnn.Causal(2), ax=ax) is ax


@pytest.mark.parametrize(
    "draw, words",
    [
        (lambda: plot.draw_graph(tgnn.Causal(3), positions=np.zeros((2, 2))), "positions has shape"),
        (lambda: plot.draw_graph(tgnn.Causal(3), labels="ab"), "labels has 2 entries but the graph has 3"),
        (lambda: plot.draw_graph(np.zeros(3)), "graph has shape"),
        (lambda: plot.draw_graph("graph"), "layout must be a tgnn layout"),
        (lambda: plot.draw_graph([[0, 1], ["a", 0]]), "graph has shape .2, 2. and type <U"),
        (lambda: plot.draw_graph(tgnn.Causal(2), positions=[[0, 0], [np.nan, 1]]), r"positions\[1\] is \[nan, 1.0\]"),
        (lambda: plot.draw_graph(tgnn.Complete(2, 3), positions=np.zeros((2, 2))), "positions are of one set of nodes"),
        (lambda: plot.draw_graph(tgnn.Complete(2, 3), sender_labels="ab"), "sender_labels has 2 entries"),
        (
            lambda: plot.draw_graph(tgnn.Causal(3), edge_width=[1, 2]),
            r"edge_width has shape \(2,\) but the Causal has 6",
        ),
        (lambda: plot.draw_graph(tgnn.Causal(3), edge_width=-1.0), "edge_width must be finite and at least 0"),
        (lambda: plot.draw_graph(tgnn.Causal(3), edge_color=["red"]), r"edge_color has shape \(1,\)"),
    ],
)
def test_what_cannot_be_drawn_is_said(draw, words):
    with pytest.raises(ValueError, match=words):
        draw()


@pytest.mark.slow
def test_importing_the_module_does_not_import_matplotlib():
    code = "import sys, tgnn.plot; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_names_of_classes_color_nodes_as_their_numbers_do():
    by = [plot.draw_graph(tgnn.Causal(3), colors=x).collections[-1] for x in (["b!", "a!", "b!"], [1, 0, 1])]
    np.testing.assert_array_equal(*(nodes.get_array() for nodes in by))
    colors = plot.draw_graph(tgnn.Causal(3), colors=["red", "b", "0.5"]).collections[-1].get_facecolors()
    assert colors[0].tolist() == [1.0, 0.0, 0.0, 1.0]
