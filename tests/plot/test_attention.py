"""Pictures of attention weights: any weights give a picture, and words are drawn as they are written."""

import numpy as np
import pytest

import tgnn
from tgnn import patterns, plot

pytest.importorskip("matplotlib")
from matplotlib.text import Text  # noqa: E402


def texts(ax):
    return [text.get_text() for text in ax.texts]


def lines(ax):
    """The collection of lines, if there is one."""
    return next((c for c in ax.collections if hasattr(c, "get_segments")), None)


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


HARD = {
    "uniform": np.full((60, 60), 1 / 60),
    "zeros": np.zeros((3, 4)),
    "nan": np.full((3, 4), np.nan),
    "one nan": np.where(np.eye(3) > 0, np.nan, 0.5),
    "infinite": np.where(np.eye(3) > 0, np.inf, 0.5),
    "no senders": np.zeros((3, 0)),
    "no receivers": np.zeros((0, 3)),
    "lists": [[0.5, 0.5], [1, 0]],
}


@pytest.mark.parametrize("draw", [plot.attention_graph, plot.alignment])
@pytest.mark.parametrize("name", HARD)
def test_any_weights_give_a_picture(draw, name, tmp_path):
    draw(HARD[name]).figure.savefig(tmp_path / "weights.png")
    assert (tmp_path / "weights.png").stat().st_size > 1000


def test_uniform_weights_are_all_drawn_and_zeros_are_not():
    edges = lines(plot.attention_graph(HARD["uniform"]))
    np.testing.assert_allclose(edges.get_linewidths(), np.full(3600, 5 / 60))
    assert lines(plot.attention_graph(HARD["zeros"])) is None
    assert lines(plot.attention_graph(HARD["uniform"], threshold=0.02)) is None


def test_unknown_weights_are_red_not_missing():
    edges = lines(plot.attention_graph(HARD["one nan"]))
    red = [color[0] > color[2] for color in edges.get_edgecolors()]
    assert len(red) == 9 and sum(red) == 3
    picture = plot.alignment(HARD["one nan"]).images[0]
    shown = picture.to_rgba(picture.get_array())
    np.testing.assert_array_equal(shown[..., 0] > shown[..., 2], np.eye(3) > 0)


WORDS = ["$_$", "from $5 to $6", r"\$x$", "a_b^{", "%s"]


def draw_everything():
    """Every function with every text that it takes."""
    n, title = len(WORDS), "$_$ from $5 to $6"
    yield plot.draw_graph(tgnn.Causal(n), labels=WORDS, title=title)
    yield plot.draw_graph(tgnn.Causal(n), labels=WORDS, sender_labels=WORDS, title=title)
    yield plot.draw_adjacency(tgnn.Causal(n), title=title)
    yield plot.alignment(np.eye(n), WORDS, WORDS, title=title)
    yield plot.attention_graph(np.eye(n), WORDS, WORDS, title=title)
    yield plot.learning_curves(
        [{"step": 1, "$x$": 1.0, "to $5 or $": 2.0}], ["$x$", "to $5 or $"], ylabel="$", title=title
    )
    yield patterns.draw(tgnn.Causal(n), title)


@pytest.mark.slow
def test_every_word_is_drawn_as_it_is_written():
    found = set()
    for drawn in draw_everything():
        figure = drawn.figure
        figure.draw_without_rendering()  # which parses mathematics
        with_dollars = [text for text in figure.findobj(Text) if "$" in text.get_text()]
        assert with_dollars
        for text in with_dollars:
            own = text.get_text()
            assert text._preprocess_math(own) == (own, False)  # no mathematics
            found.update(own.split("\n"))
    assert {"$_$", "from $5 to $6", r"\$x$", "$x$", "to $5 or $", "$", "$_$ from $5 to $6"} <= found


@pytest.mark.parametrize(
    "draw, words",
    [
        (lambda: plot.alignment(np.zeros((2, 3, 4))), "choose or average heads"),
        (lambda: plot.alignment(np.zeros((2, 3)), "abc"), "receivers has 3 entries"),
        (lambda: plot.attention_graph(np.zeros((2, 3)), "ab", "ab"), "senders has 2 entries"),
        (lambda: plot.attention_graph(tgnn.Causal(2), np.eye(2)), "got Causal; .*weighted_graph"),
    ],
)
def test_weights_that_cannot_be_drawn_are_said(draw, words):
    with pytest.raises(ValueError, match=words):
        draw()
