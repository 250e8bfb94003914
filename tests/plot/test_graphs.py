"""Pictures: what is drawn is the graph, and what cannot be drawn is said."""

import subprocess
import sys

import jraph
import numpy as np
import pytest

import tgnn
from tgnn import plot

pytest.importorskip("matplotlib")


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


@pytest.mark.parametrize(
    "graph", [tgnn.Complete(5, 3), np.ones((5, 3), bool), tgnn.Window(5, 1, 1), tgnn.Complete(5).adjacency()]
)
def test_every_graph_is_drawn(graph, tmp_path):
    for ax in (plot.draw_graph(graph, title="a graph"), plot.draw_adjacency(graph)):
        ax.figure.savefig(tmp_path / "graph.png")
        assert (tmp_path / "graph.png").stat().st_size > 1000


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


def test_adjacency_shows_receivers_downwards():
    image = plot.draw_adjacency(tgnn.Causal(3)).images[0].get_array()
    np.testing.assert_array_equal(image, np.tri(3))


def test_alignment_labels_rows_and_columns():
    weights = np.full((3, 2), 0.5)
    ax = plot.alignment(weights, ["K", "AE", "T"], ["c", "a"])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["K", "AE", "T"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["c", "a"]
    np.testing.assert_array_equal(ax.images[0].get_array(), weights)


def test_attention_graph_draws_an_edge_as_wide_as_its_weight():
    ax = plot.attention_graph(np.array([[0.75, 0.25, 0.0], [0.0, 0.0, 1.0]]), ["K", "T"], ["c", "a", "t"])
    (edges,) = [c for c in ax.collections if hasattr(c, "get_segments")]
    np.testing.assert_allclose(edges.get_linewidths() / edges.get_linewidths()[2], [0.75, 0.25, 1.0])
    assert texts(ax) == ["c", "a", "t", "K", "T"]


def test_learning_curves_pass_over_records_without_the_metric():
    records = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0, "validation_loss": 3.0}, {"step": 3, "loss": None}]
    curves = plot.learning_curves(records, ["loss", "validation_loss"], log=True).lines
    assert [curve.get_label() for curve in curves] == ["loss", "validation loss"]
    np.testing.assert_array_equal(curves[0].get_xydata(), [[1, 2], [2, 1]])


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
        (lambda: plot.alignment(np.zeros((2, 3, 4))), "choose or average heads"),
        (lambda: plot.alignment(np.zeros((2, 3)), "abc"), "receivers has 3 entries"),
        (lambda: plot.attention_graph(np.zeros((2, 3)), "ab", "ab"), "senders has 2 entries"),
        (lambda: plot.learning_curves([{"step": 1}], ["loss"]), "no record has any of the metrics loss"),
    ],
)
def test_what_cannot_be_drawn_is_said(draw, words):
    with pytest.raises(ValueError, match=words):
        draw()


def test_importing_the_module_does_not_import_matplotlib():
    code = "import sys, tgnn.plot; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
