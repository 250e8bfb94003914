"""LightConv and DynamicConv are convolutions."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.sequence_models import (
    CONFIG,
    block_with,
    check_equal,
    check_logits,
    tokens_of,
)
from tgnn import patterns
from tgnn.models.sequences.light_conv import convolve, init_light_conv, light_conv
from tgnn.nn.basic import linear
from tgnn.nn.transformer import language_model


def depthwise(params, layout, x):
    """LightConv by JAX's own convolution: one kernel for all features of a head, zeros beyond the ends."""
    content, gate = jnp.moveaxis(linear(params["input"], x), 1, 0)
    value = content * jax.nn.sigmoid(gate)
    n, heads, head_dim = value.shape
    kernel = jax.nn.softmax(params["logits"]["bias"], axis=0)  # [width, heads]
    kernel = jnp.repeat(kernel, head_dim, axis=1)[:, None, :]
    output = jax.lax.conv_general_dilated(
        value.reshape(1, n, -1),
        kernel,
        window_strides=(1,),
        padding=[(layout.left, layout.right)],
        dimension_numbers=("NWC", "WIO", "NWC"),
        feature_group_count=heads * head_dim,
    )
    return linear(params["output"], output.reshape(n, heads, head_dim), in_axes=2)


def shifted_sums(params, layout, x):
    """DynamicConv as a sum over shifted copies, with a kernel for each node."""
    content, gate = jnp.moveaxis(linear(params["input"], x), 1, 0)
    value = content * jax.nn.sigmoid(gate)
    weights = jax.nn.softmax(linear(params["logits"], value, in_axes=2), axis=1)  # [n, width, heads]
    padded = jnp.pad(value, ((layout.left, layout.right), (0, 0), (0, 0)))
    output = sum(weights[:, t, :, None] * padded[t : t + len(x)] for t in range(weights.shape[1]))
    return linear(params["output"], output, in_axes=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "n, left, right, dynamic, check",
    [
        (13, 4, 0, False, check_logits),
        (13, 2, 2, True, check_logits),
        pytest.param(13, 2, 2, False, check_equal, marks=pytest.mark.slow),
        pytest.param(13, 2, 2, True, check_equal, marks=pytest.mark.slow),
        pytest.param(1, 4, 0, True, check_equal, marks=pytest.mark.slow),
        pytest.param(3, 6, 0, False, check_equal, marks=pytest.mark.slow),
    ],
)
def test_light_conv_is_a_depthwise_convolution(n, left, right, dynamic, check):
    params = init_light_conv(jax.random.key(3), CONFIG, left + right + 1, dynamic=dynamic)
    dense = partial(language_model, block=block_with(shifted_sums if dynamic else depthwise))
    check(light_conv, dense, params, tgnn.Window(n, left, right), tokens_of(n))


def convolved(part, x, left):
    """Both convolutions in NumPy, one node and offset after the other; offsets beyond the ends only take weight."""
    part = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), part)
    content, gate = np.moveaxis(np.einsum("nd,dghk->nghk", x, part["input"]["kernel"]), 1, 0)
    value, messages = content / (1 + np.exp(-gate)), []  # biases begin as zeros
    for node, own in enumerate(value):
        kernel = part["logits"].get("kernel")
        logits = part["logits"]["bias"] if kernel is None else np.einsum("hk,hkto->to", own, kernel)
        weights = np.exp(logits) / np.exp(logits).sum(axis=0)
        places = [(offset, node - left + offset) for offset in range(len(weights))]
        messages.append(sum(weights[t][:, None] * value[j] for t, j in places if 0 <= j < len(x)))
    return np.einsum("nhk,hkd->nd", messages, part["output"]["kernel"])


@pytest.mark.slow
@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize(
    "n, left, right", [(1, 4, 0), (2, 4, 0), (2, 0, 4), (3, 4, 0), (3, 1, 3), (13, 4, 0), (13, 2, 2)]
)
def test_a_window_cut_to_a_short_line_is_the_same_convolution(n, left, right, dynamic):
    blocks = init_light_conv(jax.random.key(3), CONFIG, 5, dynamic=dynamic)["decoder"]["blocks"]
    part = jax.tree.map(lambda leaf: leaf[1], blocks["attention"])
    x = np.random.default_rng(n).normal(size=(n, CONFIG.model_dim))
    found = jax.jit(convolve)(part, patterns.window(n, left, right), x.astype("float32"))
    np.testing.assert_allclose(found, convolved(part, x, left), atol=1e-5)


@pytest.mark.parametrize(
    "layout",
    [
        tgnn.Window(9, 3, 0),
        tgnn.Window(9, 2, 2, dilation=2),
        tgnn.Causal(9),
        tgnn.Window(9, 4, 0, offset=1),
        patterns.window(2, 2, 2),  # or of (3, 1), or of (1, 3)
    ],
)
def test_light_conv_refuses_windows_that_do_not_fit(layout):
    params = init_light_conv(jax.random.key(3), CONFIG, 5)
    with pytest.raises(ValueError, match="left \\+ right \\+ 1 = 5, the width of the kernels"):
        jax.eval_shape(lambda params: light_conv(params, layout, tokens_of(9)), params)
