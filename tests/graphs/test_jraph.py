"""What jraph's own tests say of its functions, of ours; where the two differ, both are stated."""

import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest

import tgnn
from tgnn import models, nn

N, E, DIM = 7, 17, 3
GENERATOR = np.random.default_rng(0)
SENDERS = GENERATOR.integers(0, N, E)
RECEIVERS = GENERATOR.integers(0, N - 1, E)  # nobody writes to the last node
X = jnp.asarray(GENERATOR.normal(size=(N, DIM)), jnp.float32)
GRAPH = jraph.GraphsTuple(X, None, jnp.asarray(RECEIVERS), jnp.asarray(SENDERS), None, jnp.array([N]), jnp.array([E]))
LISTED = tgnn.EdgeList.from_edges(SENDERS, RECEIVERS, n_receivers=N)
LOOPED = tgnn.self_loops(LISTED)

REDUCTIONS = {
    "sum": jraph.segment_sum,
    "mean": jraph.segment_mean,
    "max": jraph.segment_max_or_constant,  # of nothing 0, as here; jraph's segment_max says -inf
    "min": jraph.segment_min_or_constant,
    "std": lambda *arguments: jnp.sqrt(jraph.segment_variance(*arguments)),
}


@pytest.mark.parametrize("bad", [None, 0])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_are_jraphs_and_a_nan_stays_in_its_segment(name, bad):
    x = X if bad is None else X.at[SENDERS[bad], 1].set(jnp.nan)
    expected = REDUCTIONS[name](x[SENDERS], RECEIVERS, N)
    np.testing.assert_allclose(tgnn.aggregate(GRAPH, x, name), expected, atol=1e-6)
    assert bad is None or np.isfinite(expected).any()


@pytest.mark.parametrize("bad", [None, 0])
def test_the_softmax_is_jraphs_and_a_nan_stays_in_its_segment(bad):
    logits = X[SENDERS] if bad is None else X[SENDERS].at[bad, 1].set(jnp.nan)
    expected = jraph.segment_softmax(logits, RECEIVERS, N)
    np.testing.assert_allclose(tgnn.segment_softmax(logits, RECEIVERS, N), expected, atol=1e-6)
    infinite = X[SENDERS].at[jnp.asarray(RECEIVERS == RECEIVERS[0])].set(-jnp.inf)
    weights = tgnn.segment_softmax(infinite, RECEIVERS, N)  # jraph's are NaN there
    assert not weights[RECEIVERS == RECEIVERS[0]].any()
    assert np.isnan(jraph.segment_softmax(infinite, RECEIVERS, N)[RECEIVERS == RECEIVERS[0]]).all()


@pytest.mark.slow
def test_a_partition_is_softmaxed_as_by_jraph():
    sizes = np.array([3, 0, 5])
    logits = jnp.asarray(GENERATOR.normal(size=8), jnp.float32)
    expected = jraph.partition_softmax(logits, sizes, sum_partitions=8)
    np.testing.assert_allclose(tgnn.segment_softmax(logits, np.repeat(np.arange(3), sizes), 3), expected, atol=1e-7)


@pytest.mark.slow
def test_a_graph_convolution_is_jraphs_where_degrees_agree():
    """jraph takes the out-degrees of senders and doubles loops; here, as in PyG, in-degrees, and each loop once."""
    params = models.init_gcn(jax.random.key(0), (DIM, 5))
    kernel, bias = params[0]["kernel"], params[0]["bias"] + 1
    theirs = jraph.GraphConvolution(lambda x: x @ kernel, add_self_edges=True)
    both = tgnn.undirected(LISTED)
    bare = np.asarray(both.senders != both.receivers)
    graph = GRAPH._replace(senders=both.senders[bare], receivers=both.receivers[bare])
    found = models.gcn([{"kernel": kernel, "bias": bias}], tgnn.self_loops(both), X)
    np.testing.assert_allclose(found, theirs(graph).nodes + bias[None], atol=1e-6)
    directed = models.gcn([{"kernel": kernel, "bias": bias}], LOOPED, X)
    ends = LOOPED.senders, LOOPED.receivers
    inner, outer = (np.sqrt(np.bincount(x, minlength=N)) for x in ends[::-1])
    summed = jraph.segment_sum((X @ kernel)[ends[0]] / inner[ends[0]][:, None], ends[1], N) / inner[:, None]
    np.testing.assert_allclose(directed, summed + bias[None], atol=1e-6)
    unlooped = jraph.GraphConvolution(lambda x: x @ kernel)(GRAPH._replace(senders=ends[0], receivers=ends[1])).nodes
    np.testing.assert_allclose(  # theirs, where one sender's degree is its out-degree
        unlooped,
        jraph.segment_sum((X @ kernel)[ends[0]] / outer[ends[0]][:, None], ends[1], N) / inner[:, None],
        atol=1e-6,
    )


