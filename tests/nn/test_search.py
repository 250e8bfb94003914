"""Searches for sequences, on chains whose next token depends on the last one only, and on a model."""

import itertools
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.filled import filled
from tgnn.nn.block import TransformerConfig
from tgnn.nn.decoding import decode_step, init_cache
from tgnn.nn.search import beam_search, greedy, in_nucleus, sample
from tgnn.nn.transformer import init_language_model, language_model

RNG = jax.random.key(0)
N = 7
CONFIG = TransformerConfig(vocab_size=13, model_dim=12, num_heads=3, hidden_dim=11, num_layers=2)

# The searches, on a chain whose next token depends on the last one only: a cache of nothing but the count of steps.

CHAIN = jax.jit(lambda rng: jax.nn.log_softmax(2 * jax.random.normal(rng, (4, 4))))(jax.random.key(3))
END = 3


def chain_step(count, tokens):
    return CHAIN[tokens], count + 1


@pytest.mark.slow
def test_a_sample_has_the_probabilities_of_the_model():
    draw = jax.jit(jax.vmap(lambda rng: sample(chain_step, jnp.array(0), 1, rng, end=-1, max_length=2)))
    tokens = np.asarray(draw(jax.random.split(RNG, 4000)))
    expected = np.exp(CHAIN[1])[:, None] * np.exp(CHAIN)
    found = np.zeros((4, 4))
    np.add.at(found, tuple(tokens.T), 1 / len(tokens))
    np.testing.assert_allclose(found, expected, atol=0.03)  # four standard deviations


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_beams_are_no_copies_of_each_other():
    """The best first token leads nowhere: 0.4 * 0.97 is more than 0.5 * 0.25."""
    chain = jnp.log(jnp.array([[0.05, 0.5, 0.4, 0.05], [0.25] * 4, [0.01, 0.01, 0.01, 0.97], [0.25] * 4]))
    step = lambda cache, tokens: (chain[tokens], cache)  # noqa: E731
    found, value = beam_search(step, 0, 0, end=END, max_length=2, beam_size=2, length_penalty=0.0)
    assert found.tolist() == [2, END]
    np.testing.assert_allclose(value, np.log(0.4 * 0.97), rtol=1e-6)


def test_a_beam_of_one_is_greedy():
    options = {"end": END, "max_length": 11}
    found, _ = jax.jit(partial(beam_search, chain_step, beam_size=1, **options))(jnp.array(0), 0)
    chex.assert_trees_all_equal(found, jax.jit(partial(greedy, chain_step, **options))(jnp.array(0), 0))
    assert np.asarray(found).shape == (11,)


CYCLE = jnp.eye(4)[jnp.array([1, 2, 3, 0])] * 9  # after each token the next one, 0 after 3


def cycle_step(cache, tokens):
    return CYCLE[tokens], cache


