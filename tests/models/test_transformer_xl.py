"""Transformer-XL and the Compressive Transformer: what a text says does not depend on where its segments are cut."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.support.filled import filled
from tests.support.sequence_models import (
    CONFIG,
    ONE,
    SIZES,
    VOCAB,
    close,
    dense_block,
    dense_stack,
    outcomes,
    tokens_of,
)
from tgnn.models.sequences.compressive_transformer import (
    compressive_transformer,
    init_compressive_transformer,
)
from tgnn.models.sequences.compressive_transformer import (
    init_compressive_transformer_state as init_memories,
)
from tgnn.models.sequences.transformer_xl import init_transformer_xl, transformer_xl
from tgnn.models.sequences.transformer_xl import init_transformer_xl_state as init_past
from tgnn.nn.basic import layer_norm, linear
from tgnn.nn.positions import sinusoidal
from tgnn.nn.transformer import embed, unembed


@pytest.fixture(scope="module")
def xl_params():
    return filled(init_transformer_xl, CONFIG, position_dim=6)


@pytest.fixture(scope="module")
def long_segment(xl_params):
    """A text of 13 tokens, and its logits in one go."""
    tokens = tokens_of(13)
    return tokens, jax.jit(transformer_xl)(xl_params, tokens, init_past(xl_params, 13))[0]


def relative_exponentials(part, query, rows, mask=True):
    """The paper's four terms, with a vector for every distance."""
    n, m = len(query), len(rows)
    distance = m - n + np.arange(n)[:, None] - np.arange(m)[None, :]
    query, key = linear(part["query"], query), linear(part["key"], rows)
    wave = jnp.einsum("nmp,phd->nmhd", sinusoidal(jnp.asarray(distance), 6), part["position"]["kernel"])
    logits = jnp.einsum("nhd,mhd->nmh", query + part["content_bias"][None], key)
    logits = logits + jnp.einsum("nhd,nmhd->nmh", query + part["position_bias"][None], wave)
    return jnp.where((distance[..., None] >= 0) & mask, jnp.exp(logits / np.sqrt(query.shape[-1])), 0)


@pytest.mark.slow
@pytest.mark.parametrize("n", SIZES)
def test_transformer_xl_is_the_papers_four_terms(n):
    params = filled(init_transformer_xl, ONE, position_dim=6)
    tokens, past = tokens_of(n), init_past(params, 3)
    dense = partial(dense_stack, tokens=tokens, attention=relative_exponentials, encoding=None)
    close(*outcomes(params, lambda p: transformer_xl(p, tokens, past)[0], dense))


@pytest.mark.slow
@pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.slow), 5])
def test_a_cached_past_equals_one_long_segment(xl_params, long_segment, n):
    tokens, long = long_segment
    run, past, logits = jax.jit(transformer_xl), init_past(xl_params, 13), []
    for start in range(0, 13, n):
        part_logits, past = run(xl_params, jnp.pad(tokens[start : start + n], (0, max(start + n - 13, 0))), past)
        logits.append(part_logits)
    close(jnp.concatenate(logits)[:13], long)


@pytest.mark.slow
def test_a_short_memory_suffices_for_a_short_span(xl_params):
    tokens, run = tokens_of(13), jax.jit(partial(transformer_xl, span=4))
    long, _ = run(xl_params, tokens, init_past(xl_params, 4))
    past, logits = init_past(xl_params, 4), []
    for part in (tokens[:5], tokens[5:12], tokens[12:]):
        part_logits, past = run(xl_params, part, past)
        logits.append(part_logits)
    close(jnp.concatenate(logits), long)


@pytest.mark.slow
def test_no_gradient_reaches_the_segment_before(xl_params):
    def loss(params):
        _, past = transformer_xl(params, tokens_of(4), init_past(params, 4))
        return past.hidden.sum()

    assert all(not leaf.any() for leaf in jax.tree.leaves(jax.jit(jax.grad(loss))(xl_params)))


