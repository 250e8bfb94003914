"""EdgeList keeps the caller's order, and an edge is live where its mask and both of its ends say so."""

import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest

import tgnn
from tests.support.layouts import LAYOUTS
from tgnn.graphs.transforms import coalesce, self_loops, undirected


@pytest.mark.slow
def test_weights_are_in_the_callers_order():
    layout = tgnn.EdgeList.from_edges([0, 1, 1], [2, 2, 0], n_receivers=3)
    weights, x = jnp.array([[1.0], [2.0], [3.0]]), jnp.array([1.0, 10.0, 100.0])[:, None, None]
    assert layout.aggregate(weights, x).ravel().tolist() == [30, 0, 21]
    assert layout.reduce(weights).ravel().tolist() == [3, 0, 3]
    assert layout.from_senders(x).ravel().tolist() == [1, 10, 10]
    logits = jnp.log(weights)
    np.testing.assert_allclose(layout.normalize(logits).ravel(), [1 / 3, 2 / 3, 1], rtol=1e-6)
    summed = tgnn.aggregate(layout, x[:, :, 0], edges=weights * 1000)
    assert summed.ravel().tolist() == [3010, 0, 3011]


def weights_of(layout):
    query = jnp.ones((layout.n_receivers, 1, 1))
    return tgnn.attention_weights(layout, query, jnp.ones((layout.n_senders, 1, 1))).ravel().tolist()


@pytest.mark.slow
@pytest.mark.parametrize("implementation", ["definition", "fused"])
def test_a_mask_drops_edges_that_are_in_range(implementation):
    mask = jnp.array([True, False, True])
    senders, receivers = jnp.array([0, 1, 2]), jnp.array([0, 0, 1])
    graph = jraph.GraphsTuple(jnp.ones((3, 1)), None, receivers, senders, None, jnp.array([3]), jnp.array([3]))
    x = jnp.array([1.0, 10.0, 100.0])[:, None, None]
    for layout in (
        tgnn.EdgeList(senders, receivers, 3, 3, mask=mask),
        tgnn.EdgeList.from_graph(graph, mask=mask),
        tgnn.EdgeList.from_edges(senders, receivers, n_receivers=3, mask=np.asarray(mask)),
    ):
        assert layout.live.tolist() == mask.tolist() and layout.count_edges() == 2
        assert weights_of(layout) == [1, 0, 1]
        output = tgnn.attend(layout, 0 * x, 0 * x, x, implementation=implementation)
        assert output.ravel().tolist() == [1, 100, 0]
        assert tgnn.aggregate(layout, x[:, 0, 0]).tolist() == [1, 100, 0]
        assert [x.tolist() for x in layout.pairs()] == [[0, 2], [0, 1]]


@pytest.mark.slow
@pytest.mark.parametrize("implementation", ["definition", "fused"])
def test_an_end_out_of_range_makes_an_edge_dead(implementation):
    senders, receivers = jnp.array([0, 1, 1, -1, 3, 0]), jnp.array([0, 3, -1, 1, 1, -4])
    layout = tgnn.EdgeList(senders, receivers, 3, 3)
    assert layout.live.tolist() == [True, False, False, False, False, False]
    assert weights_of(layout) == [1, 0, 0, 0, 0, 0]
    x = jnp.array([1.0, 10.0, 100.0])[:, None, None]
    output, slope = jax.value_and_grad(
        lambda x: tgnn.attend(layout, 0 * x, 0 * x, x, implementation=implementation).sum()
    )(x)
    assert float(output) == 1 and slope.ravel().tolist() == [1, 0, 0]
    query = jnp.ones((3, 1, 1))
    for place in (-1, 6):
        assert tgnn.attention_weights(layout, query, query, at=([place, 0], [0, 0])).tolist() == [0, 1]
    assert tgnn.attention_weights(layout, query, query, at=([0, 0], [-1, 1])).tolist() == [0, 0]


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_a_value_of_one_line(name):
    layout = LAYOUTS[name]
    again = jax.tree.map(lambda x: x, layout)
    assert layout == again and not layout != again
    assert layout != tgnn.Complete(7) and layout != 3
    assert "\n" not in repr(layout) and len(repr(layout)) < 150 and repr(layout).startswith(type(layout).__name__)
    with pytest.raises(TypeError, match="has no hash; pass it to jit as an ordinary argument"):
        hash(layout)


