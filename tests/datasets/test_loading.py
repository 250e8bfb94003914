"""Batches of a data set of graphs: each graph once in an epoch, whole, in one shape."""

import jax
import numpy as np
import pytest

from tgnn.datasets.graphs import Graphs
from tgnn.datasets.loading import batches_in_order, shuffled_batches

RNG = np.random.default_rng(0)
N_NODE = RNG.integers(1, 9, 23).astype(np.int32)
N_EDGE = np.where(N_NODE > 1, RNG.integers(0, 12, 23), 0).astype(np.int32)
ENDS = np.repeat(N_NODE, N_EDGE)
GRAPHS = Graphs(
    nodes=np.arange(N_NODE.sum(), dtype=np.float32),
    edges=np.arange(N_EDGE.sum(), dtype=np.float32)[:, None],
    senders=RNG.integers(0, ENDS).astype(np.int32),
    receivers=RNG.integers(0, ENDS).astype(np.int32),
    n_node=N_NODE,
    n_edge=N_EDGE,
    labels=np.arange(23),
)


def graphs_in(graph, masks):
    """The real graphs of a batch by label, with ends numbered from 0, and that padding stays by itself."""
    found, node, edge = {}, 0, 0
    for i in np.flatnonzero(masks.graphs):
        n, e = int(graph.n_node[i]), int(graph.n_edge[i])
        ends = [np.asarray(x[edge : edge + e]) - node for x in (graph.senders, graph.receivers)]
        found[int(graph.globals[i])] = graph.nodes[node : node + n], graph.edges[edge : edge + e], *ends
        node, edge = node + n, edge + e
    assert (node, edge) == (masks.nodes.sum(), masks.edges.sum())
    assert (np.asarray(graph.senders)[~masks.edges] >= node).all()
    return found


def check(found):
    for i, parts in found.items():
        wanted = GRAPHS[i]
        for got, expected in zip(parts, (wanted.nodes, wanted.edges, wanted.senders, wanted.receivers), strict=True):
            np.testing.assert_array_equal(got, expected)


def test_an_epoch_has_every_graph_once_in_one_shape():
    batch_at = shuffled_batches(GRAPHS, 5, seed=0)
    batches = [batch_at(step) for step in range(8)]
    assert len({tuple(map(np.shape, jax.tree.leaves(batch))) for batch in batches}) == 1
    for epoch in (batches[:4], batches[4:]):
        found = [graphs_in(*batch) for batch in epoch]
        assert all(len(part) == 5 for part in found) and len(set().union(*found)) == 20
        for part in found:
            check(part)
    jax.tree.map(np.testing.assert_array_equal, batch_at(3), shuffled_batches(GRAPHS, 5, seed=0)(3))
    assert set(graphs_in(*batch_at(0))) != set(graphs_in(*shuffled_batches(GRAPHS, 5, seed=1)(0)))


def test_in_order_the_last_batch_is_filled_up():
    batches = list(batches_in_order(GRAPHS, 5))
    assert len({tuple(map(np.shape, jax.tree.leaves(batch))) for batch in batches}) == 1
    found = [graphs_in(*batch) for batch in batches]
    assert [list(part) for part in found] == [list(range(i, min(i + 5, 23))) for i in range(0, 23, 5)]
    check(found[-1])
    assert list(batches_in_order(GRAPHS[:0], 5)) == []


def test_a_batch_that_does_not_fit_has_the_next_shape():
    few = np.ones(400, np.int32)
    few[7] = 300
    graphs = Graphs(np.zeros(few.sum()), np.zeros(0), *np.zeros((2, 0), np.int32), few, 0 * few, np.arange(400))
    shapes = {np.shape(graph.nodes): masks.nodes.sum() for graph, masks in batches_in_order(graphs, 4)}
    assert len(shapes) == 2 and max(shapes.values()) == 303


def test_batches_that_no_step_can_give_are_refused():
    for size in (0, 24):
        with pytest.raises(ValueError, match="batch_size must be"):
            shuffled_batches(GRAPHS, size, seed=0)
    with pytest.raises(ValueError, match="batch_size must be"):
        batches_in_order(GRAPHS, 0)
