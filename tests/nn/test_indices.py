"""Ids, tokens and positions of any integer type mean what those of int32 mean, known before jit or not."""

from dataclasses import replace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.filled import filled
from tgnn.errors import as_index, widen_index
from tgnn.nn.basic import embedding
from tgnn.nn.block import TransformerConfig
from tgnn.nn.decoding import decode_step, init_cache
from tgnn.nn.positions import (
    Alibi,
    BucketBias,
    learned_positions,
    relative_bucket,
    rotary,
    segment_positions,
    sinusoidal,
)
from tgnn.nn.transformer import init_language_model, language_model

DTYPES = ["int8", "uint8", "int16", "uint16", "uint32", "int64", "uint64"]
WIDE = {"table": jnp.eye(256)}
CONFIG = TransformerConfig(vocab_size=256, model_dim=4, num_heads=2, num_layers=1, hidden_dim=3, max_length=200)
MODEL = filled(init_language_model, CONFIG)
TABLE = jnp.arange(16.0).reshape(8, 2)
USES = {
    "embedding": lambda x: embedding(WIDE, x),
    "learned positions": lambda x: learned_positions(WIDE, x),
    "segments": segment_positions,
    "sinusoidal": lambda x: sinusoidal(x, 4),
    "rotary": lambda x: rotary(jnp.ones((4, 1, 2)), x),
    "alibi": lambda x: jax.vmap(Alibi.from_heads(2), (None, 0))(x[0], x),
    "alibi moved": lambda x: jax.vmap(replace(Alibi.from_heads(2), offset=x[3]))(x, x[::-1]),
    "buckets": lambda x: jax.vmap(BucketBias(TABLE, max_distance=127), (None, 0))(x[0], x),
    "bucket": lambda x: relative_bucket(x, 32, max_distance=300),
    "tokens": lambda x: language_model(MODEL, tgnn.Causal(4), x, positions=x),
    "decoding": lambda x: decode_step(MODEL, init_cache(MODEL, 9), x)[0],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", USES)
def test_any_integer_type_gives_what_int32_gives(name):
    numbers, use = [65, 3, 100, 127], USES[name]
    expected = use(jnp.array(numbers, jnp.int32))
    for dtype in DTYPES:
        chex.assert_trees_all_close(use(np.array(numbers, dtype)), expected, atol=1e-6)
        if name not in ("tokens", "decoding") or dtype == "uint8":  # one of many programs
            traced = jax.jit(use)(jnp.array(numbers, jax.dtypes.canonicalize_dtype(dtype)))
            chex.assert_trees_all_close(traced, expected, atol=1e-6)


@pytest.mark.slow
def test_ids_of_a_table_as_long_as_their_type():
    assert embedding(WIDE, np.array([65, 255], np.uint8)).sum() == 2
    assert embedding(WIDE, np.array([-1], np.int8)).sum() == 0
    assert jax.jit(lambda ids: embedding(WIDE, ids).sum())(jnp.array([255, 0], jnp.uint8)) == 2


@pytest.mark.parametrize("dtype", [jnp.int4, jnp.uint4])
def test_integers_that_numpy_does_not_count_are_indices_too(dtype):
    ids = jnp.array([1, 0], dtype)
    assert widen_index(ids).dtype == widen_index(np.asarray(ids)).dtype == jnp.int32
    assert as_index("ids", ids).dtype == jnp.int32
    assert tgnn.Complete(2).with_segments(ids).receiver_segments.tolist() == [1, 0]
    assert tgnn.EdgeList(ids, ids[::-1], 256, 256).live.tolist() == [True, True]


def test_masks_of_half_precision_are_refused():
    with pytest.raises(ValueError, match="mask must be bool .True = edge., got bfloat16"):
        tgnn.Dense(jnp.ones((2, 2), jnp.bfloat16))
    with pytest.raises(ValueError, match="senders must be integers, got bfloat16"):
        tgnn.EdgeList(jnp.ones(2, jnp.bfloat16), jnp.ones(2, int), 2, 2)


def test_constants_under_jit_are_checked_as_outside_of_it():
    known = jnp.array([3, 1])
    assert jax.jit(lambda table: embedding({"table": table}, known).sum())(jnp.eye(4)) == 2
    with pytest.raises(ValueError, match="ids go from 1 to 3 but the table has 2 rows"):
        jax.jit(lambda table: embedding({"table": table}, known).sum())(jnp.eye(2))


def test_no_id_beyond_int32_wraps_around():
    with pytest.raises(ValueError, match="ids must fit into int32, got 4294967297 to 4294967297"):
        embedding(WIDE, np.array([2**32 + 1]))
    with pytest.raises(ValueError, match="ids must fit into int32, got 4294967295"):
        embedding(WIDE, jnp.array([2**32 - 1], jnp.uint32))
    assert jax.jit(lambda ids: embedding(WIDE, ids).sum())(jnp.array([2**32 - 2], jnp.uint32)) == 0


@pytest.mark.parametrize("x", [1.0, [0.5], np.array([True]), jnp.ones(2)])
def test_what_is_no_integer_is_refused(x):
    with pytest.raises(ValueError, match="x must be integers, got"):
        as_index("x", x)


def test_wide_types_stay_as_they_are_and_small_ones_become_int32():
    for x in (np.arange(3, dtype=np.int32), jnp.arange(3), np.ones(2)):
        assert widen_index(x) is x
    for dtype in DTYPES:
        assert as_index("x", np.arange(3, dtype=dtype)).dtype == np.int32
    assert as_index("x", []).dtype == np.int32 and as_index("x", [1, 2]).dtype == np.int32


@pytest.mark.slow
def test_schedules_of_any_integer_type():
    layout = tgnn.EdgeList.from_edges([0, 1], [2, 2], n_receivers=3)
    expected = tgnn.recurrent.schedule(layout, slots=[1, 0])
    small = tgnn.recurrent.schedule(layout, slots=np.array([1, 0], np.uint8))
    chex.assert_trees_all_equal(small, expected)
    x, params = jnp.ones((3, 2)), filled(tgnn.recurrent.init_nary_lstm, 2, 3)
    narrow = jax.tree.map(lambda leaf: leaf.astype(jnp.uint8), expected)
    states = (tgnn.recurrent.nary_lstm(params, plan, x) for plan in (narrow, expected))
    chex.assert_trees_all_close(*states, atol=1e-6)
