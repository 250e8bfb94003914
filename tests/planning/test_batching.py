"""Batches of small graphs: both forms compute the same, the choice follows the measurement, and programs are few."""

import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest

import tgnn
from tgnn.graphs.interop import as_layout
from tgnn.planning import timings
from tgnn.planning.batching import batch


def molecule(n, seed):
    """A random tree with both directions of every bond, and loops."""
    rng = np.random.default_rng(seed)
    parent = [rng.integers(0, i) for i in range(1, n)]
    ends = (
        np.concatenate([parent, np.arange(1, n), np.arange(n)]),
        np.concatenate([np.arange(1, n), parent, np.arange(n)]),
    )
    return tgnn.EdgeList.from_edges(*(x.astype(int) for x in ends), n_receivers=n)


@pytest.mark.slow
def test_both_forms_compute_attention_within_each_graph():
    graphs = [molecule(5, 0), tgnn.Complete(3), molecule(7, 1)]
    nodes = [np.random.default_rng(i).normal(size=(15, 2, 3)).astype(np.float32) for i in range(3)]
    first = [0, 5, 8, 15]
    expected = np.concatenate(
        [tgnn.attend(g, *(x[a:b] for x in nodes)) for g, a, b in zip(graphs, first[:-1], first[1:], strict=True)]
    )
    for made in (batch(graphs, "union"), batch(graphs, "stack", n_graph=4)):
        np.testing.assert_array_equal(made.unpack(made.pack(nodes[0])), nodes[0])
        got = jax.jit(lambda made, *nodes: made.attend(*nodes))(made, *(made.pack(x) for x in nodes))
        np.testing.assert_allclose(made.unpack(got), expected, rtol=1e-5, atol=1e-6)
        assert not np.asarray(got)[np.asarray(made.graph) < 0].any()  # padding receives nothing


@pytest.mark.slow
@pytest.mark.parametrize("form", ["union", "stack"])
def test_features_of_edges_follow_their_edges(form):
    """In the caller's order, whatever the layout sorts; a dead edge, also of a raw graph, has none."""
    rng = np.random.default_rng(0)
    raw = jraph.GraphsTuple(
        np.zeros((3, 1)), None, np.array([2, -1, 0]), np.array([0, 1, 2]), None, np.array([3]), np.array([3])
    )
    masked = tgnn.EdgeList.from_edges([3, 0, 1, 2], [2, 1, 1, 0], n_receivers=4, mask=[True, True, False, True])
    graphs = [molecule(5, 0), masked, raw, tgnn.Causal(3)]
    counts, sizes = (13, 3, 2, 6), (5, 4, 3, 3)
    values = [rng.normal(size=(count, 2, 3)).astype(np.float32) for count in counts]
    nodes = [rng.normal(size=(n, 2, 3)).astype(np.float32) for n in sizes]
    alone = []
    for graph, x, value in zip(graphs, nodes, values, strict=True):
        graph = as_layout(graph)
        if isinstance(graph, tgnn.EdgeList):
            live = np.asarray(graph.to_caller(graph.live))
            own = np.zeros((len(live), 2, 3), np.float32)
            own[live] = value
        else:
            own = np.zeros((3, 3, 2, 3), np.float32)
            own[np.tril_indices(3)] = value
        alone.append(tgnn.attend(graph, x, x, x, edges=own, edge_value=2 * own, bias=own[..., 0]))
    made = batch(graphs, form, n_graph=5)
    x, own = made.pack(np.concatenate(nodes)), made.pack_edges(np.concatenate(values))
    run = lambda made, x, own: made.attend(x, x, x, edges=own, edge_value=2 * own, bias=own[..., 0])  # noqa: E731
    np.testing.assert_allclose(made.unpack(jax.jit(run)(made, x, own)), np.concatenate(alone), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="24 live edges; give one row for each"):
        made.pack_edges(np.zeros(25))


