"""The Transformer against a NumPy float64 loop over its equations, and its variants against each other."""

from dataclasses import replace
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.filled import filled
from tgnn.nn.block import TransformerConfig, transformer_block
from tgnn.nn.cached_block import cached_block
from tgnn.nn.decoding import decode_step, init_cache
from tgnn.nn.positions import rotary, segment_positions, sinusoidal
from tgnn.nn.tokens import embed
from tgnn.nn.transformer import (
    Layouts,
    encoder,
    init_encoder,
    init_language_model,
    init_transformer,
    language_model,
    transformer,
)

CONFIG = TransformerConfig(vocab_size=13, model_dim=12, num_heads=3, hidden_dim=11, num_layers=2, source_vocab_size=7)
SOURCE, TARGET = jnp.array([3, 1, 4, 1, 5]), jnp.array([2, 7, 1, 8, 2, 8, 1])
LAYOUTS = Layouts(tgnn.Complete(5), tgnn.Causal(7), tgnn.Complete(7, 5))
RNG = jax.random.key(0)
PARAMS = filled(init_transformer, CONFIG)
ENCODER = filled(init_encoder, CONFIG)
MODEL = filled(init_language_model, CONFIG)
jitted_transformer = jax.jit(transformer)


# The reference: every equation once more, in float64, with a mask matrix for a graph.


