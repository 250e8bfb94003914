"""Cached decoding equals full decoding, for every way to tell positions and wherever prompts are padded."""

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
from tgnn.nn.positions import Alibi, BucketBias, init_bucket_table, rotary, sinusoidal
from tgnn.nn.search import beam_search, greedy, sample
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_cached_decoding_on_a_window():
    params = filled(init_language_model, CONFIG)
    full = jax.jit(language_model)(params, tgnn.Window(N, 2, 0), TOKENS)
    block = partial(cached_block, layout=lambda n, m, offset: tgnn.Window(n, 2, 0, n_senders=m, offset=offset))
    step = jax.jit(partial(decode_step, block=block))
    cache = init_cache(params, 11)
    for i in range(N):
        logits, cache = step(params, cache, TOKENS[i : i + 1])
        chex.assert_trees_all_close(logits[0], full[i], atol=1e-5)


@pytest.mark.slow
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


@pytest.mark.slow
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


ROWS = {"left": [-1, -1, 3, 1, 4], "right": [3, 1, 4, -1, -1], "both": [-1, 3, 1, 4, -1], "between": [3, -1, 1, -1, 4]}
SLOW = [pytest.param(x, marks=pytest.mark.slow) for x in VARIANTS if x != "rotary, grouped, gated"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rotary, grouped, gated", *SLOW])
def test_padded_prompts_of_a_batch_decode_as_each_alone(name):
    config, options, norm, encoding = VARIANTS[name]
    params = filled(init_language_model, config)
    step = partial(decode_step, params, block=partial(cached_block, **options), norm=norm, encoding=encoding)
    prompts = jnp.array([*ROWS.values(), [5, 9, 2, 6, 5]])  # the last one is longer than the others

    @jax.jit
    @jax.vmap
    def answer(prompt):
        logits, cache = step(init_cache(params, 7), prompt)
        following, cache = step(cache, jnp.array([7]))
        return logits, following[0], cache.step

    logits, following, steps = answer(prompts)
    block = partial(transformer_block, **options)
    full = jax.jit(partial(language_model, block=block, norm=norm, encoding=encoding))
    assert steps.tolist() == [4, 4, 4, 4, 6]
    for prompt, rows, last in zip(prompts, logits, following, strict=True):
        tokens = [*prompt[prompt >= 0].tolist(), 7]
        padded = jnp.array(tokens + [0] * (6 - len(tokens)))  # what comes later changes nothing; one program for all
        alone = full(params, tgnn.Causal(6), padded)[: len(tokens)]
        chex.assert_trees_all_close(rows[prompt >= 0], alone[:-1], atol=1e-5)
        chex.assert_trees_all_close(last, alone[-1], atol=1e-5)
        assert (rows[prompt < 0] == 0).all()


@pytest.mark.slow
def test_searches_go_on_from_a_padded_prompt():
    params = filled(init_language_model, CONFIG)
    step, full = partial(decode_step, params), jax.jit(language_model)
    search = jax.jit(lambda prompt: greedy(step, *prefill(step, init_cache(params, 9), prompt), end=-1, max_length=3))
    tokens = [3, 1, 4]
    for _ in range(3):
        padded = jnp.array(tokens + [0] * (6 - len(tokens)))
        tokens.append(int(full(params, tgnn.Causal(6), padded)[len(tokens) - 1].argmax()))
    for prompt in ROWS.values():
        assert search(jnp.array(prompt)).tolist() == tokens[3:]
    for nothing in ([-1, -1], []):
        with pytest.raises(ValueError, match="prompt has no token but padding"):
            prefill(step, init_cache(params, 9), nothing)


@pytest.mark.slow
def test_bfloat16_decodes_under_strict_promotion():
    params = jax.tree.map(lambda p: p.astype(jnp.bfloat16), filled(init_language_model, CONFIG))
    with jax.numpy_dtype_promotion("strict"):
        logits, cache = decode_step(params, init_cache(params, 9), TOKENS)
    assert logits.dtype == jnp.bfloat16 and cache.step == N and jnp.isfinite(logits.astype("f4")).all()


@pytest.mark.slow
def test_tokens_beyond_the_cache_are_forgotten_under_jit():
    params = filled(init_language_model, CONFIG)
    step = jax.jit(partial(decode_step, params))
    _, cache = step(init_cache(params, 3), TOKENS[:2])
    _, full = step(cache, TOKENS[2:3])
    _, over = step(cache, TOKENS[2:4])
    chex.assert_trees_all_close(over.past, full.past, atol=1e-6)


def test_tokens_outside_the_vocabulary_and_sizes_of_nothing_are_errors():
    params = filled(init_language_model, CONFIG)
    with pytest.raises(ValueError, match="ids go from 13 to 13 but the table has 13 rows"):
        decode_step(params, init_cache(params, 3), jnp.array([13]))
    with pytest.raises(ValueError, match="tokens must be integers, got float32"):
        decode_step(params, init_cache(params, 3), jnp.array([1.0]))
    with pytest.raises(ValueError, match="max_length must be an integer of at least 1, got 0"):
        init_cache(params, 0)
    with pytest.raises(ValueError, match="dtype must be floating point, got int32"):
        init_cache(params, 3, dtype=jnp.int32)
    with pytest.raises(ValueError, match="bias must be None or have a leaf offset"):
        decode_step(params, init_cache(params, 3), TOKENS[:1], block=partial(cached_block, bias=jnp.zeros((1, 3, 3))))
