"""What Graphormer measures of a graph, and Graphormer on several."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.graph_batches import GRAPHS, N, batch_of, close
from tests.support.graph_transformers import CASES, measure
from tgnn import models


def test_graphormers_virtual_nodes_see_their_graph_only_and_paths_follow_the_edges():
    batch = measure(batch_of(GRAPHS))
    assert batch.more.segments[N:].tolist() == [0, 1, 2]
    assert (batch.more.distances[N:] == 5).all() and (batch.more.distances[:, N:] == 5).all()
    chain = tgnn.EdgeList.from_edges([0, 1, 2], [1, 2, 3], n_receivers=4)
    around = models.surroundings(chain, max_distance=2, path_length=3)
    assert around.distances[:4, :4].tolist() == [[0, 3, 3, 3], [1, 0, 3, 3], [2, 1, 0, 3], [2, 2, 1, 0]]
    assert around.paths[3, 0].tolist() == [0, 1, 2] and (around.paths[0, 3] == -1).all()
    assert around.degrees.tolist() == [[0, 1], [1, 1], [1, 1], [1, 0]]


@pytest.mark.parametrize("measure", [models.surroundings, models.interactions])
@pytest.mark.parametrize("segments", [[0.2, 1.7, 0.9], [0, 1], [[0], [0], [0]]])
def test_segments_are_one_integer_for_each_node(measure, segments):
    chain = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    with pytest.raises(ValueError, match=r"segments must be integers of shape \[3\]"):
        measure(chain, segments=segments)


@pytest.mark.slow
def test_graphormer_on_a_stack_of_graphs_is_graphormer_on_their_union():
    params, batch = CASES["graphormer"].params, batch_of(GRAPHS)
    options = {"max_distance": 3, "path_length": 2}
    together, pooled = jax.jit(models.graphormer)(params, measure(batch).more, batch.x, edges=batch.edges)
    apart = [batch_of([graph]) for graph in GRAPHS]
    around = [models.surroundings(one.layout, segments=one.segments, **options) for one in apart]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *around)
    x, edges = (np.stack([getattr(one, name) for one in apart]) for name in ("x", "edges"))
    nodes, graphs = jax.jit(jax.vmap(lambda *operands: models.graphormer(params, *operands[:2], edges=operands[2])))(
        stacked, x, edges
    )
    close(graphs[:, 0], pooled)
    for graph in range(3):
        own = batch.segments == graph
        close(nodes[graph, : own.sum()], together[own])


@pytest.mark.slow
def test_graphormer_measured_with_other_sizes_and_on_a_graph_without_edges():
    sizes = {"num_layers": 1, "model_dim": 4, "num_heads": 2, "edge_dim": 3}
    params = models.init_graphormer(jax.random.key(0), max_distance=2, path_length=2, **sizes)
    chain = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    x, edges = jnp.ones((3, 4)), jnp.ones((2, 3))
    for wrong, name in (({"max_distance": 3}, "max_distance"), ({"path_length": 1}, "path_length")):
        around = models.surroundings(chain, **({"max_distance": 2, "path_length": 2} | wrong))
        with pytest.raises(ValueError, match=f"the same {name}"):
            models.graphormer(params, around, x, edges=edges)
    lonely = models.surroundings(tgnn.EdgeList.from_edges([], [], n_receivers=1), max_distance=2, path_length=2)
    nodes, graph = models.graphormer(params, lonely, x[:1], edges=edges[:0])
    assert np.isfinite(nodes).all() and np.isfinite(graph).all()
