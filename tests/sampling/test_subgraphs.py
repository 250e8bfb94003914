"""Whole subgraphs: all edges between their nodes and no other, and weights that make sums right on average."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.sampled_graphs import GRAPH, LAYOUT, LIVE, RECEIVERS, SENDERS, N, edges_of
from tgnn import models
from tgnn.sampling import in_edges_of, induced_subgraph, saint_weights, sample_subgraph, take


@pytest.mark.parametrize("nodes", [[5, 7, 40, 5, 2, 11, 19, 30], [], [39], np.arange(N)[::-1].astype(np.uint8)])
def test_an_induced_subgraph_has_all_edges_between_its_nodes(nodes):
    part = induced_subgraph(GRAPH, nodes)
    once = list(dict.fromkeys(np.asarray(nodes, int).tolist()))
    np.testing.assert_array_equal(part.nodes[: len(once)], once)
    assert (part.nodes[len(once) :] == -1).all()
    senders, receivers, numbers = edges_of(part.layout, part.nodes, part.edges)
    expected = np.flatnonzero(LIVE & np.isin(SENDERS, once) & np.isin(RECEIVERS, once))
    np.testing.assert_array_equal(np.sort(numbers), expected)
    np.testing.assert_array_equal(SENDERS[numbers], senders)
    np.testing.assert_array_equal(RECEIVERS[numbers], receivers)


@pytest.mark.slow
def test_the_whole_graph_as_a_subgraph_gives_its_numbers():
    x = np.random.default_rng(0).normal(size=(N, 5)).astype(np.float32)
    order = np.random.default_rng(1).permutation(N)
    part = induced_subgraph(GRAPH, order)
    params = models.init_gat(jax.random.key(0), (5, 4, 3), num_heads=2)
    expected = models.gat(params, LAYOUT, jnp.asarray(x))
    found = models.gat(params, part.layout, jnp.asarray(take(x, part.nodes)))
    np.testing.assert_allclose(found[:N], expected[order], rtol=1e-5, atol=1e-5)


def test_walks_meet_nodes_of_the_graph_the_same_for_a_step():
    part = sample_subgraph(GRAPH, 4, 3, seed=0, step=2)
    jax.tree.map(np.testing.assert_array_equal, part, sample_subgraph(GRAPH, 4, 3, seed=0, step=2))
    assert not np.array_equal(part.nodes, sample_subgraph(GRAPH, 4, 3, seed=0, step=3).nodes)
    assert (part.nodes >= 0).sum() <= 16 and part.sizes[0] == 16
    shapes = {sample_subgraph(GRAPH, 4, 3, seed=0, step=i, sizes=(16, 96)).sizes for i in range(5)}
    assert shapes == {(16, 96)}
    assert sample_subgraph(GRAPH, 0, 3, seed=0).sizes == (8, 8)


def test_weights_are_the_inverse_chances_of_edges_and_losses():
    """The counts by hand, and two sums that come out right over the very parts in which was counted."""
    parts = [sample_subgraph(GRAPH, 6, 3, seed=0, step=i) for i in range(40)]
    messages, loss = saint_weights(GRAPH, parts)
    assert messages.shape == (GRAPH.n_edge,) and loss.shape == (N,)
    met = np.array([np.isin(np.arange(N), part.nodes) for part in parts])
    both = met[:, SENDERS] & met[:, RECEIVERS]
    ever = LIVE & both.any(0)
    np.testing.assert_allclose(messages[ever], met[:, RECEIVERS].sum(0)[ever] / both.sum(0)[ever], rtol=1e-6)
    assert (messages[~ever] == 1).all()
    value = np.random.default_rng(0).normal(size=N)
    sums = [(take(loss * value, part.nodes)).sum() for part in parts]
    np.testing.assert_allclose(np.mean(sums), value[met.any(0)].sum() / N, rtol=1e-5)
    # Every message of an edge, over the parts that have its receiver, counts once on average.
    total = np.zeros(GRAPH.n_edge)
    for part in parts:
        numbers = part.edges[part.edges >= 0]
        total[numbers] += messages[numbers]
    np.testing.assert_allclose(total[ever], met[:, RECEIVERS].sum(0)[ever], rtol=1e-5)


def test_no_node_and_no_part_are_refused():
    empty = in_edges_of(tgnn.EdgeList.from_edges([], [], n_receivers=0))
    with pytest.raises(ValueError, match="graph has no node, and no walk can begin"):
        sample_subgraph(empty, 1, 1, seed=0)
    with pytest.raises(ValueError, match="parts is empty; give the subgraphs of some steps"):
        saint_weights(GRAPH, [])
    with pytest.raises(ValueError, match=r"nodes\[0\] is 41"):
        induced_subgraph(GRAPH, [41])
    with pytest.raises(ValueError, match="sizes has 1 numbers, expected 2"):
        induced_subgraph(GRAPH, [1], sizes=(8,))
