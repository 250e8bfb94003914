"""Adaptive spans are masks times the exponentials."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.support.filled import filled
from tests.support.sequence_models import CONFIG, ONE, SIZES, close, dense_stack, outcomes, scaled_product, tokens_of
from tgnn import patterns
from tgnn.graphs import Causal
from tgnn.models.sequences.adaptive_span import adaptive_span, head_spans, init_adaptive_span, span_loss
from tgnn.nn.block import transformer_block
from tgnn.nn.positions import rotary, sinusoidal
from tgnn.nn.transformer import language_model


@pytest.mark.slow
@pytest.mark.parametrize("n", SIZES)
def test_adaptive_span_is_a_mask_times_the_exponentials(n):
    params, tokens = filled(init_adaptive_span, ONE), tokens_of(n)
    options = {"max_span": 6.0, "ramp": 3.0}
    learned = head_spans(jax.tree.map(np.asarray, params["decoder"]["blocks"]["attention"]), 6.0)
    small = patterns.adaptive_span(n, np.asarray(learned), ramp=3.0)

    def exponentials(part, query, rows):
        distance = (np.arange(n)[:, None] - np.arange(n)[None, :])[..., None]
        mask = jnp.clip((3.0 + 6.0 * jax.nn.sigmoid(part["span"])[None, None] - distance) / 3.0, 0, 1)
        return jnp.where(distance < 0, 0, mask) * jnp.exp(scaled_product(part, query, rows))

    whole = patterns.window(n, 8)
    models = [lambda p, g=g: adaptive_span(p, g, tokens, **options) for g in (whole, small)]
    mine, fewer, other = outcomes(params, *models, lambda p: dense_stack(p, tokens, exponentials, sinusoidal))
    close(mine, other)
    close(fewer, mine)
    assert small.left < 8 or n < 8
    if n == 13:
        assert np.abs(mine[1]["decoder"]["blocks"]["attention"]["span"]).min() > 0


def test_the_span_loss_is_the_mean_span():
    params = filled(init_adaptive_span, CONFIG)
    params["decoder"]["blocks"]["attention"]["span"] = jnp.zeros((2, 2))  # as they begin
    loss, gradient = jax.jit(jax.value_and_grad(span_loss))(params, 10.0)
    close(loss, 5.0)
    close(gradient["decoder"]["blocks"]["attention"]["span"], jnp.full((2, 2), 10.0 / 4 / 4))


def test_a_mask_needs_a_ramp():
    with pytest.raises(ValueError, match="ramp is 0"):
        adaptive_span({}, Causal(3), tokens_of(3), max_span=2.0, ramp=0.0)


@pytest.mark.slow
def test_with_spans_beyond_the_text_rotations_are_those_of_the_transformer():
    params, tokens, past = filled(init_adaptive_span, CONFIG), tokens_of(9), patterns.window(9, 8)
    params["decoder"]["blocks"]["attention"]["span"] = jnp.full((2, 2), 9.0)  # nearly all of the longest
    plain = jax.tree.map(lambda leaf: leaf, params)
    del plain["decoder"]["blocks"]["attention"]["span"]
    mine = jax.jit(partial(adaptive_span, max_span=30.0, ramp=1.0, encoding=None, rotate=rotary))(params, past, tokens)
    block = partial(transformer_block, rotate=rotary)
    close(mine, jax.jit(partial(language_model, encoding=None, block=block))(plain, Causal(9), tokens))