@pytest.mark.parametrize("first", [0, np.uint8(0), jnp.array(0, jnp.int8)])
def test_a_first_token_that_is_the_end_ends_nothing(first):
    options = {"end": 0, "max_length": 5}
    assert greedy(cycle_step, 0, first, **options).tolist() == [1, 2, 3, 0, 0]
    assert sample(cycle_step, 0, first, RNG, temperature=0.1, **options).tolist() == [1, 2, 3, 0, 0]
    assert beam_search(cycle_step, 0, first, beam_size=1, **options)[0].tolist() == [1, 2, 3, 0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_a_sample_has_the_probabilities_of_the_logits_in_any_precision(dtype):
    logits = jnp.log(jnp.array([0.5] + 1000 * [0.0005])).astype(dtype)
    draw = jax.vmap(lambda rng: sample(lambda c, t: (logits[None], c), 0, 0, rng, end=-1, max_length=1)[0])
    share = (jax.jit(draw)(jax.random.split(RNG, 4000)) == 0).mean()
    exact = jax.nn.softmax(logits.astype(jnp.float32))[0]
    assert abs(share - exact) < 0.032 and abs(exact - 0.5) < 0.01  # four standard deviations


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_of_equal_logits_the_first_k_are_drawn(top_k):
    step = lambda cache, tokens: (jnp.ones((1, 5)), cache)  # noqa: E731
    drawn = sample(step, 0, 0, RNG, end=-1, max_length=60, top_k=top_k)
    assert set(drawn.tolist()) == set(range(top_k))


def smallest_set(probabilities, top_p):
    """How many of the most probable ones have top_p together, by trying every number of them."""
    return next(k for k in range(1, len(probabilities) + 1) if probabilities[:k].sum() >= top_p - 1e-12)


def test_the_nucleus_is_the_smallest_set_of_that_probability():
    rng = np.random.default_rng(0)
    logits = -np.sort(-rng.normal(0, 2, (40, 23)))
    top_p = rng.uniform(0.01, 0.99, 40)
    top_p[:2], logits[:2] = (1, 1e-9), 0  # of which the sum rounds
    found = np.asarray(jax.jit(jax.vmap(in_nucleus))(jnp.asarray(logits, jnp.float32), jnp.asarray(top_p, jnp.float32)))
    for row, p, kept in zip(np.exp(logits), top_p, found, strict=True):
        assert kept.tolist() == [i < smallest_set(row / row.sum(), p) for i in range(23)]


def test_a_nucleus_of_everything_loses_nothing_by_rounding_and_one_of_nothing_keeps_the_best():
    logits = jnp.array([0.0, -20.0])  # the probability of the first is 1 in float32
    assert in_nucleus(logits, jnp.float32(1)).tolist() == [True, True]
    assert in_nucleus(logits, jnp.float32(0)).tolist() == [True, False]  # such as one that is traced


@pytest.mark.slow
def test_tokens_are_drawn_from_the_nucleus_of_the_k_best_at_their_temperature():
    logits = jnp.log(jnp.array([[0.1, 0.4, 0.05, 0.25, 0.2]]))

    def drawn(**options):
        return set(sample(lambda c, t: (logits, c), 0, 0, RNG, end=-1, max_length=200, **options).tolist())

    assert drawn(top_p=0.39) == {1} and drawn(top_p=1e-9) == {1}
    assert drawn(top_p=0.6) == {1, 3} and drawn(top_p=0.86) == {0, 1, 3, 4}
    assert drawn(top_p=0.6, top_k=2) == {1}  # 0.4 / 0.65 is enough
    assert drawn(top_p=0.6, temperature=0.5) == {1, 3} and drawn(top_p=0.5, temperature=0.5) == {1}


@pytest.mark.parametrize("top_p", [0.0, -0.1, 1.5, np.nan, np.ones(2)])
def test_a_nucleus_of_no_probability_is_refused(top_p):
    with pytest.raises(ValueError, match="top_p must be above 0 and at most 1, got"):
        sample(cycle_step, 0, 0, RNG, end=0, max_length=5, top_p=top_p)


@pytest.mark.parametrize("temperature", [1e-4, 1e-38, 1e-45])
def test_the_coldest_samples_of_half_precision_are_greedy(temperature):
    logits = jnp.array([[3.0, 5.0, 4.99, -60000.0]], jnp.float16)
    drawn = sample(lambda c, t: (logits, c), 0, 0, RNG, end=-1, max_length=9, temperature=temperature)
    assert drawn.tolist() == [1] * 9


def test_of_equal_logits_none_is_preferred_however_cold():
    """A temperature that is traced may be 0."""
    step = lambda cache, tokens: (jnp.array([[1.0, 5.0, 5.0]]), cache)  # noqa: E731
    draw = jax.jit(lambda temperature: sample(step, 0, 0, RNG, end=-1, max_length=30, temperature=temperature))
    assert set(draw(0.0).tolist()) == {1, 2}


BAD = {
    "max_length": ({"max_length": 0}, "max_length must be an integer of at least 1, got 0"),
    "first": ({"first": 1.5}, "first must be integers, got float64"),
    "batch": ({"first": jnp.array([1, 2])}, r"first must be one token, got shape \(2,\); use jax.vmap"),
    "step": ({"step": lambda c, t: (CYCLE[t[0]], c)}, r"step gave logits of shape \(4,\), expected \[1, vocab_size\]"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("search", [greedy, partial(sample, rng=RNG), partial(beam_search, beam_size=2)])
def test_bad_input_is_one_sentence(case, search):
    options, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        search(**({"step": cycle_step, "cache": 0, "first": 0, "end": 0, "max_length": 5} | options))


def test_a_beam_of_none_is_an_error():
    with pytest.raises(ValueError, match="beam_size must be an integer of at least 1, got 0"):
        beam_search(cycle_step, 0, 0, end=0, max_length=5, beam_size=0)
