"""Bad input: each a ValueError that names the argument, what was expected, what came, and the remedy."""

import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest

import tgnn
from tgnn import models

X = jnp.ones((5, 4, 3))
EDGES = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=5)
BAD_EDGES = {
    "negative": ([0, -1], [1, 2], {}, r"senders\[1\] is -1, expected an index in \[0, 5\)"),
    "too large": ([0, 1], [1, 5], {}, r"receivers\[1\] is 5, expected an index in \[0, 5\)"),
    "float": ([0.0, 1.0], [1, 2], {}, "senders must be a one-dimensional array of integers, got float64"),
    "names": (
        ["ada"],
        ["bob"],
        {},
        r"must be .* integers, got <U3 .*; number the names: .*np.unique",
    ),
    "bool": ([True, False], [1, 2], {}, "senders must be .* integers, got bool"),
    "two axes": ([[0, 1]], [[1, 2]], {}, r"receivers must be a one-dimensional .* shape \(1, 2\); an edge_index"),
    "lengths": ([0, 1], [1], {}, "senders has 2 edges but receivers has 1"),
    "pad_to": ([0, 1], [1, 2], {"pad_to": 1}, "pad_to is 1, but"),
    "mask": ([0, 1], [1, 2], {"mask": [1, 0]}, r"mask must be a bool array of shape \(2,\)"),
    "n_receivers": ([0, 1], [1, 2], {"n_receivers": 2.5}, "n_receivers must be an integer known before jit, got 2.5"),
}


LISTED = tgnn.EdgeList, tgnn.Neighbors, tgnn.Blocks, tgnn.RowWindows


@pytest.mark.parametrize("make", LISTED, ids=lambda x: x.__name__)
@pytest.mark.parametrize("case", BAD_EDGES)
def test_bad_edges(make, case):
    senders, receivers, more, message = BAD_EDGES[case]
    if case == "pad_to":
        more = {"pad_to": 0}
        message = "pad_to is 0, but"
    with pytest.raises(ValueError, match=message):
        make.from_edges(senders, receivers, **({"n_receivers": 5} | more))