@pytest.fixture(scope="module")
def compressive_params():
    return filled(init_compressive_transformer, CONFIG, rate=2, position_dim=6)


@pytest.mark.slow
def test_the_compressive_transformer_is_its_dense_form(compressive_params):
    """Three segments of 4; 6 recent rows, of which 2 leave in the second segment and 4 in the third."""
    segments = [tokens_of(12)[i : i + 4] for i in (0, 4, 8)]
    before = init_memories(compressive_params, 6, 3)
    run = jax.jit(compressive_transformer)
    for tokens in segments[:2]:
        memories_before, before = before, run(compressive_params, tokens, before).memories
    assert memories_before.recent_live.tolist() == [False, False, True, True, True, True]
    assert before.compressed_live.tolist() == [False, False, True] and before.recent_live.all()
    live = np.append(np.r_[before.compressed_live, before.recent_live], np.ones(4, bool))

    def dense(params):
        x, compressed = embed(params, segments[2], encoding=None), []
        for i in range(2):
            block = jax.tree.map(lambda leaf, i=i: leaf[i], params["decoder"]["blocks"])
            senders = jnp.concatenate([before.compressed[i], before.recent[i], x])
            pairs = before.recent[i, :4].reshape(2, 16)
            rows = pairs @ block["compression"]["kernel"].reshape(16, 8) + block["compression"]["bias"][None]
            compressed.append(jnp.concatenate([before.compressed[i], rows])[2:])
            x = dense_block(block, x, senders, partial(relative_exponentials, mask=live[None, :, None]))
        memory = jax.lax.stop_gradient(jnp.stack(compressed))
        return unembed(params, layer_norm(params["decoder"]["norm"], x)), memory

    def mine(params):
        output = compressive_transformer(params, segments[2], before)
        return output.logits, output.memories.compressed

    close(*outcomes(compressive_params, mine, dense))


@pytest.mark.slow
def test_nothing_compressed_is_transformer_xl(compressive_params):
    tokens, empty = tokens_of(8), init_memories(compressive_params, 5, 0)
    output = jax.jit(compressive_transformer)(compressive_params, tokens, empty)
    close(
        output.logits,
        jax.jit(transformer_xl)(compressive_params, tokens, init_past(compressive_params, 5))[0],
    )


@pytest.mark.slow
@pytest.mark.parametrize("n_recent", [4, 2])
def test_reconstruction_trains_the_compression_alone(compressive_params, n_recent):
    """Also where a part of the segment itself leaves the memory at once."""
    before = init_memories(compressive_params, n_recent, 2)
    first = jax.jit(compressive_transformer)(compressive_params, tokens_of(4), before)
    assert (first.reconstruction == 0) == (n_recent == 4)  # nothing has left the memory yet

    def loss(params):
        return compressive_transformer(params, tokens_of(4), first.memories).reconstruction

    gradients = jax.jit(jax.grad(loss))(compressive_params)
    compression = gradients["decoder"]["blocks"].pop("compression")
    assert all(leaf.any() for leaf in jax.tree.leaves(compression))
    assert all(not leaf.any() for leaf in jax.tree.leaves(gradients))


def test_a_segment_is_a_multiple_of_the_rate(compressive_params):
    with pytest.raises(ValueError, match="tokens has 3 rows, but 2 of them become one"):
        compressive_transformer(compressive_params, tokens_of(3), init_memories(compressive_params, 4, 2))


@pytest.mark.slow
def test_an_empty_segment_leaves_the_memories_as_they_are(compressive_params):
    run = jax.jit(compressive_transformer)
    memories = run(compressive_params, tokens_of(4), init_memories(compressive_params, 4, 2)).memories
    output = run(compressive_params, tokens_of(0), memories)
    assert output.logits.shape == (0, VOCAB) and output.reconstruction == 0
    chex.assert_trees_all_equal(output.memories, memories)
