"""Rollout is the product of the layers' matrices, flow is NetworkX's maximum flow, on any layout."""

import jax
import jax.numpy as jnp
import networkx
import numpy as np
import pytest

import tgnn
from tgnn.analysis import flow, rollout
from tgnn.attention.scores import Additive

N = 5


def matrices(layouts, weights, residual):
    """Each layer as a float64 matrix whose rows sum to 1, but where nothing arrives."""
    for layout, values in zip(layouts, weights, strict=True):
        matrix = np.zeros((layout.n_receivers, layout.n_senders))
        values = np.asarray(values, np.float64)
        values = values if values.ndim == len(layout.edge_shape) else values.mean(-1)
        live = layout.on_edges(layout.live)
        ends = [layout.on_edges(x)[live] for x in (layout.receiver_index, layout.sender_index)]
        np.add.at(matrix, tuple(ends), values[live])
        if residual:
            matrix = residual * np.eye(layout.n_receivers) + (1 - residual) * matrix
        total = matrix.sum(1, keepdims=True)
        yield matrix / np.where(total > 0, total, 1)


def edge_list(seed, n=N, count=9):
    """Random edges, some of them doubled."""
    senders, receivers = np.random.default_rng(seed).integers(0, n, (2, count))
    return tgnn.EdgeList.from_edges(senders, receivers, n_receivers=n)


LAYOUTS = [edge_list(0), tgnn.Complete(N), tgnn.Window(N, 1, 1), edge_list(1), tgnn.Causal(N)]


def weights_of(layouts, heads=2):
    """What a GAT's additive score says of random nodes."""
    x = jax.random.normal(jax.random.key(3), (N, heads, 4))
    vectors = jax.random.normal(jax.random.key(4), (2, heads, 4))
    return [tgnn.attention_weights(layout, x, x, score=Additive(*vectors)) for layout in layouts]


@pytest.fixture(scope="module")
def weights():
    return weights_of(LAYOUTS)


@pytest.mark.slow
@pytest.mark.parametrize("residual", [0.5, 0.0])
def test_rollout_is_the_product_of_the_layers(weights, residual):
    expected = np.eye(N)
    for matrix in matrices(LAYOUTS, weights, residual):
        expected = matrix @ expected
    np.testing.assert_allclose(rollout(LAYOUTS, weights, residual=residual), expected, atol=1e-6)
    some = rollout(LAYOUTS, weights, senders=np.array([3, 1], np.int8), residual=residual)
    np.testing.assert_allclose(some, expected[:, [3, 1]], atol=1e-6)


@pytest.mark.slow
def test_flow_is_the_maximum_flow_of_networkx(weights):
    layouts, weights = LAYOUTS[:3], weights[:3]
    graph = networkx.DiGraph()
    for i, matrix in enumerate(matrices(layouts, weights, 0.5)):
        for receiver, sender in zip(*np.nonzero(matrix), strict=True):
            graph.add_edge((i + 1, receiver), (i, sender), capacity=matrix[receiver, sender])
    found = flow(layouts, weights, receivers=[4, 0])
    for row, receiver in enumerate((4, 0)):
        for sender in range(N):
            graph.add_node((0, sender))
            expected = networkx.maximum_flow_value(graph, (3, receiver), (0, sender))
            assert abs(found[row, sender] - expected) < 1e-6


def test_layers_between_other_nodes_need_no_residual():
    pooling = tgnn.Complete(1, N)
    layers = [tgnn.Complete(N), pooling], [jnp.full((N, N), 1 / N), jnp.full((1, N), 1 / N)]
    np.testing.assert_allclose(rollout(*layers, residual=0), np.full((1, N), 1 / N), atol=1e-6)
    np.testing.assert_allclose(flow(*layers, residual=0), np.ones((1, N)), atol=1e-6)
    with pytest.raises(ValueError, match="layer 1 joins 1 receivers and 5 senders"):
        rollout(*layers)


def test_nodes_without_edges_keep_what_they_have():
    nothing = tgnn.EdgeList.from_edges([], [], n_receivers=2)
    np.testing.assert_array_equal(rollout(nothing, [jnp.zeros((0, 3))]), np.eye(2))
    np.testing.assert_array_equal(flow(nothing, [jnp.zeros(0)]), np.eye(2))
    np.testing.assert_array_equal(rollout(nothing, [jnp.zeros(0)], residual=0), np.zeros((2, 2)))


@pytest.mark.slow
def test_rollout_of_dead_edges_and_its_gradient_are_finite():
    padded = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3, pad_to=4)
    values = jnp.array([1.0, 1.0, jnp.nan, jnp.inf])
    expected = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]
    run = jax.jit(lambda layout, x: rollout(layout, [x]))
    np.testing.assert_allclose(run(padded, values), expected)
    slope = jax.grad(lambda x: rollout(padded, [x], residual=0.0)[1, 0])(values)
    assert jnp.isfinite(slope).all() and (slope[2:] == 0).all()


def test_a_weight_that_is_no_number_is_never_a_number():
    chain = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    found = rollout(chain, [jnp.array([jnp.nan, 1.0])])
    np.testing.assert_allclose(found, [[1.0, 0.0, 0.0], [np.nan] * 3, [0.0, 0.5, 0.5]])
    same = rollout(chain, [jnp.ones(2)], residual=np.float32(0.5)), rollout(chain, [jnp.ones(2)])
    np.testing.assert_array_equal(*same)
    for bad in (np.nan, -1.0, np.inf):
        with pytest.raises(ValueError, match=f"weights of layer 1 hold {bad}, expected finite numbers of at least 0"):
            flow(chain, [np.ones(2), np.array([1.0, bad])])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": []}, "weights are those of 0 layers"),
        ({"layouts": [tgnn.Complete(N)] * 3}, "weights are those of 2 layers and layouts are 3"),
        ({"weights": [jnp.ones((N, N)), jnp.ones((N, 4))]}, r"weights of layer 1 have shape \(5, 4\)"),
        ({"layouts": [tgnn.Complete(4), tgnn.Complete(N)], "weights": [jnp.ones((4, 4)), jnp.ones((N, N))]}, "layer 1"),
        ({"residual": 1.5}, "residual must be a share"),
        ({"senders": [0, 5]}, "senders go from 0 to 5, but there are 5"),
        ({"senders": 1}, r"senders must have shape \[k\]"),
        ({"senders": [0.5]}, "senders must be integers"),
    ],
)
def test_bad_input_is_refused(change, message):
    given = {"layouts": tgnn.Complete(N), "weights": [jnp.ones((N, N))] * 2} | change
    with pytest.raises(ValueError, match=message):
        rollout(**given)
