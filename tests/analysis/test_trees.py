"""Spanning trees against all trees that there are; words of several tokens against a loop."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tgnn.analysis import arborescence, spanning_tree, tree_overlap, word_weights

WEIGHTS = np.random.default_rng(0).random((5, 5, 2)).astype(np.float32)


def reaches_root(heads):
    """Whether every node comes to the one root by its heads."""
    for node in range(len(heads)):
        for _ in heads:
            node = heads[node] if heads[node] >= 0 else node
        if heads[node] >= 0:
            return False
    return list(heads).count(-1) == 1


def best_tree(matrix, root=None):
    """The heads of the heaviest tree, by trying all."""
    trees = [heads for heads in itertools.product(range(-1, len(matrix)), repeat=len(matrix)) if reaches_root(heads)]
    trees = [heads for heads in trees if root is None or heads[root] == -1]
    return max(trees, key=lambda heads: sum(matrix[i, head] for i, head in enumerate(heads) if head >= 0))


@pytest.mark.parametrize("root", [None, 2])
def test_the_arborescence_is_the_heaviest_of_all(root):
    matrix = WEIGHTS[:4, :4].mean(-1)
    found = arborescence(tgnn.Complete(4), WEIGHTS[:4, :4], root=root)
    assert found.tolist() == list(best_tree(matrix, root))


def test_the_spanning_tree_is_the_heaviest_of_all():
    matrix = WEIGHTS[:4, :4].mean(-1)
    heads = best_tree(matrix + matrix.T)
    expected = sorted((min(i, head), max(i, head)) for i, head in enumerate(heads) if head >= 0)
    assert spanning_tree(tgnn.Complete(4), WEIGHTS[:4, :4]).tolist() == [list(pair) for pair in expected]


def test_trees_keep_to_the_edges_of_the_graph():
    layout = tgnn.EdgeList.from_edges([0, 1, 1, 3, 2], [1, 2, 2, 4, 2], n_receivers=5, pad_to=7)
    weights = jnp.array([0.0, 0.2, 0.3, 0.1, 9.0, jnp.nan, 7.0])
    assert spanning_tree(layout, weights).tolist() == [[0, 1], [1, 2], [3, 4]]  # a forest; a weight of 0 is an edge
    with pytest.raises(ValueError, match="no node reaches all others"):
        arborescence(layout, weights)
    chain = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    assert arborescence(chain, jnp.ones((2, 4))).tolist() == [-1, 0, 1]
    with pytest.raises(ValueError, match="root 2 reaches"):
        arborescence(chain, jnp.ones(2), root=2)


@pytest.mark.parametrize("scale", [1e-10, 1.0, 1e30])
@pytest.mark.parametrize("weights", [(0.5, 1e-20, 1e-18), (2.0, 1.0, 3.0)])
def test_trees_depend_on_the_smallest_differences(weights, scale):
    layout = tgnn.EdgeList.from_edges([0, 0, 1], [1, 2, 2], n_receivers=3)
    assert spanning_tree(layout, scale * np.array(weights)).tolist() == [[0, 1], [1, 2]]
    assert arborescence(layout, scale * np.array(weights), root=0).tolist() == [-1, 0, 1]


def test_one_node_and_none():
    for n in (0, 1):
        nothing = tgnn.EdgeList.from_edges([], [], n_receivers=n)
        assert spanning_tree(nothing, jnp.zeros(0)).shape == (0, 2)
        assert arborescence(nothing, jnp.zeros(0)).tolist() == [-1] * n


def test_overlap_counts_edges_without_directions():
    heads = np.array([1, -1, 1, 2, 3], np.int16)
    assert tree_overlap([[1, 0], [1, 2], [2, 4]], heads) == (2, 4)
    assert tree_overlap([[1, 0], [1, 2], [2, 4]], heads, np.array([True, True, False, False, True])) == (1, 2)
    assert tree_overlap([], [-1]) == (0, 0)
    long = np.full(50_002, -1)
    long[50_001] = 50_000  # of a text whose pairs are more than int32 can count
    assert tree_overlap([[50_000, 50_001]], long) == (1, 1)


def test_words_of_several_tokens():
    words, n_words = np.array([-1, 0, 1, 1, 3, -1]), 4
    weights = np.random.default_rng(1).random((2, 3, 6, 6)).astype(np.float32)
    expected = np.zeros((2, 3, n_words, n_words))
    for i, j in itertools.product(range(n_words), repeat=2):
        block = weights[..., words == i, :][..., words == j]
        if block.shape[-2]:
            expected[..., i, j] = block.sum(-1).mean(-1)
    np.testing.assert_allclose(word_weights(weights, words), expected, rtol=1e-6)
    np.testing.assert_allclose(word_weights(jnp.asarray(weights), words, n_words=5)[..., :4, :4], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spanning_tree(tgnn.Complete(2, 3), np.ones((2, 3))), "joins 2 receivers and 3 senders"),
        (lambda: spanning_tree(tgnn.Complete(2), np.full((2, 2), np.nan)), "hold 4 numbers that are not finite"),
        (lambda: spanning_tree(tgnn.Complete(2), np.ones((2, 2, 0))), r"weights have shape \(2, 2, 0\)"),
        (lambda: arborescence(tgnn.Complete(2), np.ones((2, 2)), root=2), "root is 2"),
        (lambda: tree_overlap([[0, 1]], [[0]]), r"heads and mask must have shape \[n\]"),
        (lambda: word_weights(np.ones((2, 3)), [0, 1]), r"weights must have shape \[..., n, n\]"),
        (lambda: word_weights(np.ones((2, 2)), [0, 1], n_words=1), "n_words is 1"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
