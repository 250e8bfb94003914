"""The Universal Transformer is a loop."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.support.filled import filled
from tests.support.sequence_models import CONFIG, close, dense_block, outcomes, scaled_product, tokens_of
from tgnn.graphs import Causal
from tgnn.models.sequences.universal_transformer import init_universal_transformer, universal_transformer
from tgnn.nn.basic import layer_norm, linear
from tgnn.nn.positions import sinusoidal
from tgnn.nn.transformer import embed, unembed


@pytest.mark.slow
@pytest.mark.parametrize("halting", [True, False])
def test_the_universal_transformer_is_a_loop(halting):
    params = filled(init_universal_transformer, CONFIG, halting=halting)
    tokens, n = tokens_of(7), 7

    def exponentials(part, query, rows):
        return jnp.where(np.tri(n, dtype=bool)[..., None], jnp.exp(scaled_product(part, query, rows)), 0)

    def loop(params):
        x, result, total, steps = embed(params, tokens, encoding=None), 0.0, np.zeros(n), np.zeros(n)
        for t in range(4):
            running = total < 1
            chance = jax.nn.sigmoid(linear(params["halting"], x)[:, 0]) if halting else jnp.full(n, float(t == 3))
            halts = running & ((total + chance > 0.99) | (t == 3))
            weight = jnp.where(halts, 1 - total, jnp.where(running, chance, 0))
            place = sinusoidal(jnp.arange(n), 8) + sinusoidal(jnp.full(n, t), 8)
            seen = dense_block(params["block"], x + place, x + place, exponentials)
            x = jnp.where(running[:, None], seen, x)
            result, total = result + weight[:, None] * x, jnp.where(halts, 1.0, total + weight)
            steps = steps + running + (jnp.where(halts, weight, 0) if halting else 0)
        return unembed(params, layer_norm(params["norm"], result)), steps

    run = partial(universal_transformer, num_steps=4)
    close(*outcomes(params, lambda p: run(p, Causal(n), tokens), loop))


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 3])
def test_nodes_that_halt_at_once_take_one_step(n):
    params = init_universal_transformer(jax.random.key(3), CONFIG, halting=True)
    params["halting"]["bias"] = jnp.array([30.0])
    many, steps = universal_transformer(params, Causal(n), tokens_of(n), num_steps=5)
    params.pop("halting")
    one, _ = universal_transformer(params, Causal(n), tokens_of(n), num_steps=1)
    close(many, one)
    close(steps, jnp.full(n, 2.0))  # one step, and a remainder of 1
