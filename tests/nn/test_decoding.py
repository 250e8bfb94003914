"""Cached decoding equals full decoding, for every way to tell positions; and the searches on it."""

import itertools
from dataclasses import replace
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.filled import filled
from tgnn.nn.basic import layer_norm, rms_norm
from tgnn.nn.block import TransformerConfig, transformer_block
from tgnn.nn.cached_block import cached_block
from tgnn.nn.decoding import decode_step, init_cache, prefill
from tgnn.nn.search import beam_search, greedy, sample
from tgnn.nn.positions import Alibi, BucketBias, init_bucket_table, rotary, sinusoidal
from tgnn.nn.transformer import init_language_model, init_transformer, language_model

RNG = jax.random.key(0)
N, M = 7, 5
CONFIG = TransformerConfig(vocab_size=13, model_dim=12, num_heads=3, hidden_dim=11, num_layers=2)
TOKENS = jax.random.randint(RNG, (N,), 0, 13)
VARIANTS = {
    "sinusoidal": (CONFIG, {}, layer_norm, sinusoidal),
    "learned, post-LN, listed": (replace(CONFIG, max_length=11, norm_first=False, stacked=False), {}, layer_norm, None),
    "rotary, grouped, gated": (
        replace(CONFIG, num_key_heads=1, gated=True, rms=True, use_bias=False),
        {"rotate": rotary, "norm": rms_norm, "activation": jax.nn.silu},
        rms_norm,
        None,
    ),
    "alibi": (CONFIG, {"bias": Alibi.from_heads(3)}, layer_norm, None),
    "buckets": (
        CONFIG,
        {"bias": BucketBias(init_bucket_table(RNG, 8, 3) * 50, bidirectional=False, max_distance=11)},
        layer_norm,
        None,
    ),
}
STEPS = {name: [1] * N for name in VARIANTS} | {"rotary, grouped, gated": [4, 1, 1, 1], "alibi": [4, 1, 1, 1]}


@pytest.mark.parametrize("name", VARIANTS)
def test_cached_decoding_equals_full_decoding_for_any_steps(name):
    config, options, norm, encoding = VARIANTS[name]
    params = filled(init_language_model, config)
    block = partial(transformer_block, **options)
    full = jax.jit(partial(language_model, block=block, norm=norm, encoding=encoding))(params, tgnn.Causal(N), TOKENS)
    step = jax.jit(partial(decode_step, block=partial(cached_block, **options), norm=norm, encoding=encoding))
    cache, rows = init_cache(params, 11), []
    for size in STEPS[name]:
        tokens = TOKENS[len(rows) :][:size]
        logits, cache = step(params, cache, tokens)
        rows.extend(logits)
    chex.assert_trees_all_close(jnp.stack(rows), full, atol=1e-5)
    assert cache.step == N


def test_cached_decoding_on_a_window():
    params = filled(init_language_model, CONFIG)
    full = jax.jit(language_model)(params, tgnn.Window(N, 2, 0), TOKENS)
    block = partial(cached_block, layout=lambda n, m, offset: tgnn.Window(n, 2, 0, n_senders=m, offset=offset))
    step = jax.jit(partial(decode_step, block=block))
    cache = init_cache(params, 11)
    for i in range(N):
        logits, cache = step(params, cache, TOKENS[i : i + 1])
        chex.assert_trees_all_close(logits[0], full[i], atol=1e-5)


