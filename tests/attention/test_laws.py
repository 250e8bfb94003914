"""The laws that hold every layout together, each over every layout of `graphs.py`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

import tgnn
from tests.support.calls import SCORES, TOLERANCE, attend, attention_weights, close, gradients, inputs, oracle
from tests.support.layouts import COUNTS, EVERY, LAYOUTS, check_edges

GRID = [
    pytest.param(dtype, *heads, marks=[] if (dtype, heads) == ("float32", (4, 2)) else pytest.mark.slow)
    for dtype in TOLERANCE
    for heads in ((1, 1), (4, 4), (4, 2))
]


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
def test_edges_are_those_that_were_counted_by_hand(name):
    layout = LAYOUTS[name]
    check_edges(layout, *layout.pairs())
    edges = layout.to_edges()
    check_edges(layout, *(np.asarray(x)[np.asarray(edges.live)] for x in (edges.senders, edges.receivers)))
    assert layout.count_edges() == COUNTS[name].sum()
    np.testing.assert_array_equal(layout.adjacency(), COUNTS[name] > 0)
    i, j = np.indices(COUNTS[name].shape)
    np.testing.assert_array_equal(layout.contains(j, i), COUNTS[name] > 0)


@EVERY
@pytest.mark.parametrize("dtype, heads, key_heads", GRID)
def test_every_layout_equals_the_float64_loop(layout, dtype, heads, key_heads):
    operands = inputs(layout, heads, key_heads, dtype)
    expected, _ = oracle(layout, *operands)
    actual = attend(layout, *operands)
    assert actual.dtype == dtype
    close(actual.astype(jnp.float32), expected, TOLERANCE[dtype])


@pytest.mark.slow
@EVERY
@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
def test_gradients_equal_those_of_the_edge_list(layout, dtype):
    operands = inputs(layout, dtype=dtype)
    expected = gradients(layout.to_edges(), *(x.astype(jnp.float32) for x in operands))
    for mine, theirs in zip(gradients(layout, *operands), expected, strict=True):
        close(mine.astype(jnp.float32), theirs, 4 * TOLERANCE[dtype])


@EVERY
@pytest.mark.slow
def test_second_order_gradients_equal_those_of_the_edge_list(layout):
    operands = inputs(layout)

    def curvature(layout):  # a Hessian-vector product, reverse over reverse
        def slope(*operands):
            loss = lambda *xs: (jnp.sin(tgnn.attend(layout, *xs)) ** 2).sum()  # noqa: E731
            return sum(
                (g * jnp.cos(x)).sum() for g, x in zip(jax.grad(loss, (0, 1, 2))(*operands), operands, strict=True)
            )

        return jax.jit(jax.grad(slope, (0, 1, 2)))(*operands)

    for mine, theirs in zip(curvature(layout), curvature(layout.to_edges()), strict=True):
        close(mine, theirs, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["edges padded", "causal segments", "window dilated", "blocks", "neighbors"])
def test_gradients_equal_finite_differences_in_float64(name):
    layout = LAYOUTS[name]
    with jax.enable_x64(True):
        operands = [np.asarray(x, np.float64) for x in inputs(layout)]
        attend = jax.jit(lambda *xs: tgnn.attend(layout, *xs, implementation="definition"))
        check_grads(attend, operands, order=2, modes=("fwd", "rev"), atol=1e-4, rtol=1e-4)


@pytest.mark.slow
@EVERY
@pytest.mark.parametrize("score", SCORES)
def test_every_score_runs_on_every_layout(layout, score):
    query, key, value = inputs(layout, 2, 2)
    score = SCORES[score](np.random.default_rng(3), 2, 5)
    edges = layout.to_edges()
    (mine, output), (theirs, expected) = (gradients_of_score(x, query, key, value, score) for x in (layout, edges))
    close(output, expected, 2e-6)
    jax.tree.map(lambda a, b: close(a, b, 1e-5), mine, theirs)


@jax.jit
def gradients_of_score(layout, query, key, value, score):
    def loss(score):
        output = attend(layout, query, key, value, score=score)
        return (output**2).sum(), output

    return jax.grad(loss, has_aux=True)(score)


@EVERY
def test_weights_are_stochastic(layout):
    query, key, value = inputs(layout)
    ones = jnp.ones_like(value)
    edges = layout.to_edges()
    has_neighbour = np.bincount(np.asarray(edges.receivers)[np.asarray(edges.live)], minlength=layout.n_receivers) > 0
    total = attend(layout, query, key, ones)
    close(total, np.broadcast_to(has_neighbour[:, None, None], total.shape), 1e-6)
    weights = attention_weights(layout, query, key)
    assert weights.shape == (*layout.edge_shape, 4) and (weights >= 0).all()
    assert (attend(layout, query, key, value)[~has_neighbour] == 0).all()


@EVERY
def test_weights_equal_the_float64_loop(layout):
    query, key, value = inputs(layout)
    _, expected = oracle(layout, query, key, value)
    edges = layout.to_edges()
    arranged = layout.arrange(jnp.asarray(expected), edges.to_caller(edges.senders), edges.to_caller(edges.receivers))
    close(attention_weights(layout, query, key), arranged, 2e-6)


@pytest.mark.slow
@EVERY
def test_bias_of_an_edge_is_added_to_its_logit(layout):
    query, key, value = inputs(layout)
    edges = layout.to_edges()
    values = np.random.default_rng(5).normal(size=(edges.n_edge, 4)).astype("f4")
    values[::5] = -np.inf  # no edge
    values = jnp.asarray(values)

    senders, receivers = edges.to_caller(edges.senders), edges.to_caller(edges.receivers)

    def slope_and_output(layout):
        def loss(values):
            bias = layout.arrange(values, senders, receivers)
            output = attend(layout, query, key, value, bias=bias, scale=0.3)
            return (output**2).sum(), output

        return jax.jit(jax.grad(loss, has_aux=True))(values)

    (mine, output), (theirs, _) = slope_and_output(layout), slope_and_output(edges)
    expected, _ = oracle(layout, query, key, value, bias=np.asarray(values), scale=0.3)
    close(output, expected, 2e-6)
    assert jnp.isfinite(mine).all()
    close(mine, theirs, 1e-5)


@pytest.mark.slow
@EVERY
def test_a_callable_bias_equals_its_array(layout):
    query, key, value = inputs(layout)
    bias = jax.tree_util.Partial(lambda slope, i, j: slope * jnp.abs(i - j), jnp.asarray([0.1, 0.2, -0.3, 0.4]))
    receivers, senders = (jnp.broadcast_to(x, layout.edge_shape) for x in (layout.receiver_index, layout.sender_index))
    array = layout.to_caller(
        jnp.abs(receivers - senders)[..., None] * bias.args[0].reshape((1,) * receivers.ndim + (4,))
    )
    close(attend(layout, query, key, value, bias=bias), attend(layout, query, key, value, bias=array), 1e-6)
    close(attend(layout, query, key, value, bias=bias), attend(layout.to_edges(), query, key, value, bias=bias), 2e-6)


@pytest.mark.slow
@EVERY
def test_every_layout_drops_the_same_edges(layout):
    query, key, value = inputs(layout)
    run = lambda layout: attend(layout, query, key, value, dropout_rate=0.4, rng=jax.random.key(7))  # noqa: E731
    close(run(layout), run(layout.to_edges()), 2e-6)
    assert not np.allclose(run(layout), attend(layout, query, key, value))


@pytest.mark.slow
@EVERY
def test_edge_values_are_added_to_the_senders_values(layout):
    query, key, value = inputs(layout)
    edges = layout.to_edges()
    messages = np.random.default_rng(9).normal(size=(edges.n_edge, 4, 3)).astype("f4")
    arranged = layout.arrange(jnp.asarray(messages), edges.to_caller(edges.senders), edges.to_caller(edges.receivers))
    expected, _ = oracle(layout, query, key, value, edge_value=messages)
    close(attend(layout, query, key, value, edge_value=arranged), expected, 4e-6)


@EVERY
def test_output_is_linear_in_value_and_blind_to_shifts_of_the_logits(layout):
    query, key, value = inputs(layout)
    other = jnp.sin(value)
    run = lambda value, **kwargs: attend(layout, query, key, value, **kwargs)  # noqa: E731
    close(run(2 * value - 3 * other), 2 * run(value) - 3 * run(other), 4e-6)
    shift = jax.tree_util.Partial(
        lambda per_receiver, i, j: per_receiver[i], jnp.linspace(-9, 9, 4 * 97).reshape(97, 4)
    )
    close(run(value, bias=shift), run(value), 1e-5)


@pytest.mark.slow
@EVERY
def test_layouts_are_transparent_to_vmap_scan_and_trees(layout):
    query, key, value = inputs(layout)
    expected = attend(layout, query, key, value)
    pair = tgnn.stack([layout, layout])

    @jax.jit
    def every_way(layout, pair, query):
        yield_one = lambda carry, x: (carry, tgnn.attend(x, query, key, value))  # noqa: E731
        return (
            jax.vmap(tgnn.attend, (0, None, None, None), axis_size=2)(pair, query, key, value),
            jax.vmap(tgnn.attend, (None, 0, None, None))(layout, jnp.stack([query, query]), key, value),
            jax.lax.scan(yield_one, 0, pair, length=2)[1],  # a layout by a rule may have no array to map over
        )

    for outputs in every_way(layout, pair, query):
        close(outputs, jnp.stack([expected, expected]), 1e-6)
    again = jax.tree.map(lambda x: x, layout)
    assert jax.tree.structure(again) == jax.tree.structure(layout)
    close(attend(again, query, key, value), expected, 1e-6)


@EVERY
def test_adjacency_is_that_of_the_edges(layout):
    counted = np.asarray(tgnn.to_scipy(layout).todense())
    adjacency, into, out = jax.jit(lambda x: (x.adjacency(), tgnn.degrees(x), tgnn.degrees(x, of="senders")))(layout)
    np.testing.assert_array_equal(adjacency, counted > 0)
    np.testing.assert_array_equal(into, counted.sum(1))
    np.testing.assert_array_equal(out, counted.sum(0))


@pytest.mark.slow
@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_output_follows_a_permutation_of_nodes_and_edges(seed):
    rng = np.random.default_rng(seed)
    senders, receivers = rng.integers(0, 11, 47), rng.integers(0, 7, 47)
    query, key, value = rng.normal(size=(7, 2, 3)), rng.normal(size=(11, 2, 3)), rng.normal(size=(11, 2, 5))
    query, key, value = (x.astype("f4") for x in (query, key, value))
    nodes_in, nodes_out, shuffle = rng.permutation(7), rng.permutation(11), rng.permutation(47)
    layout = tgnn.EdgeList.from_edges(senders, receivers, n_receivers=7, n_senders=11)
    moved = tgnn.EdgeList.from_edges(
        np.argsort(nodes_out)[senders[shuffle]], np.argsort(nodes_in)[receivers[shuffle]], n_receivers=7, n_senders=11
    )
    expected = attend(layout, query, key, value)[nodes_in]
    close(attend(moved, query[nodes_in], key[nodes_out], value[nodes_out]), expected, 2e-6)


@pytest.mark.slow
@settings(max_examples=8)
@given(
    st.integers(0, 30), st.integers(0, 30), st.integers(0, 5), st.integers(0, 5), st.integers(1, 4), st.integers(-9, 9)
)
def test_a_window_is_its_dense_mask(n, n_senders, left, right, dilation, offset):
    layout = tgnn.Window(n, left, right, dilation=dilation, n_senders=n_senders, offset=offset)
    steps = np.arange(n_senders)[None, :] - np.arange(n)[:, None] - offset
    mask = (steps >= -left * dilation) & (steps <= right * dilation) & (steps % dilation == 0)
    np.testing.assert_array_equal(layout.adjacency(), mask)
