"""Shapes that would broadcast, and things that are no arrays: one sentence each, and nothing is computed."""

import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest

import tgnn
from tgnn.attention.aggregation import symmetric_weights

EDGES = tgnn.EdgeList.from_edges([0, 1, 1, 2], [2, 2, 0, 0], n_receivers=3)
X, NODES = jnp.ones(3), jnp.ones((3, 2, 3))
VECTORS = jnp.ones((2, 3))
GRAPH = jraph.GraphsTuple(jnp.ones((3, 1)), None, jnp.array([1]), jnp.array([0]), None, jnp.array([3]), jnp.array([1]))


def attend(**options):
    return tgnn.attend(EDGES, NODES, NODES, NODES, **options)


def stray(layout=EDGES, **shapes):
    return {name: jnp.ones((*layout.edge_shape, *shape)) for name, shape in shapes.items()}


WRONG = {
    "weights times nodes": (lambda: EDGES.aggregate(symmetric_weights(EDGES), jnp.ones((3, 4))), "value of EdgeList"),
    "heads of weights": (lambda: EDGES.aggregate(jnp.ones((4, 3)), NODES), "value of EdgeList.aggregate has 2 heads"),
    "weights of one edge": (lambda: EDGES.aggregate(jnp.ones((1, 2)), NODES), r"weights of .* \[4, heads\]"),
    "logits of one edge": (lambda: EDGES.normalize(jnp.ones((1, 2))), r"must have shape \[4, ...\]"),
    "rows of nodes": (lambda: EDGES.from_senders(jnp.ones((1, 2))), "one row for each of n_senders"),
    "score": (lambda: EDGES.score(NODES, jnp.ones((3, 1, 3))), "must agree in heads"),
    "aggregate, edges by edges": (lambda: tgnn.aggregate(EDGES, X, edges=jnp.ones((4, 4))), r"edges must .* \[4\]"),
    "aggregate, one axis": (lambda: tgnn.aggregate(EDGES, jnp.ones((3, 4)), edges=X[:1].repeat(4)), r"\[4, 4\]"),
    "edge_value, no heads": (lambda: attend(**stray(edge_value=(3,))), r"edge_value must .* \[4, 2, 3\], got"),
    "edge_value, no axis": (lambda: attend(**stray(edge_value=())), "edge_value must"),
    "edge_value, one number": (lambda: attend(**stray(edge_value=(2, 1))), "edge_value must"),
    "edges of a dot product": (lambda: attend(**stray(edges=(2, 1))), r"edges must have shape \[4, 2, 3\]"),
    "edges without heads": (lambda: attend(**stray(edges=(3,))), "edges must have shape"),
    "edges of GAT": (
        lambda: attend(score=tgnn.Additive(VECTORS, VECTORS), **stray(edges=(2, 3))),
        r"edges must have shape \[4, 2\]",
    ),
    "edges of GATv2": (lambda: attend(score=tgnn.AdditiveV2(VECTORS), **stray(edges=(2,))), r"\[4, 2, 3\]"),
    "edges of MoNet": (lambda: attend(score=tgnn.Gaussian(VECTORS, VECTORS), **stray(edges=(2,))), r"\[4, 3\] or"),
    "bias": (lambda: attend(bias=jnp.ones((4, 3))), "bias must have shape"),
    "scale": (lambda: attend(scale=jnp.ones(3)), "scale must be a number or one per head"),
    "arrange, one value": (lambda: EDGES.arrange(jnp.ones((1, 2)), EDGES.senders, EDGES.receivers), "for each pair"),
    "locate": (lambda: EDGES.locate(EDGES.senders, EDGES.receivers[:1]), "for each pair"),
    "segment_softmax, ids": (lambda: tgnn.segment_softmax(X, jnp.array([0]), 1), "segment_ids must have shape"),
    "segment_softmax, mask": (lambda: tgnn.segment_softmax(X, [0, 0, 0], 1, jnp.ones((3, 1), bool)), "mask must have"),
    "at, lengths": (lambda: tgnn.attention_weights(EDGES, NODES, NODES, at=([0, 1], [0])), "at must be index arrays"),
    "at, numbers": (lambda: tgnn.attention_weights(EDGES, NODES, NODES, at=([0.0], [0])), "at must be integers"),
    "pack": (lambda: tgnn.batch([EDGES]).pack(np.ones((1, 2))), "the graphs have 3 nodes"),
    "edge_weight": (lambda: tgnn.degrees(EDGES, edge_weight=jnp.ones((4, 1))), "one number for each edge"),
    "mask of a list": (lambda: tgnn.EdgeList(X.astype(int), X.astype(int), 3, 3, jnp.array([True])), "one shape"),
    "mask of a table": (lambda: tgnn.Neighbors(jnp.zeros((3, 2), int), 3, jnp.ones((3, 1), bool)), "one shape"),
    "real indices": (lambda: tgnn.EdgeList(X, X, 3, 3), "senders must be integers, got float32"),
    "a dense NumPy matrix": (lambda: tgnn.from_scipy(np.eye(2)), "must be a SciPy sparse matrix, got ndarray"),
    "a list as a mask": (lambda: tgnn.Dense([[True]]), "mask of Dense must be an array, got a list"),
    "lists as indices": (lambda: tgnn.EdgeList([0], [1], 2, 2), "must be an array, got a list"),
    "lists in a graph": (lambda: tgnn.aggregate(GRAPH._replace(senders=[0]), X), "must be an integer array, got list"),
    "pad under jit": (lambda: jax.jit(lambda graph: tgnn.pad(graph)[0])(GRAPH), "graph is traced"),
    "pad a list": (lambda: tgnn.pad([GRAPH]), "graph must be a jraph.GraphsTuple, got list"),
    "stack one": (lambda: tgnn.stack(EDGES), "layouts must be several graphs"),
    "batch one": (lambda: tgnn.batch(EDGES), "graphs must be several graphs"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_a_sentence(name):
    run, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        run()


@pytest.mark.slow
def test_lists_are_taken_where_arrays_are_meant():
    one = [[[1.0]]]
    extra = {"bias": [[[0.0]]], "scale": [1.0], "edge_value": [[[[1.0]]]]}
    assert tgnn.attend(tgnn.Complete(1), one, one, [[[2.0]]], **extra).tolist() == [[[3.0]]]
    assert tgnn.aggregate(tgnn.Complete(2), [1.0, 2.0], edges=[[1.0, 1.0], [1.0, 1.0]]).tolist() == [5.0, 5.0]
    assert tgnn.segment_softmax([0.0, 0.0], [0, 0], 1).tolist() == [0.5, 0.5]
    assert tgnn.Complete(2).with_segments([0, 1]).adjacency().tolist() == [[True, False], [False, True]]


@pytest.mark.slow
def test_numbers_that_all_features_or_heads_share_keep_an_axis_of_one():
    shared = tgnn.aggregate(EDGES, jnp.zeros((3, 2)), edges=jnp.ones((4, 1)))
    assert shared.tolist() == [[2, 2], [0, 0], [2, 2]]
    whole = attend(**stray(edges=(2, 3), edge_value=(2, 3), bias=(2,)))
    np.testing.assert_array_equal(attend(**stray(edges=(1, 3), edge_value=(1, 3), bias=(1,))), whole)