def numpy_norm(params, x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * params["scale"] + params["bias"]


def numpy_attention(params, mask, x, memory):
    query, key, value = (
        np.einsum("nm,mhd->nhd", rows, params[name]["kernel"]) + params[name]["bias"]
        for name, rows in (("query", x), ("key", memory), ("value", memory))
    )
    logits = np.einsum("nhd,mhd->nmh", query, key) / np.sqrt(query.shape[-1])
    weights = np.where(mask[..., None], np.exp(logits), 0)
    messages = np.einsum("nmh,mhd->nhd", weights / weights.sum(1, keepdims=True), value)
    return np.einsum("nhd,hdm->nm", messages, params["output"]["kernel"]) + params["output"]["bias"]


def numpy_mlp(params, x):
    hidden = np.maximum(x @ params["up"]["kernel"] + params["up"]["bias"], 0)
    return hidden @ params["down"]["kernel"] + params["down"]["bias"]


def numpy_block(params, mask, x, memory, memory_mask):
    parts = {
        "attention": lambda h: numpy_attention(params["attention"], mask, h, h),
        "cross": lambda h: numpy_attention(params["cross"], memory_mask, h, memory),
        "mlp": lambda h: numpy_mlp(params["mlp"], h),
    }
    for name, part in parts.items():
        norms = params.get(name, {})
        if "norm_before" in norms:
            x = x + part(numpy_norm(norms["norm_before"], x))
        elif "norm_after" in norms:
            x = numpy_norm(norms["norm_after"], x + part(x))
    return x


def numpy_stack(params, mask, x, memory=None, memory_mask=None):
    for layer in range(CONFIG.num_layers):
        x = numpy_block(jax.tree.map(lambda p, layer=layer: p[layer], params["blocks"]), mask, x, memory, memory_mask)
    return numpy_norm(params["norm"], x) if "norm" in params else x


def numpy_embed(params, tokens):
    table = params["embedding"]["table"]
    dim = table.shape[1]
    angle = np.arange(len(tokens))[:, None] / 10_000.0 ** (np.arange(0, dim, 2) / dim)[None]
    return table[tokens] * np.sqrt(dim) + np.stack([np.sin(angle), np.cos(angle)], -1).reshape(-1, dim)


def numpy_transformer(params, source, target):
    params = jax.tree.map(lambda p: np.asarray(p, np.float64), params)
    source, target = np.asarray(source), np.asarray(target)
    n, m = len(target), len(source)
    memory = numpy_stack(params["source"]["encoder"], np.ones((m, m), bool), numpy_embed(params["source"], source))
    x = numpy_embed(params, target)
    x = numpy_stack(params["decoder"], np.tril(np.ones((n, n), bool)), x, memory, np.ones((n, m), bool))
    return x @ params["embedding"]["table"].T


@pytest.mark.parametrize("norm_first", [True, False])
def test_transformer_equals_numpy(norm_first):
    params = filled(init_transformer, replace(CONFIG, norm_first=norm_first))
    assert params["source"]["embedding"]["table"].shape == (7, 12)
    logits = jitted_transformer(params, LAYOUTS, SOURCE, TARGET)
    chex.assert_trees_all_close(logits, numpy_transformer(params, SOURCE, TARGET).astype(np.float32), atol=2e-5)


@partial(jax.jit, static_argnames="remat")
def loss_and_gradient(params, rng, remat=False):
    """A loss of the encoder with dropout: its value and its gradient."""

    def loss(params):
        x = np.sin(np.arange(84, dtype=np.float32)).reshape(7, 12)
        return (encoder(params, tgnn.Complete(7), jnp.asarray(x), dropout_rate=0.3, rng=rng, remat=remat) ** 3).mean()

    return jax.value_and_grad(loss)(params)


@pytest.mark.slow
def test_scanned_and_listed_blocks_are_the_same():
    blocks = [jax.tree.map(lambda p, i=i: np.asarray(p)[i], ENCODER["blocks"]) for i in range(CONFIG.num_layers)]
    value, gradient = loss_and_gradient(ENCODER, RNG)
    expected, listed_gradient = loss_and_gradient(ENCODER | {"blocks": blocks}, RNG)
    chex.assert_trees_all_close(value, expected, rtol=1e-5)
    listed_gradient["blocks"] = jax.tree.map(lambda *leaves: np.stack(leaves), *listed_gradient["blocks"])
    chex.assert_trees_all_close(gradient, listed_gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_stacked_is_only_another_arrangement_of_the_same_numbers():
    configs = [replace(CONFIG, stacked=stacked) for stacked in (False, True)]
    listed, stacked = jax.jit(lambda rng: [init_encoder(rng, config)["blocks"] for config in configs])(RNG)
    chex.assert_trees_all_equal(stacked, jax.tree.map(lambda *leaves: np.stack(leaves), *listed))


@pytest.mark.slow
def test_recomputing_blocks_changes_nothing():
    chex.assert_trees_all_close(
        loss_and_gradient(ENCODER, RNG), loss_and_gradient(ENCODER, RNG, remat=True), rtol=1e-5, atol=1e-6
    )


@pytest.mark.slow
def test_dropout_follows_its_key_and_differs_between_layers():
    first, again = loss_and_gradient(ENCODER, RNG)[0], loss_and_gradient(ENCODER, RNG)[0]
    assert first == again != loss_and_gradient(ENCODER, jax.random.key(1))[0]
    # Two equal blocks that only copy what dropout leaves of a constant: each must drop other features.
    block = jax.tree.map(lambda p: p[0] * 0, ENCODER["blocks"])
    block["mlp"]["down"]["bias"] = jnp.ones(12)
    one, two = ({"blocks": [block] * depth} for depth in (1, 2))
    run = jax.jit(lambda params: encoder(params, tgnn.Complete(7), jnp.zeros((7, 12)), dropout_rate=0.5, rng=RNG))
    assert set(np.unique(run(one))) == {0, 2} and set(np.unique(run(two))) == {0, 2, 4}


SEGMENTS = np.array([0, 0, 0, 1, 1, 1, 1, -1, -1, 2, 2])
TOKENS = np.array([3, 1, 4, 1, 5, 9, 2, -1, -1, 6, 5])


@jax.jit
def packed_loss(params, segments, positions, tokens, live):
    """The sum over live tokens of squared logits, which does not see the others."""
    layout = tgnn.Causal(11).with_segments(segments)
    logits = language_model(params, layout, tokens, positions=positions)
    return (jnp.where(live[:, None], logits, 0) ** 2).sum(), logits


@pytest.mark.slow
def test_packed_documents_equal_separate_ones_with_gradients():
    gradient = jax.jit(jax.grad(packed_loss, has_aux=True))
    live = SEGMENTS >= 0
    packed_gradient, packed = gradient(MODEL, SEGMENTS, segment_positions(jnp.asarray(SEGMENTS)), TOKENS, live)
    gradients = []
    for segment in range(3):
        rows = np.nonzero(segment == SEGMENTS)[0]
        n = len(rows)
        alone = np.where(np.arange(11) < n, 0, -1)
        tokens = np.append(TOKENS[rows], np.full(11 - n, -1))
        alone_gradient, logits = gradient(MODEL, alone, jnp.arange(11), tokens, alone == 0)
        chex.assert_trees_all_close(packed[rows], logits[:n], atol=1e-5)
        gradients.append(alone_gradient)
    chex.assert_trees_all_close(packed_gradient, jax.tree.map(lambda *g: sum(g), *gradients), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_rotation_sees_distances_so_that_packing_needs_no_positions():
    block = partial(transformer_block, rotate=rotary)
    run = jax.jit(partial(language_model, block=block, encoding=None))
    packed = run(MODEL, tgnn.Causal(11).with_segments(SEGMENTS), TOKENS)
    moved = run(MODEL, tgnn.Causal(11).with_segments(np.roll(SEGMENTS, 2)), np.roll(TOKENS, 2))
    chex.assert_trees_all_close(np.roll(moved, -2, axis=0)[SEGMENTS >= 0], packed[SEGMENTS >= 0], atol=1e-5)
    plain = jax.jit(partial(language_model, encoding=None))(MODEL, tgnn.Causal(11).with_segments(SEGMENTS), TOKENS)
    assert jnp.abs(plain - packed)[SEGMENTS >= 0].max() > 1e-3


@pytest.mark.slow
@pytest.mark.nans
def test_what_padding_holds_reaches_no_live_row():
    run = jax.jit(encoder)
    x = jax.random.normal(RNG, (11, 12))
    layout = tgnn.Complete(11).with_segments(SEGMENTS)
    clean, live = run(ENCODER, layout, x), SEGMENTS >= 0
    for poison in (jnp.nan, jnp.inf, 1e30):
        chex.assert_trees_all_equal(run(ENCODER, layout, jnp.where(live[:, None], x, poison))[live], clean[live])


@pytest.mark.slow
def test_a_batch_is_a_vmap():
    batch = jnp.stack([TARGET, TARGET[::-1]])
    run = jax.jit(jax.vmap(transformer, in_axes=(None, None, None, 0)))
    logits = run(PARAMS, LAYOUTS, SOURCE, batch)
    chex.assert_trees_all_close(logits[1], jitted_transformer(PARAMS, LAYOUTS, SOURCE, batch[1]), atol=1e-5)


@pytest.mark.slow
def test_bfloat16_stays_bfloat16_and_close():
    x = jax.random.normal(RNG, (7, 12))
    wide, narrow = (
        jax.jit(encoder)(ENCODER, tgnn.Complete(7), x.astype(dtype)) for dtype in (jnp.float32, jnp.bfloat16)
    )
    assert narrow.dtype == jnp.bfloat16
    chex.assert_trees_all_close(narrow.astype(jnp.float32), wide, atol=0.1)


@pytest.mark.slow
def test_learned_positions_untied_output_and_no_biases_are_in_the_parameters():
    config = replace(CONFIG, max_length=7, tied=False, use_bias=False, gated=True)
    params = filled(init_language_model, config)
    assert params["positions"]["table"].shape == (7, 12)
    assert set(params["output"]) == {"kernel"} and "gate" in params["decoder"]["blocks"]["mlp"]
    run = jax.jit(language_model)
    logits = run(params, tgnn.Causal(7), TARGET)
    params["positions"]["table"] = params["positions"]["table"].at[4].add(1)
    changed = run(params, tgnn.Causal(7), TARGET)
    assert (changed[:4] == logits[:4]).all() and (changed[4:] != logits[4:]).any(1).all()


@pytest.mark.slow
def test_embeddings_have_the_scale_that_is_asked_for():
    params = filled(init_language_model, replace(CONFIG, max_length=7))
    plain = embed(params, TARGET, scale=1.0)
    expected = params["embedding"]["table"][TARGET] + params["positions"]["table"]
    chex.assert_trees_all_close(plain, expected, atol=1e-6)  # GPT-2's
    chex.assert_trees_all_close(embed(params, TARGET), expected * 12**0.5, atol=1e-5)
    positions = sinusoidal(jnp.arange(7), 12)
    table = MODEL["embedding"]["table"]
    chex.assert_trees_all_close(embed(MODEL, TARGET, scale=0.5), table[TARGET] / 2 + positions, atol=1e-6)


@pytest.mark.slow
def test_models_and_decoding_share_the_scale_of_embeddings_and_logits():
    block = {"scale": jnp.array([1.0, 0.5, 2.0])}
    run = jax.jit(partial(language_model, block=partial(transformer_block, **block), embedding_scale=1.0))
    logits = run(MODEL, tgnn.Causal(7), TARGET)
    step = jax.jit(partial(decode_step, block=partial(cached_block, **block), embedding_scale=1.0))
    chex.assert_trees_all_close(step(MODEL, init_cache(MODEL, 7), TARGET)[0], logits, atol=1e-5)
    assert jnp.abs(logits - jax.jit(language_model)(MODEL, tgnn.Causal(7), TARGET)).max() > 1e-3


@pytest.mark.slow
def test_a_scale_of_logits_is_a_scale_of_queries():
    params = jax.tree.map(lambda p: p[0], PARAMS["decoder"]["blocks"])
    x, memory = jax.random.normal(RNG, (7, 12)), jax.random.normal(jax.random.key(1), (5, 12))
    graphs = tgnn.Causal(7), x, memory, tgnn.Complete(7, 5)
    scaled = jax.tree.map(lambda p: p, params)
    for part in ("attention", "cross"):
        scaled[part]["query"] = jax.tree.map(lambda p: p * 3, params[part]["query"])
    run = jax.jit(transformer_block)
    chex.assert_trees_all_close(run(params, *graphs, scale=3 * 4**-0.5), run(scaled, *graphs), atol=1e-5)


def test_positions_of_another_shape_are_an_error():
    with pytest.raises(ValueError, match=r"positions must have shape \(7,\), one per token, got \(1,\)"):
        language_model(MODEL, tgnn.Causal(7), TARGET, positions=jnp.array([3]))


@pytest.mark.slow
def test_cross_attention_without_its_layout_is_an_error():
    with pytest.raises(ValueError, match="memory_layout given is False"):
        language_model(PARAMS, tgnn.Causal(7), TARGET, jnp.zeros((5, 12)))
    with pytest.raises(ValueError, match="cross=True"):
        language_model(PARAMS, tgnn.Causal(7), TARGET)