@pytest.mark.parametrize("form", ["union", "stack"])
def test_nodes_of_each_graph_are_pooled(form):
    sizes, x = [5, 3, 7], np.random.default_rng(0).normal(size=(15, 2)).astype(np.float32)
    made = batch([molecule(n, n) for n in sizes], form, n_graph=4)
    parts = np.split(x, np.cumsum(sizes)[:-1])
    poison = np.where(np.asarray(made.graph)[..., None] < 0, np.nan, made.pack(x))  # padding may hold anything
    for reduction, expected in {"sum": np.sum, "mean": np.mean, "max": np.max}.items():
        pooled = jax.jit(lambda made, x, reduction=reduction: made.pool(x, reduction))(made, poison)
        np.testing.assert_allclose(pooled, [*(expected(part, axis=0) for part in parts), [0, 0]], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_the_form_that_was_measured_to_be_faster_is_chosen(tmp_path):
    sizes = np.random.default_rng(0).integers(14, 33, 64)
    bonds, complete = [molecule(n, n) for n in sizes], [tgnn.Complete(int(n)) for n in sizes]
    for slower, forms in ((2.0, ("union", "stack")), (0.1, ("union", "union")), (100.0, ("stack", "stack"))):
        seconds = {"EdgeList": {"both": (slower, 0.0)}, "Stack": {"both": (1.0, 0.0)}}  # of a slot
        path = tmp_path / f"{slower}.json"
        timings.save(path, jax.default_backend(), timings.Timings("a device", "made up", seconds))
        assert (batch(bonds, timings=path).form, batch(complete, timings=path).form) == forms


@pytest.mark.slow
def test_batches_of_an_epoch_share_a_handful_of_programs():
    rng = np.random.default_rng(0)
    batches = [batch([molecule(n, n) for n in rng.integers(14, 33, 16)]) for _ in range(30)]
    assert len({str(jax.eval_shape(lambda x: x, made)) for made in batches}) <= 4


def test_what_cannot_be_batched_is_a_clear_error():
    doubled = tgnn.EdgeList.from_edges([0, 0], [1, 1], n_receivers=2)
    assert batch([doubled]).form == "union"
    for graphs, form, n_graph, message in (
        ([], None, None, "at least one"),
        ([doubled], "stack", None, "stands twice"),
        ([doubled], "heap", None, "one of union, stack"),
        ([doubled, doubled], None, 1, "at least that"),
        ([tgnn.Complete(2, 3)], None, None, "one set of nodes"),
    ):
        with pytest.raises(ValueError, match=message):
            batch(graphs, form, n_graph=n_graph)


def test_edges_that_are_traced_are_a_clear_error():
    for make in (tgnn.self_loops, tgnn.undirected, tgnn.to_graph, lambda layout: batch([layout])):
        with pytest.raises(ValueError, match="EdgeList are traced, .* outside jit, and pass the result in"):
            jax.jit(lambda layout, make=make: (make(layout), layout)[1])(molecule(3, 0))


def test_gradients_pass_through_a_packed_batch():
    made = batch([tgnn.Complete(3), tgnn.Complete(2)], "stack")
    x = jnp.asarray(made.pack(np.ones((5, 1, 2), np.float32)))
    gradient = jax.jit(jax.grad(lambda x: made.attend(x, x, x).sum()))(x)
    np.testing.assert_allclose(made.unpack(gradient), 1.0, rtol=1e-5)


def test_rows_that_are_not_packed_are_refused():
    made = tgnn.batch([tgnn.Complete(2), tgnn.Complete(1)], "stack")
    x = jnp.ones((3, 1, 1))
    with pytest.raises(ValueError, match=r"x has shape \(3, 1, 1\).*stack are \[2, 8\]; use batch.pack\(x\)"):
        made.pool(x)
    with pytest.raises(ValueError, match="query has shape"):
        made.attend(x, x, x)
