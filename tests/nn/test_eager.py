"""Outside jit, the second of two equal calls compiles nothing, and all of them mean what they mean under jit."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import pytest

import tgnn
from tests.support.compilations import compilations
from tests.support.filled import filled
from tgnn import patterns, recurrent
from tgnn.nn.block import TransformerConfig, transformer_block
from tgnn.nn.cached_block import cached_block
from tgnn.nn.decoding import decode_step, init_cache
from tgnn.nn.positions import rotary
from tgnn.nn.search import beam_search, greedy, sample
from tgnn.nn.transformer import Layouts, init_language_model, init_transformer, language_model, transformer

CONFIG = TransformerConfig(vocab_size=7, model_dim=4, num_heads=2, hidden_dim=3, num_layers=2)
MODEL, BOTH = filled(init_language_model, CONFIG), filled(init_transformer, CONFIG)
TOKENS, RNG, X = jnp.arange(5), jax.random.key(0), jnp.ones((5, 3))
CELLS = {
    "rnn": (recurrent.rnn, filled(recurrent.init_rnn, 3, 4)),
    "gru": (recurrent.gru, filled(recurrent.init_gru, 3, 4)),
    "lstm": (recurrent.lstm, filled(recurrent.init_lstm, 3, 4)),
    "nary": (recurrent.nary_lstm, filled(recurrent.init_nary_lstm, 3, 4)),
}


def step(cache, tokens):
    return decode_step(MODEL, cache, tokens)


def turned(params, tokens):
    block = partial(transformer_block, rotate=rotary)
    return language_model(params, tgnn.Causal(5), tokens, block=block, encoding=None, dropout_rate=0.5, rng=RNG)


def decoded(params, tokens):
    block = partial(cached_block, rotate=rotary)
    return decode_step(params, init_cache(params, 9), tokens, block=block)


CASES = {
    "language model": (MODEL, turned),
    "transformer": (BOTH, lambda p, x: transformer(p, Layouts(*[tgnn.Complete(5)] * 3), x, x)),
    "decode_step": (MODEL, decoded),
    "greedy": (MODEL, lambda p, x: greedy(step, init_cache(p, 9), x[0], end=0, max_length=4)),
    "greedy, a fresh function": (
        MODEL,
        lambda p, x: greedy(lambda c, t: decode_step(p, c, t), init_cache(p, 9), x[0], end=0, max_length=4),
    ),
    "sample": (MODEL, lambda p, x: sample(step, init_cache(p, 9), 1, RNG, end=0, max_length=4, top_k=2)),
    "beam search": (MODEL, lambda p, x: beam_search(step, init_cache(p, 9), 1, end=0, max_length=4, beam_size=2)),
    "gradient": (MODEL, lambda p, x: jax.grad(lambda p: language_model(p, tgnn.Causal(5), x).sum())(p)),
} | {
    name: (params, lambda p, x, cell=cell: cell(p, recurrent.schedule(patterns.chain(5)), X))
    for name, (cell, params) in CELLS.items()
}
QUICK = "language model", "decode_step", "greedy, a fresh function", "lstm"


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(x, marks=[] if x in QUICK else pytest.mark.slow) for x in CASES])
def test_a_second_eager_call_compiles_nothing_and_equals_jit(name):
    params, run = CASES[name]
    first = run(params, TOKENS)
    assert compilations(lambda: run(params, TOKENS)) == 0
    moved = jax.tree.map(lambda leaf: leaf + 0.0, params)  # other arrays, as after a step of training
    assert compilations(lambda: run(moved, TOKENS)) == 0
    chex.assert_trees_all_close(first, jax.jit(run)(params, TOKENS), atol=1e-5)


def test_a_compilation_is_counted():
    assert compilations(lambda: jax.jit(lambda x: x * 3 + 1)(X)) == 1