BAD_CALLS = {
    "query rows": ({"query": X[:3]}, "query has 3 rows, but the layout has 5 receivers"),
    "key rows": ({"key": X[:3]}, "key has 3 rows, but the layout has 5 senders"),
    "value rows": ({"value": X[:3]}, "value has 3 rows, but the layout has 5 senders"),
    "batch axis": (
        {"query": X[None]},
        r"query must have shape \[nodes, heads, dim\], got \(1, 5, 4, 3\); use jax.vmap",
    ),
    "heads": ({"key": X[:, :3], "value": X[:, :3]}, "query has 4 heads, which is no multiple of the 3 heads of key"),
    "value heads": ({"value": X[:, :2]}, "value has 2 heads but key has 4"),
    "head_dim": ({"key": X[..., :2]}, "query has head_dim 3 but key has 2"),
    "integers": ({"query": X.astype(int)}, "query must be floating point, got int32"),
    "bias": ({"bias": jnp.zeros((3, 4))}, r"bias must have shape \(2, 4\) .* got \(3, 4\)"),
    "bool bias": ({"bias": jnp.ones((2, 4), bool)}, "bias is a bool array, .* pass jnp.where"),
    "edges": ({"edges": jnp.zeros((3, 4, 3))}, r"edges must have shape \[2, ...\] .* got \(3, 4, 3\)"),
    "edge_value": ({"edge_value": jnp.zeros((1, 4, 3))}, r"edge_value must have shape \[2, ...\] .* got \(1, 4, 3\)"),
    "dense edges": ({"layout": tgnn.Causal(5), "edges": X}, r"edges must have shape \[5, 5, ...\] .* got \(5, 4, 3\)"),
    "scale": ({"scale": jnp.ones((2, 1))}, r"scale must be a number or one per head, \[4\], got shape \(2, 1\)"),
    "dropout_rate": ({"dropout_rate": 1.0}, r"dropout_rate must be in \[0, 1\), got 1.0"),
    "rng": ({"dropout_rate": 0.5}, "dropout_rate is 0.5 but rng is None"),
    "implementation": (
        {"implementation": "fast"},
        'implementation must be None, "definition" or "fused", got \'fast\'',
    ),
    "layout": ({"layout": [(0, 1)]}, "layout must be a tgnn layout or a jraph.GraphsTuple, got list"),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_bad_calls(case):
    changes, message = BAD_CALLS[case]
    operands = {"layout": EDGES, "query": X, "key": X, "value": X} | changes
    with pytest.raises(ValueError, match=message):
        tgnn.attend(**operands)


def test_arguments_in_another_order_are_told_before_jax_sees_them():
    for call in (lambda: tgnn.attend(X, X, X, EDGES), lambda: tgnn.attention_weights(X, X, EDGES)):
        with pytest.raises(ValueError, match="layout must be a tgnn layout .* it is the first argument"):
            call()


def test_bad_sizes_and_segments():
    for make, message in (
        (lambda: tgnn.Complete(-1), "n_receivers must be an integer of at least 0, got -1"),
        (lambda: tgnn.Causal(2.0), "n must be an integer known before jit"),
        (lambda: tgnn.Window(3, -1, 0), "left must be an integer of at least 0"),
        (lambda: tgnn.Window(3, 1, 0, dilation=0), "dilation must be an integer of at least 1"),
        (lambda: tgnn.Complete(3).with_segments([0, 0]), r"receiver_segments must be integers of shape \[3\]"),
        (lambda: tgnn.Complete(3).with_segments([0.0, 0.0, 1.0]), "receiver_segments must be integers"),
        (lambda: tgnn.Complete(3, 2).with_segments([0, 0, 1]), "sender_segments is missing"),
        (lambda: tgnn.Blocks.from_edges([0, 0], [1, 1], n_receivers=2), "edge 0 -> 1 stands 2 times"),
        (lambda: tgnn.RowWindows.from_edges([0, 0], [1, 1], n_receivers=2), "edge 0 -> 1 stands 2 times"),
        (lambda: tgnn.degrees(EDGES, of="nodes"), "of must be"),
        (lambda: tgnn.aggregate(EDGES, X, "median"), "reduction must be one of"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


def test_traced_indices_are_refused_with_a_remedy():
    def build(senders):
        return tgnn.EdgeList.from_edges(senders, senders, n_receivers=3).senders

    with pytest.raises(ValueError, match="EdgeList.from_graph"):
        jax.jit(build)(jnp.arange(3))


def test_a_graph_with_float_indices_is_refused():
    g = jraph.GraphsTuple(X, None, jnp.zeros(2), jnp.zeros(2), None, jnp.array([5]), jnp.array([2]))
    with pytest.raises(ValueError, match="graph.senders must be an integer array"):
        tgnn.attend(g, X, X, X)


@pytest.mark.parametrize("n, m", [(0, 0), (0, 3), (3, 0)])
def test_empty_graphs_give_the_defined_result(n, m):
    query, key = jnp.ones((n, 2, 3)), jnp.ones((m, 2, 3))

    @jax.jit
    def both(layout, query, key):
        output, pullback = jax.vjp(lambda q, k: tgnn.attend(layout, q, k, k), query, key)
        return output, pullback(jnp.ones_like(output))

    for layout in (
        tgnn.EdgeList.from_edges([], [], n_receivers=n, n_senders=m),
        tgnn.EdgeList.from_edges([], [], n_receivers=n, n_senders=m, pad_to=5),
        tgnn.Complete(n, m),
        tgnn.Causal(n, m),
        tgnn.Dense(jnp.zeros((n, m), bool)),
        tgnn.Window(n, 1, 1, n_senders=m),
        tgnn.Neighbors.from_edges([], [], n_receivers=n, n_senders=m),
        tgnn.Neighbors.from_edges([], [], n_receivers=n, n_senders=m, pad_to=2),
        tgnn.Blocks.from_edges([], [], n_receivers=n, n_senders=m),
        tgnn.Blocks.from_edges([], [], n_receivers=n, n_senders=m, pad_to=2),
        tgnn.RowWindows.from_edges([], [], n_receivers=n, n_senders=m, pad_to=2),
    ):
        output, slopes = both(layout, query, key)
        np.testing.assert_array_equal(output, np.zeros((n, 2, 3)))
        assert not any(slope.any() for slope in slopes)


def test_features_of_another_number_of_nodes():
    from tgnn.models import gcn, init_gcn

    params = init_gcn(jax.random.key(0), (3, 2))
    for run in (lambda x: tgnn.aggregate(EDGES, x), lambda x: gcn(params, EDGES, x)):
        for x in (X[:3, 0], jnp.zeros((7, 3))):
            with pytest.raises(ValueError, match="x has shape .* 5 senders"):
                run(x)
    for x in (X, jnp.float32(1)):
        with pytest.raises(ValueError, match=r"x must have shape \[n, features\]"):
            gcn(params, EDGES, x)
    with pytest.raises(ValueError, match=r"edges must have shape \[2, ...\]"):
        tgnn.aggregate(EDGES, X[:, 0], edges=jnp.zeros((3, 3)))


def test_masks_that_are_not_bool():
    index = jnp.arange(2)
    for make in (
        tgnn.Dense,
        lambda mask: tgnn.EdgeList(index, index, 2, 2, mask),
        lambda mask: tgnn.Neighbors(index[:, None], 2, mask),
        lambda mask: tgnn.Blocks(index, index, mask, 2, 2),
        lambda mask: tgnn.RowWindows(index[:, None], index, index, index[:, None], mask, 2),
    ):
        for mask in (jnp.array([[0, 2], [1, 0]]), np.eye(2)):
            with pytest.raises(ValueError, match=r"mask must be bool \(True = edge\), got .*; pass mask != 0"):
                make(mask)


def test_segments_of_one_side_only():
    with pytest.raises(ValueError, match="sender_segments is missing; pass both, or use with_segments"):
        tgnn.Complete(4, receiver_segments=jnp.zeros(4, int))


def test_several_graphs_at_once_outside_of_vmap():
    """A stack, or a mask for each head, would broadcast against the nodes."""
    stacked = tgnn.stack([tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)] * 2)
    heads = tgnn.Dense(jnp.ones((3, 3, 3), bool))
    x = jnp.ones((3, 3, 2))
    for layout in (stacked, heads):
        with pytest.raises(ValueError, match="give several, or one for each head, to jax.vmap"):
            tgnn.attend(layout, x, x, x)
        with pytest.raises(ValueError, match="give several, or one for each head, to jax.vmap"):
            tgnn.degrees(layout)
    each = jax.vmap(tgnn.attend)(heads, *(jnp.moveaxis(x, 1, 0)[:, :, None],) * 3)
    assert each.shape == (3, 3, 1, 2)


def test_scores_and_biases_of_another_shape():
    class Summed(tgnn.Score):
        def pair(self, receiver, sender, edge=None):
            return (receiver * sender).sum((-1, -2))

    x = jnp.ones((3, 2, 4))
    for layout in (tgnn.Complete(3), tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)):
        with pytest.raises(ValueError, match="score gave logits of shape"):
            tgnn.attend(layout, x, x, x, score=Summed(), implementation="definition")
        with pytest.raises(ValueError, match=r"bias\(i, j\) must give one number per head, shape \(2,\), got \(\)"):
            tgnn.attend(layout, x, x, x, bias=lambda i, j: 1.0 * (i - j), implementation="definition")


def test_arrays_of_words_are_refused_by_name_wherever_they_come_in():
    graph, x, words = tgnn.EdgeList.from_edges([0, 1], [1, 0], n_receivers=2), jnp.ones((2, 1, 3)), np.array(["a", "b"])
    params = models.init_gat(jax.random.key(0), (3, 2), num_heads=1, edge_dim=1)
    calls = {
        "query": lambda: tgnn.attend(graph, words.reshape(2, 1, 1), x, x),
        "bias": lambda: tgnn.attend(graph, x, x, x, bias=words[:, None]),
        "edges": lambda: tgnn.attend(graph, x, x, x, edges=words[:, None]),
        "x": lambda: models.gat(params, graph, words[:, None], edges=jnp.ones((2, 1))),
    }
    calls |= {"edges of gat": lambda: models.gat(params, graph, x[:, 0], edges=words[:, None])}
    calls |= {"edges of loops": lambda: tgnn.self_loops(graph, words)}
    for name, call in calls.items():
        with pytest.raises(ValueError, match=f"{name.split()[0]} must be numbers, got <U1"):
            call()


def test_one_number_for_each_edge_is_told_where_it_belongs():
    graph, x = tgnn.EdgeList.from_edges([0, 1, 1], [1, 0, 1], n_receivers=2), jnp.ones((2, 2, 4))
    with pytest.raises(ValueError, match=r"bias must have shape \(3, 2\) .* got \(3,\); use bias\[..., None\]"):
        tgnn.attend(graph, x, x, x, bias=jnp.ones(3))
    with pytest.raises(ValueError, match="one number for each edge is a bias"):
        tgnn.attend(graph, x, x, x, edges=jnp.ones((3, 1)))
    with pytest.raises(ValueError, match="give a row for each of its edges"):
        tgnn.attend(graph, x, x, x, bias=jnp.ones((4, 2)))
