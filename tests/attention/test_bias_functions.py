"""A bias that is a function may read arrays from outside: values and gradients are those of an array of its numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.calls import close
from tgnn import sharding

rng = np.random.default_rng(0)
HEADS, DIM = 2, 4
SLOPES = jnp.array([0.3, -0.2])
LAYOUTS = {
    "complete": tgnn.Complete(5, 7),
    "causal": tgnn.Causal(67),  # in tiles, where nothing says otherwise
    "window": tgnn.patterns.window(29, 3),
    "edges": tgnn.EdgeList.from_edges(rng.integers(0, 5, 31), rng.integers(0, 7, 31), n_receivers=7, n_senders=5),
    "no edges": tgnn.EdgeList.from_edges([], [], n_receivers=3, n_senders=2),
}
IMPLEMENTATIONS = [None, "definition", "fused"]


def operands(layout):
    keys = jax.random.split(jax.random.key(1), 3)
    sizes = layout.n_receivers, layout.n_senders, layout.n_senders
    return [jax.random.normal(key, (n, HEADS, DIM)) for key, n in zip(keys, sizes, strict=True)]


def by_function(layout, slopes, implementation):
    output = tgnn.attend(
        layout,
        *operands(layout),
        bias=lambda i, j: slopes * jnp.abs(i - j).astype(jnp.float32),
        implementation=implementation,
    )
    return (output * jnp.arange(output.size).reshape(output.shape)).sum() / max(output.size, 1)


def by_array(layout, slopes):
    distance = jnp.broadcast_to(jnp.abs(layout.receiver_index - layout.sender_index), layout.edge_shape).astype(
        jnp.float32
    )
    bias = layout.from_slots(jnp.stack([slope * distance for slope in slopes], -1))
    output = tgnn.attend(layout, *operands(layout), bias=bias, implementation="definition")
    return (output * jnp.arange(output.size).reshape(output.shape)).sum() / max(output.size, 1)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("name", LAYOUTS)
def test_gradients_reach_what_a_function_reads(name, implementation):
    layout = LAYOUTS[name]
    found = jax.value_and_grad(lambda slopes: by_function(layout, slopes, implementation))(SLOPES)
    jitted = jax.jit(jax.value_and_grad(lambda slopes: by_function(layout, slopes, implementation)))(SLOPES)
    expected = jax.value_and_grad(lambda slopes: by_array(layout, slopes))(SLOPES)
    for got in (found, jitted):
        for one, other in zip(got, expected, strict=True):
            close(one, other, 1e-5)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_of_second_order_and_in_batches_too(implementation):
    layout = LAYOUTS["edges"]
    several = jnp.stack([SLOPES, 2 * SLOPES])
    found = jax.vmap(jax.grad(lambda slopes: by_function(layout, slopes, implementation)))(several)
    close(found, jax.vmap(jax.grad(lambda slopes: by_array(layout, slopes)))(several), 1e-5)
    found = jax.hessian(lambda slopes: by_function(layout, slopes, implementation))(SLOPES)
    close(found, jax.hessian(lambda slopes: by_array(layout, slopes))(SLOPES), 1e-5)


def test_integers_that_are_traced_may_be_read():
    layout, (query, key, value) = LAYOUTS["causal"], operands(LAYOUTS["causal"])

    def loss(query, places):
        apart = lambda i, j: SLOPES * (places[i] - places[j])  # noqa: E731
        return (tgnn.attend(layout, query, key, value, bias=apart) ** 2).sum()

    places = jnp.arange(67) ** 2
    as_usual = jax.grad(lambda query: loss(query, places))(query)
    close(jax.jit(jax.grad(loss))(query, places), as_usual, 1e-5)


def test_a_function_is_fused_without_all_logits():
    n = 2048
    x = jnp.ones((n, HEADS, DIM))

    def loss(slopes):
        return tgnn.attend(tgnn.Causal(n), x, x, x, bias=lambda i, j: slopes * (i - j)).sum()

    program = jax.jit(jax.grad(loss)).lower(SLOPES).compile()
    analysis = program.memory_analysis()
    assert analysis is not None and analysis.temp_size_in_bytes < n * n * HEADS * 4


def test_weights_on_request_and_a_mesh_read_the_same():
    layout, (query, key, value) = LAYOUTS["edges"], operands(LAYOUTS["edges"])

    def weight(slopes):
        bias = lambda i, j: slopes * (i - j)  # noqa: E731
        return tgnn.attention_weights(layout, query, key, bias=bias)[3, 1]

    def chosen(slopes):
        bias = lambda i, j: slopes * (i - j)  # noqa: E731
        return tgnn.attention_weights(layout, query, key, bias=bias, at=(jnp.array([3]), jnp.array([1])))[0]

    close(jax.grad(chosen)(SLOPES), jax.grad(weight)(SLOPES), 1e-5)
    mesh = jax.make_mesh((1,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))

    def spread(slopes):
        bias = jax.tree_util.Partial(lambda slopes, i, j: slopes * (i - j), slopes)
        return (sharding.attend_edges(layout, query, key, value, mesh=mesh, axis="x", bias=bias) ** 2).sum()

    def whole(slopes):
        return (tgnn.attend(layout, query, key, value, bias=lambda i, j: slopes * (i - j)) ** 2).sum()

    close(jax.grad(spread)(SLOPES), jax.grad(whole)(SLOPES), 1e-5)

    def unseen(slopes):
        bias = lambda i, j: slopes * (i - j)  # noqa: E731
        return (sharding.attend_edges(layout, query, key, value, mesh=mesh, axis="x", bias=bias) ** 2).sum()

    close(jax.jit(unseen)(SLOPES), whole(SLOPES), 1e-5)  # a function is read there too; its gradient needs a pytree