@pytest.mark.slow
def test_a_gat_layer_is_jraphs():
    params = models.init_gat(jax.random.key(0), (DIM, 5), num_output_heads=1)[0]
    receiver, sender = params["receiver_vector"][0], params["sender_vector"][0]  # [head_dim]
    theirs = jraph.GAT(
        lambda x: x @ params["linear"]["kernel"].reshape(DIM, 5),
        lambda sent, received, edges: jax.nn.leaky_relu((received @ receiver + sent @ sender)[:, None], 0.2),
        lambda x: x + params["bias"][None],
    )
    graph = GRAPH._replace(senders=LOOPED.senders, receivers=LOOPED.receivers)
    np.testing.assert_allclose(models.gat([params], LOOPED, X), theirs(graph).nodes, atol=1e-6)


@pytest.mark.slow
def test_a_graph_network_is_jraphs_without_what_nodes_send():
    whole = jraph.batch(
        [GRAPH._replace(edges=X[SENDERS], globals=X[:1]), GRAPH._replace(edges=X[RECEIVERS], globals=X[1:2])]
    )
    whole = tgnn.pad(whole)[0]
    params = models.init_graph_network(jax.random.key(0), (DIM, 4), (DIM, 5), (DIM, 2))
    update = lambda name: lambda *parts: nn.mlp(params[name], jnp.concatenate(parts, axis=-1))  # noqa: E731
    edge, node, total = (update(name) for name in ("edge", "node", "global"))
    theirs = jraph.GraphNetwork(
        lambda edges, sent, received, globals_: edge(edges, sent, received, globals_),
        lambda nodes, sent, received, globals_: node(received, nodes, globals_),
        lambda nodes, edges, globals_: total(edges, nodes, globals_),
        *(3 * [jraph.segment_mean]),
    )(whole)
    found = models.graph_network(params, whole, reduction="mean")
    for name in ("nodes", "edges", "globals"):
        real = {"nodes": 2 * N, "edges": 2 * E, "globals": 2}[name]  # rows of padding may differ
        np.testing.assert_allclose(getattr(found, name)[:real], getattr(theirs, name)[:real], atol=1e-5)


def test_masks_of_padding_are_jraphs():
    for sizes in ((9, 20, 3), (8, 17, 2), (None, None, None)):
        padded, masks = tgnn.pad(GRAPH, *sizes)
        kept = (
            jraph.get_node_padding_mask(padded),
            jraph.get_edge_padding_mask(padded),
            jraph.get_graph_padding_mask(padded),
        )
        for ours, theirs in zip((masks.nodes, masks.edges, masks.graphs), kept, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        if None not in sizes:
            jax.tree.map(np.testing.assert_array_equal, padded, jraph.pad_with_graphs(GRAPH, *sizes))
            jax.tree.map(np.testing.assert_array_equal, jraph.unpad_with_graphs(padded), GRAPH)


@pytest.mark.slow
def test_deep_sets_and_relations_are_readouts():
    """jraph's DeepSets pool the nodes of a graph; its RelationNetwork pools the edges."""
    whole = jraph.batch([GRAPH, GRAPH._replace(nodes=-X)])
    theirs = jraph.DeepSets(lambda nodes, globals_: 2 * nodes, lambda nodes: nodes)(
        whole._replace(globals=jnp.zeros((2, 1)))
    )
    np.testing.assert_allclose(tgnn.aggregate(tgnn.readout(whole), 2 * whole.nodes), theirs.globals, atol=1e-6)
    relation = jraph.RelationNetwork(lambda sent, received: sent * received, lambda edges: edges)(whole)
    pairs = whole.nodes[whole.senders] * whole.nodes[whole.receivers]
    by_graph = tgnn.readout(whole._replace(nodes=pairs, n_node=whole.n_edge))
    np.testing.assert_allclose(tgnn.aggregate(by_graph, pairs), relation.globals, atol=1e-5)
