"""Trees: children below their parents, words in their order, circles refused."""

import numpy as np
import pytest

from tgnn import plot

pytest.importorskip("matplotlib")


def places(ax):
    return np.array([text.get_position() for text in ax.texts])


def test_a_node_stands_above_the_middle_of_its_children():
    parents = [2, 2, 4, 4, -1, 2, 3, 3]
    found = places(plot.draw_tree(parents, list("abcdefgh")))
    for node in range(8):
        children = [i for i in range(8) if parents[i] == node]
        if children:
            assert found[node, 0] == (found[children, 0].min() + found[children, 0].max()) / 2
            assert (found[children, 1] == found[node, 1] - 1).all()
    leaves = found[[0, 1, 5, 6, 7], 0]
    np.testing.assert_array_equal(leaves, range(5))


def test_words_stay_in_their_order_and_edges_have_names():
    ax = plot.draw_tree([1, -1, 1], ["the", "sat", "cat"], kind="words", edge_labels=["det", "", "nsubj"])
    shown = {text.get_text(): text.get_position()[0] for text in ax.texts}
    assert shown == {"the": 0, "sat": 1, "cat": 2, "det": 0.5, "nsubj": 1.5}


def test_several_trees_single_nodes_and_long_chains():
    assert len(plot.draw_tree([-1, -1, 0]).texts) == 3
    assert len(plot.draw_tree([-1]).texts) == 1
    plot.draw_tree([])
    assert places(plot.draw_tree(np.arange(-1, 199)))[-1].tolist() == [0, -199]


@pytest.mark.parametrize(
    ("parents", "options", "message"),
    [
        ([1, 0], {}, "go round in a circle at node 0"),
        ([0], {}, "circle"),
        ([2, -1], {}, "parents must be ints"),
        ([-2], {}, "parents must be ints"),
        ([-1, 0], {"labels": ["a"]}, "labels has 1 entries"),
        ([-1], {"kind": "bush"}, "kind must be tidy or words"),
        ([-1.5], {}, "parents"),
    ],
)
def test_what_is_no_tree_is_said(parents, options, message):
    with pytest.raises(ValueError, match=message):
        plot.draw_tree(parents, **options)
