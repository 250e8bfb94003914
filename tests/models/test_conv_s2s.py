"""ConvS2S is a gated convolution."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.filled import filled
from tests.support.sequence_models import CONFIG, VOCAB, check_equal, check_logits, tokens_of
from tgnn import patterns
from tgnn.graphs import Causal, Window
from tgnn.models.sequences.conv_s2s import conv_s2s, convolve_distances, init_conv_s2s, init_conv_s2s_block
from tgnn.nn.transformer import language_model


def gated(params, layout, x, memory=None, memory_layout=None, *, dropout_rate=0.0, rng=None):
    """The block by JAX's own convolution, with zeros beyond the ends."""
    part = params["convolution"]
    width, dim = part["kernel"].shape[:2]
    output = jax.lax.conv_general_dilated(
        x[None],
        part["kernel"].reshape(width, dim, 2 * dim),
        window_strides=(1,),
        padding=[(layout.left, layout.right)],
        dimension_numbers=("NWC", "WIO", "NWC"),
    )[0]
    content, gate = jnp.split(output + part["bias"].reshape(1, -1), 2, axis=1)
    return np.sqrt(0.5) * (x + content * jax.nn.sigmoid(gate))


@pytest.mark.slow
@pytest.mark.parametrize("n, left, right, check", [(13, 4, 0, check_equal), (13, 2, 2, check_logits)])
def test_conv_s2s_is_a_gated_convolution(n, left, right, check):
    params = filled(init_conv_s2s, CONFIG, width=left + right + 1)
    check(conv_s2s, partial(language_model, block=gated), params, Window(n, left, right), tokens_of(n))


@pytest.mark.parametrize("n, left, right", [(1, 4, 0), (7, 4, 0), (3, 1, 3), (2, 0, 4)])
def test_each_distance_has_its_matrix_also_where_the_line_is_short(n, left, right):
    random = np.random.default_rng(n)
    x, kernel = random.normal(size=(n, 3)), random.normal(size=(5, 3, 2))
    expected = np.zeros((n, 2))
    for receiver in range(n):
        for sender in range(max(0, receiver - left), min(n, receiver + right + 1)):
            expected[receiver] += x[sender] @ kernel[sender - receiver + left]
    params = {"kernel": jnp.asarray(kernel, jnp.float32)}
    found = jax.jit(convolve_distances)(params, patterns.window(n, left, right), x.astype(np.float32))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_conv_s2s_refuses_what_does_not_fit():
    params = jax.eval_shape(partial(init_conv_s2s, config=CONFIG, width=5), jax.random.key(0))
    for layout in (Causal(9), Window(9, 3, 0), tgnn.Window(9, 4, 0, offset=1)):
        with pytest.raises(ValueError, match="left \\+ right \\+ 1 = 5, the width of the kernels"):
            jax.eval_shape(lambda params, layout=layout: conv_s2s(params, layout, tokens_of(9)), params)
    with pytest.raises(ValueError, match="width must be an integer of at least 1, got 0"):
        init_conv_s2s(jax.random.key(0), CONFIG, 0)
    with pytest.raises(ValueError, match="cross is True"):
        init_conv_s2s_block(jax.random.key(0), CONFIG, width=2, cross=True)


def test_there_are_no_norms_and_kernels_have_the_deviation_of_the_paper():
    config = tgnn.nn.transformer.TransformerConfig(VOCAB, model_dim=32, num_layers=1, use_bias=False)
    params = jax.eval_shape(partial(init_conv_s2s, config=config, width=6), jax.random.key(0))
    assert set(params["decoder"]) == {"blocks"} and set(params["decoder"]["blocks"]) == {"convolution"}
    kernel = init_conv_s2s_block(jax.random.key(0), config, width=6)["convolution"]["kernel"]
    assert kernel.shape == (6, 32, 2, 32)
    np.testing.assert_allclose(np.asarray(kernel).std(), np.sqrt(4 / (6 * 32)), rtol=0.05)