@pytest.mark.slow
def test_other_edges_are_unequal_and_traced_ones_are_not_compared():
    layouts = [tgnn.EdgeList.from_edges([0, 1], x, n_receivers=3) for x in ([1, 2], [2, 1])]
    assert layouts[0] != layouts[1] and layouts[0] == tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    with pytest.raises(ValueError, match="traced; compare them outside jit"):
        jax.jit(lambda a, b: a == b)(*layouts)
    planned = tgnn.plan(tgnn.Causal(64).to_edges())
    assert "\n" not in repr(planned) + repr(tgnn.batch([planned])) and "[ 0" not in repr(planned)


PAIRS = np.array([0, 0, 1, 2, 2, 2]), np.array([1, 1, 0, 2, 1, 1])  # 0 -> 1 and 2 -> 1 stand twice, 2 -> 2 is a loop
REDUCTIONS = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min}


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "uint8", "float64"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_features_follow_their_edges_through_transforms(reduction, dtype):
    listed = tgnn.EdgeList.from_edges(*PAIRS, n_receivers=4)
    features = np.array([[1, 2], [3, 5], [6, 7], [8, 9], [10, 11], [13, 4]], dtype)
    single, merged = coalesce(listed, features, reduction=reduction)
    both, twice = undirected(listed, features, reduction=reduction)
    wider = {("sum", "uint8"): "int32", ("mean", "uint8"): "float32", ("mean", "int32"): "float32"}  # as `aggregate`
    assert merged.dtype == twice.dtype == wider.get((reduction, dtype), dtype)
    for layout, found, reverse in ((single, merged, False), (both, twice, True)):
        rows = {}
        for j, i, x in zip(*PAIRS, features, strict=True):
            rows.setdefault((i, j), []).append(x)
            if reverse:
                rows.setdefault((j, i), []).append(x)
        pairs = sorted(rows)
        assert list(zip(*(x.tolist() for x in reversed(layout.pairs())), strict=True)) == pairs
        expected = [REDUCTIONS[reduction](np.stack(rows[pair]).astype(float), axis=0) for pair in pairs]
        np.testing.assert_allclose(found, expected, rtol=1e-3 if dtype == "float16" else 1e-6)


def test_new_loops_get_the_mean_of_the_nodes_edges():
    listed = tgnn.EdgeList.from_edges(*PAIRS, n_receivers=4)
    features = np.array([1.0, 3.0, 6.0, 8.0, 10.0, 14.0], np.float32)
    looped, found = self_loops(listed, features)
    assert looped.senders.tolist() == [*PAIRS[0], 0, 1, 3] and looped.receivers.tolist() == [*PAIRS[1], 0, 1, 3]
    assert found.tolist() == [*features, 6, 7, 0]
    assert self_loops(listed, features, fill=5)[1].tolist() == [*features, 5, 5, 5]


@pytest.mark.parametrize("n, n_edge", [(1, 0), (1, 1), (5, 0), (7, 20), (50, 5000), (3, 6000)])
def test_loops_are_merged_into_the_orders_that_are_known(n, n_edge):
    """As if all of it were sorted anew; 6,000 edges among 3 nodes have long sums."""
    senders, receivers = np.random.default_rng(n_edge).integers(0, n, (2, n_edge))
    found = self_loops(tgnn.EdgeList.from_edges(senders, receivers, n_receivers=n))
    loops = np.setdiff1d(np.arange(n), senders[senders == receivers])
    ends = (np.concatenate([x, loops]) for x in (senders, receivers))
    expected = tgnn.EdgeList.from_edges(*ends, n_receivers=n)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
