"""The Reformer is its dense form: all pairs, masked to those that meet in a bucket."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.sequence_models import (
    CONFIG,
    VOCAB,
    block_with,
    check_equal,
    check_logits,
    masked_softmax,
    tokens_of,
)
from tgnn.models.sequences.reformer import Hashing, hash_codes, init_reformer, reformer, unit
from tgnn.nn.basic import linear
from tgnn.nn.positions import rotary
from tgnn.nn.transformer import language_model


def dense_lsh(params, graph, x):
    """All pairs, masked to those that meet in a round; the paper's penalty keeps a node off itself unless alone."""
    query, value = linear(params["query"], x), linear(params["value"], x)
    n, codes = len(x), hash_codes(params["rotations"], query, graph.segments)
    norm = jnp.sqrt((query**2).sum(-1) + 1e-6)
    logits = jnp.einsum("nhd,mhd->hnm", query, query / norm[..., None])

    def met(code):
        place = jnp.argsort(jnp.argsort(jnp.where(code < 0, 2**30, code), stable=True), stable=True)
        step = place[:, None] // min(graph.chunk, n) - place[None, :] // min(graph.chunk, n)
        return (code[:, None] == code[None, :]) & (code[:, None] >= 0) & (step >= 0) & (step <= 1)

    mask = jax.vmap(lambda codes: jax.vmap(met)(codes).any(0))(codes)
    mask &= jnp.tri(n, dtype=bool)[None] if graph.causal else True
    logits = logits - 1e5 * jnp.eye(n)[None]
    weights = masked_softmax(logits, mask)
    return linear(params["output"], jnp.einsum("hnm,mhd->nhd", weights, value), in_axes=2)


def make_reformer(**kwargs):
    return init_reformer(jax.random.key(1), CONFIG, **kwargs)


@pytest.mark.slow
@pytest.mark.parametrize(
    "n, chunk, causal",
    [(13, 4, True), *(pytest.param(*case, marks=pytest.mark.slow) for case in [(1, 4, True), (7, 9, False)])],
)
def test_reformer_is_its_dense_form(n, chunk, causal):
    params = make_reformer(bucket_sizes=(4, 2), num_rounds=2)
    segments = None if causal else jnp.array([0, 0, 0, 2, 2, 2, -1])
    dense = partial(language_model, block=block_with(dense_lsh))
    gradients = check_equal(reformer, dense, params, Hashing(chunk, causal, segments), tokens_of(n))
    for rotation in gradients["decoder"]["blocks"]["attention"]["rotations"]:
        assert not np.asarray(rotation).any()


@pytest.mark.slow
@pytest.mark.parametrize("check", [check_logits, pytest.param(check_equal, marks=pytest.mark.slow)])
def test_reformer_with_one_bucket_is_full_attention_with_shared_queries_and_keys(check):
    params, n = make_reformer(bucket_sizes=(2,), num_rounds=1), 11
    rotations = params["decoder"]["blocks"]["attention"]["rotations"]
    assert rotations[0].shape == (2, 2, 4, 1, 1)  # layers, heads, head_dim, rounds, half of the buckets
    params["decoder"]["blocks"]["attention"]["rotations"] = [0 * rotations[0]]  # all nodes in one bucket

    def full(params, graph, x):  # every earlier node, or itself for the first one
        query, value = linear(params["query"], x), linear(params["value"], x)
        layout = tgnn.Dense((jnp.tri(n, k=-1) + jnp.eye(n) * (jnp.arange(n) == 0)[:, None]) > 0)
        output = tgnn.attend(layout, query, unit(query), value, scale=1.0)
        return linear(params["output"], output, in_axes=2)

    dense = partial(language_model, block=block_with(full))
    check(reformer, dense, params, Hashing(chunk=64), tokens_of(n))


@pytest.mark.slow
def test_rotations_turn_what_is_hashed_already():
    params, n = make_reformer(bucket_sizes=(2,), num_rounds=1), 11
    rotations = params["decoder"]["blocks"]["attention"]["rotations"]
    params["decoder"]["blocks"]["attention"]["rotations"] = [0 * rotations[0]]  # all nodes in one bucket

    def full(params, graph, x):
        query, value = rotary(linear(params["query"], x), jnp.arange(n)), linear(params["value"], x)
        layout = tgnn.Dense((jnp.tri(n, k=-1) + jnp.eye(n) * (jnp.arange(n) == 0)[:, None]) > 0)
        return linear(params["output"], tgnn.attend(layout, query, unit(query), value, scale=1.0), in_axes=2)

    mine = partial(reformer, encoding=None, rotate=rotary)
    dense = partial(language_model, encoding=None, block=block_with(full))
    check_logits(mine, dense, params, Hashing(chunk=64), tokens_of(n))


def test_hashes_keep_factors_and_segments_apart():
    rotations = [np.random.default_rng(i).normal(size=(2, 5, 3, i)).astype("f4") for i in (2, 3)]
    query = np.random.default_rng(9).normal(size=(50, 2, 5)).astype("f4")
    hashed = jax.jit(hash_codes)
    codes = hashed(rotations, query)
    alone = [hashed([rotation], query) for rotation in rotations]
    assert codes.shape == (2, 3, 50) and int(codes.max()) < 24
    np.testing.assert_array_equal(codes, alone[0] * 6 + alone[1])
    np.testing.assert_array_equal(hashed(rotations, 3 * query), codes)  # an angle, not a length
    segments = np.append(np.arange(49) % 2, -1)
    apart = np.asarray(hashed(rotations, query, segments))
    assert (apart[..., -1] == -1).all()
    np.testing.assert_array_equal(apart[..., :-1], (segments[None, None] * 24 + codes)[..., :-1])


@pytest.mark.slow
def test_a_hash_without_borders_shows_the_past_alone():
    params, tokens = make_reformer(bucket_sizes=(4,)), tokens_of(16)
    run = jax.jit(lambda tokens: reformer(params, Hashing(chunk=16), tokens))
    before, after = run(tokens), run(tokens.at[9:].set((tokens[9:] + 1) % VOCAB))
    np.testing.assert_allclose(after[:9], before[:9], atol=1e-6)
    assert jnp.abs(after[9:] - before[9:]).max() > 1e-3
