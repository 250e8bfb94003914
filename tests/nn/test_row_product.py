"""The product of rows and a kernel: JAX's own, in all derivatives and batches, and one matrix product under vmap."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.support.calls import close
from tgnn.nn import linear
from tgnn.nn.row_product import row_product

SHAPES = [((5, 7), (7, 3), 1), ((5, 2, 3), (2, 3, 4), 2), ((7,), (7, 2, 3), 1), ((3, 5, 7), (7, 1), 1)]


def same(found, expected, tolerance):
    jax.tree.map(lambda one, other: close(one, other, tolerance), found, expected)


def both(x_shape, kernel_shape, dtype=jnp.float32):
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.normal(size=x_shape), dtype), jnp.asarray(rng.normal(size=kernel_shape), dtype)


def theirs(in_axes):
    return lambda x, kernel: jnp.tensordot(x, kernel, in_axes)


def ours(in_axes):
    return lambda x, kernel: row_product(x, kernel, in_axes)


@pytest.mark.parametrize(("x_shape", "kernel_shape", "in_axes"), SHAPES)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_it_is_the_contraction_and_keeps_the_dtype(x_shape, kernel_shape, in_axes, dtype):
    x, kernel = both(x_shape, kernel_shape, dtype)
    found, expected = ours(in_axes)(x, kernel), theirs(in_axes)(x, kernel)
    assert found.dtype == dtype and found.shape == expected.shape
    close(found.astype(jnp.float32), expected.astype(jnp.float32), 1e-6 if dtype == jnp.float32 else 2e-2)


@pytest.mark.parametrize(("x_shape", "kernel_shape", "in_axes"), SHAPES)
def test_all_derivatives_are_those_of_the_contraction(x_shape, kernel_shape, in_axes):
    x, kernel = both(x_shape, kernel_shape)

    def of(product):
        def loss(x, kernel):
            return (jnp.sin(product(x, kernel)) ** 2).sum()

        first = jax.grad(loss, (0, 1))
        again = jax.grad(lambda x, kernel: sum((part**2).sum() for part in first(x, kernel)), (0, 1))
        forward = jax.jvp(product, (x, kernel), (x + 1, kernel - 1))
        return first(x, kernel), again(x, kernel), forward

    same(of(ours(in_axes)), of(theirs(in_axes)), 2e-5)


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0), (1, None), (None, 1), (1, 2), (-1, -1)])
def test_batches_of_either_side_are_those_of_the_contraction(axes):
    def batch(x, axis):
        return x if axis is None else jnp.stack([x, 2 * x, x - 1], axis)

    x, kernel = both((5, 2, 3), (2, 3, 4))
    x, kernel = batch(x, axes[0]), batch(kernel, axes[1])

    def of(product):
        together = jax.vmap(product, axes)
        loss = jax.grad(lambda x, kernel: (together(x, kernel) ** 2).sum(), (0, 1))
        each = jax.vmap(jax.grad(lambda x, kernel: (product(x, kernel) ** 2).sum(), (0, 1)), axes)
        return together(x, kernel), loss(x, kernel), each(x, kernel)

    same(of(ours(2)), of(theirs(2)), 2e-5)


def test_two_batches_are_those_of_the_contraction():
    x, kernel = both((3, 2, 5, 7), (2, 7, 4))

    def of(product):
        return jax.vmap(jax.vmap(product), (0, None))(x, kernel)

    same(of(ours(1)), of(theirs(1)), 1e-6)


def test_under_vmap_the_kernels_gradient_is_one_product_of_matrices():
    x, kernel = both((4, 5, 7), (7, 3))
    program = jax.jit(jax.grad(lambda kernel: (jax.vmap(lambda x: row_product(x, kernel))(x) ** 2).sum()))
    text = program.lower(kernel).as_text()
    # the only tensor of three axes is x, and its rows are joined before anything is multiplied
    products = [line for line in text.splitlines() if "dot_general" in line]
    assert products and all(line.count("x") and "4x5" not in line and "20x" in line for line in products)


@pytest.mark.parametrize(("x_shape", "kernel_shape"), [((0, 7), (7, 3)), ((5, 0), (0, 3)), ((5, 7), (7, 0))])
def test_nothing_gives_zeros_and_zero_gradients(x_shape, kernel_shape):
    x, kernel = both(x_shape, kernel_shape)
    close(row_product(x, kernel), jnp.zeros((x_shape[0], kernel_shape[1])), 0)
    close(jax.grad(lambda kernel: row_product(x, kernel).sum())(kernel), jnp.zeros(kernel_shape), 0)


def test_other_sizes_are_an_error():
    with pytest.raises(ValueError, match="its last 1 axes must be"):
        linear({"kernel": jnp.ones((6, 3))}, jnp.ones((5, 7)))
