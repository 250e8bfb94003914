"""Models of sequences beside their dense forms: small sizes, blocks written out, and both compared in one program."""

from dataclasses import replace
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tgnn.nn.basic import layer_norm, linear
from tgnn.nn.block import TransformerConfig, feed_forward, run_parts
from tgnn.nn.transformer import embed, unembed

KEY = jax.random.key(0)
VOCAB = 7
CONFIG = TransformerConfig(VOCAB, model_dim=8, num_layers=2, num_heads=2, hidden_dim=8)
ONE = replace(CONFIG, num_layers=1)
SIZES = [13, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 3, 4, 16))]  # 3 is shorter than any window here
close = partial(chex.assert_trees_all_close, atol=1e-5, rtol=1e-5)


def tokens_of(n):
    return jnp.asarray(np.random.default_rng(n).integers(0, VOCAB, n), jnp.int32)


def outcomes(params, *models):
    """Outputs and gradients of several functions of the same weights, compiled as one program."""

    def loss(params, model):
        outputs = model(params)
        numbers = jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(outputs)])
        return (numbers * jnp.sin(jnp.arange(numbers.size))).sum(), outputs

    @jax.jit
    def run(params):
        return [jax.value_and_grad(partial(loss, model=model), has_aux=True)(params) for model in models]

    return [(outputs, gradients) for (_, outputs), gradients in run(params)]


def dense_stack(params, tokens, attention, encoding):
    """A language model of one block that multiplies n * n weights; see `dense_block`."""
    x = embed(params, tokens, encoding=encoding)
    x = dense_block(jax.tree.map(lambda leaf: leaf[0], params["decoder"]["blocks"]), x, x, attention)
    return unembed(params, layer_norm(params["decoder"]["norm"], x))


def dense_block(block, x, senders, exponentials):
    """The block, written out: `exponentials(part, query, rows) -> [n, n_senders, heads]`, 0 where there is no edge."""
    part = block["attention"]
    query, rows = layer_norm(part["norm_before"], x), layer_norm(part["norm_before"], senders)
    weights = exponentials(part, query, rows)
    total = weights.sum(axis=1, keepdims=True)
    weights, value = weights / jnp.where(total > 0, total, 1), linear(part["value"], rows)
    x = x + linear(part["output"], jnp.einsum("nmh,mhd->nhd", weights, value), in_axes=2)
    return x + feed_forward(block["mlp"], layer_norm(block["mlp"]["norm_before"], x))


def scaled_product(part, query, rows):
    query, key = linear(part["query"], query), linear(part["key"], rows)
    return jnp.einsum("nhd,mhd->nmh", query, key) / np.sqrt(query.shape[-1])


def check_equal(model, dense, params, graph, tokens):
    """Logits and gradients of both models, compiled as one program; returns the gradients."""

    def both(params, graph, tokens):
        def loss(params, model):
            logits = model(params, graph, tokens)
            return (logits * jnp.sin(jnp.arange(logits.size).reshape(logits.shape))).sum(), logits

        return [jax.grad(partial(loss, model=m), has_aux=True)(params) for m in (model, dense)]

    mine, theirs = jax.jit(both)(params, graph, tokens)
    chex.assert_trees_all_close(mine, theirs, atol=1e-5, rtol=1e-5)
    chex.assert_tree_all_finite(mine)
    return mine[0]


def check_logits(model, dense, params, graph, tokens):
    """Only the logits: compiles in a third of the time."""
    both = jax.jit(lambda *inputs: (model(*inputs), dense(*inputs)))
    mine, theirs = both(params, graph, tokens)
    np.testing.assert_allclose(mine, theirs, atol=1e-5, rtol=1e-5)


def block_with(attention):
    """A block whose attention is `attention(params, graph, x)`, in plain matrix products."""

    def block(params, graph, x, memory=None, memory_layout=None, *, dropout_rate=0.0, rng=None):
        parts = {
            "attention": lambda h, rng: attention(params["attention"], graph, h),
            "mlp": lambda h, rng: feed_forward(params["mlp"], h),
        }
        return run_parts(params, parts, x)

    return block


def masked_softmax(logits, mask):
    """Over senders `[heads, n, m]`; a receiver without any gets zeros."""
    logits = jnp.where(mask, logits, -1e30)
    return jnp.where(mask.any(-1, keepdims=True), jax.nn.softmax(logits, -1), 0)
