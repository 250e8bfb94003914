"""A convolution is attention with one head for each offset (Cordonnier et al., arXiv:1911.03584, theorem 1)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tgnn.graphs import Complete, EdgeList
from tgnn.nn.grids import QuadraticBias, attention_from_convolution
from tgnn.nn.multi_head import multi_head_attention

HEIGHT, WIDTH, IN, OUT = 5, 7, 2, 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(HEIGHT, WIDTH, IN)).astype(np.float32)
KERNELS = {
    "3x3": RNG.normal(size=(3, 3, IN, OUT)).astype(np.float32),
    "2x4": RNG.normal(size=(2, 4, IN, OUT)).astype(np.float32),
    "narrowing": RNG.normal(size=(3, 3, IN, 1)).astype(np.float32),
}
KERNEL = KERNELS["3x3"]


def convolution(kernel, x=X, padding="SAME"):
    """[rows, columns, out_dim], by JAX's own convolution."""
    axes = {"dimension_numbers": ("NHWC", "HWIO", "NHWC")}
    return np.asarray(jax.lax.conv_general_dilated(x[None], kernel, (1, 1), padding, **axes)[0])


def attention(kernel, graph, sharpness, border=0, x=X):
    """The same by heads, as a picture."""
    params, bias = attention_from_convolution(kernel, WIDTH, border=border, sharpness=sharpness)
    senders = jnp.pad(x, ((border, border), (border, border), (0, 0))).reshape(-1, IN)
    output = jax.jit(multi_head_attention)(params, graph, x.reshape(-1, IN), senders, bias=bias)
    return np.asarray(output).reshape(*x.shape[:2], -1)


def complete(border=0):
    return Complete(HEIGHT * WIDTH, (HEIGHT + 2 * border) * (WIDTH + 2 * border))


def neighbours(rows=3, columns=3):
    """Edges to each pixel from those that a kernel of this size reaches and that exist."""
    pixel = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    edges = []
    for down in range(-((rows - 1) // 2), rows // 2 + 1):
        for right in range(-((columns - 1) // 2), columns // 2 + 1):
            here = np.s_[max(-down, 0) : HEIGHT - max(down, 0), max(-right, 0) : WIDTH - max(right, 0)]
            there = np.s_[max(down, 0) : HEIGHT + min(down, 0), max(right, 0) : WIDTH + min(right, 0)]
            edges.append(np.stack([pixel[there].ravel(), pixel[here].ravel()]))
    senders, receivers = np.concatenate(edges, axis=1)
    return EdgeList.from_edges(senders, receivers, n_receivers=pixel.size)


def bound(kernel, sharpness):
    """How far attention of all pixels can be from the convolution: exponential in the sharpness."""
    line = np.exp(-sharpness * np.arange(-9, 10) ** 2.0).sum()
    return 2 * np.abs(X).max() * np.abs(kernel).sum() * (line**2 - 1)


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n == "2x4" else pytest.mark.slow) for n in KERNELS])
def test_a_convolution_is_attention_among_the_neighbours_of_a_kernel(name):
    """One edge for each head, and no edge beyond the picture: exact, zero padding included."""
    kernel = KERNELS[name]
    found = attention(kernel, neighbours(*kernel.shape[:2]), np.inf)
    np.testing.assert_allclose(found, convolution(kernel), atol=1e-5)


def test_so_it_is_among_all_pixels():
    np.testing.assert_allclose(attention(KERNEL, complete(), np.inf), convolution(KERNEL), atol=1e-5)


@pytest.mark.slow
def test_with_a_border_of_zeros_sharp_scores_are_the_convolution_with_zero_padding():
    found = attention(KERNEL, complete(border=1), 40.0, border=1)
    np.testing.assert_allclose(found, convolution(KERNEL), atol=1e-5)


@pytest.mark.slow
def test_without_a_border_the_edge_is_repeated_and_the_interior_is_that_of_zero_padding():
    found = attention(KERNEL, complete(), 40.0)
    repeated = convolution(KERNEL, np.pad(X, ((1, 1), (1, 1), (0, 0)), mode="edge"), "VALID")
    np.testing.assert_allclose(found, repeated, atol=1e-5)
    inside = np.s_[1:-1, 1:-1]
    np.testing.assert_allclose(found[inside], convolution(KERNEL)[inside], atol=1e-5)
    assert np.abs(found - convolution(KERNEL)).max() > 0.1  # at the edge they differ


@pytest.mark.slow
@pytest.mark.parametrize("where", ["all", "neighbours"])
def test_the_error_falls_exponentially_with_the_sharpness(where):
    """By e for each unit, below the bound; four neighbours are one step away."""
    border = 1 if where == "all" else 0
    graph, inside = (complete(border), np.s_[:]) if where == "all" else (neighbours(), np.s_[1:-1, 1:-1])
    sharpness = np.arange(1.0, 11.0)
    expected = convolution(KERNEL)[inside]
    errors = np.array([np.abs(attention(KERNEL, graph, s, border)[inside] - expected).max() for s in sharpness])
    assert (errors < [bound(KERNEL, s) for s in sharpness]).all()
    np.testing.assert_allclose(errors[4:-1] / errors[5:], np.e, rtol=0.05)


def test_a_layer_learns_offsets_and_sharpness():
    def loss(bias):
        params, _ = attention_from_convolution(KERNEL, WIDTH)
        x = jnp.asarray(X).reshape(-1, IN)
        return jnp.square(multi_head_attention(params, complete(), x, bias=bias)).sum()

    _, bias = attention_from_convolution(KERNEL, WIDTH, sharpness=1.0)
    gradient = jax.jit(jax.grad(loss))(bias)
    assert np.isfinite(gradient.offsets).all() and float(jnp.abs(gradient.offsets).min()) > 0
    assert np.isfinite(gradient.sharpness) and float(gradient.sharpness) != 0


def test_pixels_are_counted_in_any_type():
    bias = QuadraticBias(jnp.array([[0.0, 1.0], [-1.0, 0.0]]), 1.0, width=200)
    far = bias(jnp.uint8(250), jnp.uint8(255))  # both in the second row, five columns apart
    np.testing.assert_allclose(far, [-16.0, -26.0])


def test_a_kernel_of_other_axes_is_refused():
    with pytest.raises(ValueError, match=r"kernel must have shape \[rows, columns, in_dim, out_dim\], got \(3, 3\)"):
        attention_from_convolution(jnp.ones((3, 3)), 5)
    with pytest.raises(ValueError, match="kernel must be floating point"):
        attention_from_convolution(jnp.ones((3, 3, 1, 1), int), 5)
    with pytest.raises(ValueError, match="width"):
        attention_from_convolution(jnp.ones((3, 3, 1, 1)), 0)