@pytest.mark.parametrize("rotate", [None, rotary], ids=["plain", "rotary"])
@pytest.mark.parametrize("stacked", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_cached_decoding_reads_its_memory_like_full_decoding(stacked, rotate):
    params = filled(init_transformer, replace(CONFIG, stacked=stacked))
    positions = jnp.array([2, 0, 1, 4, 3])
    segments = jnp.array([0, 0, 0, -1, -1])
    cross = tgnn.Complete(N, M).with_segments(jnp.zeros(N, int), segments)
    memory = jnp.asarray(np.random.default_rng(1).normal(size=(M, 12)), jnp.float32)
    block = partial(transformer_block, cross_rotate=rotate, memory_positions=positions)
    full = jax.jit(partial(language_model, block=block))(params, tgnn.Causal(N), TOKENS, memory, cross)
    cache = init_cache(params, N, memory, cross_rotate=rotate, memory_positions=positions)
    one = tgnn.Complete(1, M).with_segments(jnp.zeros(1, int), segments)
    step = jax.jit(partial(decode_step, block=partial(cached_block, cross_rotate=rotate)))
    for i in range(N):
        logits, cache = step(params, cache, TOKENS[i : i + 1], one)
        chex.assert_trees_all_close(logits[0], full[i], atol=1e-5)


def test_fifty_tokens_are_one_trace():
    chex.clear_trace_counter()
    params = filled(init_language_model, CONFIG)
    step = jax.jit(chex.assert_max_traces(decode_step, n=1))
    cache, token = init_cache(params, 53), jnp.array([1])
    for _ in range(50):
        logits, cache = step(params, cache, token)
        token = logits.argmax(-1)
    assert cache.step == 50


def test_a_full_cache_is_an_error():
    params = filled(init_language_model, CONFIG)
    with pytest.raises(ValueError, match="room for 3"):
        decode_step(params, init_cache(params, 3), TOKENS[:4])
    step = partial(decode_step, params)
    for search in (greedy, partial(beam_search, beam_size=2), partial(sample, rng=RNG)):
        with pytest.raises(ValueError, match="asks for 4 tokens after 0 .* room for 3"):
            search(step, init_cache(params, 3), 1, end=0, max_length=4)
    with pytest.raises(ValueError, match=r"tokens must have shape \[n\], got \(\)"):
        decode_step(params, init_cache(params, 3), jnp.array(3))


# The searches, on a chain whose next token depends on the last one only: a cache of nothing but the count of steps.

CHAIN = jax.nn.log_softmax(2 * jax.random.normal(jax.random.key(3), (4, 4)))
END = 3


def chain_step(count, tokens):
    return CHAIN[tokens], count + 1


def test_a_sample_has_the_probabilities_of_the_model():
    draw = jax.jit(jax.vmap(lambda rng: sample(chain_step, jnp.array(0), 1, rng, end=-1, max_length=2)))
    tokens = np.asarray(draw(jax.random.split(RNG, 4000)))
    expected = np.exp(CHAIN[1])[:, None] * np.exp(CHAIN)
    found = np.zeros((4, 4))
    np.add.at(found, tuple(tokens.T), 1 / len(tokens))
    np.testing.assert_allclose(found, expected, atol=0.03)  # four standard deviations


def test_samples_of_few_or_cold_tokens_are_greedy():
    expected = greedy(chain_step, jnp.array(0), 0, end=END, max_length=5).tolist()
    for options in ({"top_k": 1}, {"temperature": 1e-4}):
        assert sample(chain_step, jnp.array(0), 0, RNG, end=END, max_length=5, **options).tolist() == expected
    for options in ({"top_k": 0}, {"temperature": 0.0}):
        with pytest.raises(ValueError, match="must be"):
            sample(chain_step, jnp.array(0), 0, RNG, end=END, max_length=5, **options)


def test_greedy_takes_the_best_token_until_the_end():
    first = 0
    expected = []
    while len(expected) < 11 and (not expected or expected[-1] != END):
        expected.append(int(CHAIN[expected[-1] if expected else first].argmax()))
    found = jax.jit(partial(greedy, chain_step, end=END, max_length=11))(jnp.array(0), first)
    assert found.tolist() == expected + [END] * (11 - len(expected))


def test_greedy_decoding_equals_a_loop_over_full_decoding_in_a_batch():
    params = filled(init_language_model, CONFIG)
    full = jax.jit(language_model)

    @jax.jit
    @jax.vmap
    def decode(first):
        return greedy(partial(decode_step, params), init_cache(params, N), first, end=0, max_length=N)

    for first, found in zip((3, 5), decode(jnp.array([3, 5])), strict=True):
        tokens = [first]
        for i in range(N):
            padded = jnp.array(tokens + [0] * (N - len(tokens)))[:N]
            tokens.append(int(full(params, tgnn.Causal(N), padded)[i].argmax()) if tokens[-1] != 0 or i == 0 else 0)
        assert found.tolist() == tokens[1:]


def score(tokens, penalty):
    """The score of a sequence that ends at its first END, if it has one."""
    length = tokens.index(END) + 1 if END in tokens else len(tokens)
    total = sum(float(CHAIN[last, token]) for last, token in zip((0, *tokens), tokens[:length], strict=False))
    return total / ((5 + length) / 6) ** penalty


@pytest.mark.parametrize("penalty", [0.0, 0.6])
def test_a_wide_beam_finds_the_best_of_all_sequences(penalty):
    search = jax.jit(partial(beam_search, chain_step, end=END, max_length=3, beam_size=61, length_penalty=penalty))
    found, value = search(jnp.array(0), 0)
    best = max(itertools.product(range(4), repeat=3), key=lambda tokens: score(tokens, penalty))
    assert abs(value - score(best, penalty)) < 1e-5 and abs(score(found.tolist(), penalty) - value) < 1e-5


def test_a_beam_of_one_is_greedy():
    options = {"end": END, "max_length": 11}
    found, _ = jax.jit(partial(beam_search, chain_step, beam_size=1, **options))(jnp.array(0), 0)
    chex.assert_trees_all_equal(found, jax.jit(partial(greedy, chain_step, **options))(jnp.array(0), 0))
    assert np.asarray(found).shape == (11,)
