"""Arcs, weighted graphs and small multiples: what is drawn are the weights, alike in every panel."""

import jax.numpy as jnp
import networkx
import numpy as np
import pytest

import tgnn
from tgnn import plot
from tgnn.plot.shades import line_styles
from tgnn.plot.weighing import weighed

pytest.importorskip("matplotlib")
N = 4
WEIGHTS = np.array([[1, 0, 0, 0], [0.25, 0.75, 0, 0], [0.5, 0.0, 0.5, 0], [0.1, 0.2, 0.3, 0.4]])


def lines(ax):
    return [c for c in ax.collections if hasattr(c, "get_segments")]


def luminance(colors):
    return np.asarray(colors)[:, :3] @ [0.2126, 0.7152, 0.0722]


def test_the_stronger_the_darker_and_wider_also_in_black_and_white():
    widths, colors = line_styles(np.linspace(0, 1, 50))
    assert (np.diff(luminance(colors)) < 0).all() and (np.diff(widths) >= 0).all()


def test_arcs_are_the_edges_and_stand_on_their_side():
    ax = plot.arc_diagram(tgnn.Complete(N), "abcd", WEIGHTS + WEIGHTS.T * 0.01, threshold=0.15)
    (arcs,) = lines(ax)
    points = np.array(arcs.get_segments())  # [edge, point, 2]
    assert len(points) == (WEIGHTS > 0.15).sum() and (points[..., 1] > 0).all()  # all look back, or at themselves
    assert [text.get_text() for text in ax.texts] == list("abcd")
    later = plot.arc_diagram(tgnn.EdgeList.from_edges([2, 0], [0, 1], n_receivers=3))
    sides = [np.sign(arc[:, 1].mean()) for arc in lines(later)[0].get_segments()]
    ends = [(round(arc[:, 0].min(), 6), round(arc[:, 0].max(), 6)) for arc in lines(later)[0].get_segments()]
    assert sorted(zip(sides, ends, strict=True)) == [(-1.0, (0.0, 2.0)), (1.0, (0.0, 1.0))]


def test_a_graph_without_weights_and_one_head_of_several_are_drawn():
    assert len(lines(plot.arc_diagram(tgnn.Causal(N)))[0].get_segments()) == 10
    heads = np.stack([WEIGHTS, np.eye(N)], -1)
    assert len(lines(plot.arc_diagram(tgnn.Complete(N), weights=heads, head=1))[0].get_segments()) == N


def test_200_nodes_are_drawn_with_the_strongest_edges_on_top():
    graph = tgnn.from_networkx(networkx.random_geometric_graph(200, 0.12, seed=3))
    weights = np.random.default_rng(0).random((graph.n_edge, 2))
    ax = plot.weighted_graph(graph, weights, head=0, positions="spectral")
    faint, strong = lines(ax)
    other = np.asarray(graph.senders) != np.asarray(graph.receivers)
    assert len(faint.get_segments()) == graph.n_edge and len(strong.get_segments()) == (weights[other, 0] > 0.02).sum()
    assert (np.diff(strong.get_linewidths()) >= 0).all()


def test_the_places_of_pieces_do_not_overlap_and_stay_the_same():
    graph = tgnn.EdgeList.from_edges([0, 1, 3, 4], [1, 2, 4, 5], n_receivers=7)
    for way in ("spring", "kamada_kawai"):
        (first, second) = (plot.draw_graph(graph, positions=way).collections[-1].get_offsets().data for _ in range(2))
        np.testing.assert_array_equal(first, second)
        gaps = np.hypot(*(first[:, None] - first[None]).T) + np.eye(7)
        assert gaps.min() > 0.05
    with pytest.raises(ValueError, match="positions must be one of circle, spring"):
        plot.draw_graph(graph, positions="sphere")


@pytest.mark.parametrize("kind", ["graph", "arcs", "matrix"])
def test_heads_share_one_scale_and_have_a_panel_each(kind, tmp_path):
    weights = np.stack([WEIGHTS, WEIGHTS / 2, np.eye(N)], -1)
    figure = plot.heads(tgnn.Complete(N), weights, kind=kind, words="abcd", heads=[0, 1], title="two heads")
    panels = [ax for ax in figure.axes if ax.get_title().startswith("head")]
    assert [ax.get_title() for ax in panels] == ["head 0", "head 1"]
    if kind == "matrix":
        first, second = (ax.images[0] for ax in panels)
        assert first.get_clim() == second.get_clim() == (0, 1)
        np.testing.assert_allclose(second.get_array(), WEIGHTS / 2)
    else:
        widest = [
            max(np.max(c.get_linewidths()) for c in lines(ax) if np.size(c.get_linewidths()) > 1) for ax in panels
        ]
        assert widest[0] > widest[1]
    figure.savefig(tmp_path / "heads.svg")
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_a_layer_that_was_read_is_drawn_like_its_weights():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(N, 2, 3)))
    graph = tgnn.EdgeList.from_edges([0, 1, 2, 2], [1, 2, 3, 0], n_receivers=N)
    (layer,) = tgnn.analysis.attention_of(tgnn.attend, graph, x, x, x)
    for found, expected in zip(weighed(layer), weighed(graph, layer.weights), strict=True):
        np.testing.assert_array_equal(found, expected)
    matrix = weighed(layer).matrix(1)
    assert np.isnan(matrix[0, 0]) and matrix[1, 0] == 1


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plot.arc_diagram(tgnn.Complete(2, 3)), "arcs are drawn over one text"),
        (lambda: plot.weighted_graph(np.ones((2, 3)) / 3), "nodes of one kind are drawn"),
        (lambda: plot.arc_diagram(tgnn.Causal(3), ["a"]), "words has 1 entries"),
        (lambda: plot.arc_diagram(tgnn.Causal(3), weights=np.ones(3)), "expected .3, 3. of the edges of the Causal"),
        (lambda: plot.weighted_graph(np.eye(2), head=1), "there are 1; use some of 0 ... 0"),
        (lambda: plot.heads(np.eye(2), kind="cube"), "kind must be one of graph, arcs, matrix"),
        (lambda: plot.heads(np.eye(2), heads=[]), "there are 1"),
        (lambda: plot.weighted_graph(np.ones(3)), "weights have shape .3,., expected"),
    ],
)
def test_what_cannot_be_drawn_is_said(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


@pytest.mark.parametrize("n", [0, 1])
def test_no_node_and_one_node_are_drawn(n):
    for ax in (plot.arc_diagram(tgnn.Complete(n)), plot.weighted_graph(np.ones((n, n)))):
        ax.figure.canvas.draw()
