"""The all-attention network against one softmax over tokens and persistent vectors side by side."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.filled import filled
from tests.support.sequence_models import CONFIG, KEY, check_equal, check_logits, masked_softmax, tokens_of
from tgnn.models.sequences.all_attention import all_attention, init_all_attention, persistent_attention
from tgnn.nn.basic import linear
from tgnn.nn.positions import rotary
from tgnn.nn.stack import run_parts
from tgnn.nn.transformer import language_model

N, VECTORS = 13, 5
CAUSAL, WINDOW = tgnn.Causal(N), tgnn.Window(N, 3, 0)


def concatenated(params, graph, x):
    """Keys and values of both kinds in one array, as in the paper, and one dense softmax over them."""
    mask = jnp.asarray(graph.adjacency())
    places, own = jnp.arange(x.shape[0]), params["persistent"]
    query, key, value = (linear(params[name], x) for name in ("query", "key", "value"))
    number, _, head_dim = own["key"].shape
    to_tokens = jnp.einsum("nhd,mhd->hnm", rotary(query, places), rotary(key, places))
    to_vectors = jnp.einsum("nhd,mhd->hnm", query, own["key"] * np.sqrt(head_dim))
    logits = jnp.concatenate([to_tokens, to_vectors], -1) / np.sqrt(head_dim)  # [heads, n, n + vectors]
    mask = jnp.concatenate([mask, jnp.ones((x.shape[0], number), bool)], -1)
    values = jnp.concatenate([value, own["value"] * np.sqrt(number)])
    output = jnp.einsum("hnm,mhd->nhd", masked_softmax(logits, mask[None]), values)
    return linear(params["output"], output, in_axes=2)


def dense_block(params, graph, x, memory=None, memory_layout=None, *, dropout_rate=0.0, rng=None):
    return run_parts(params, {"attention": lambda h, rng: concatenated(params["attention"], graph, h)}, x)


@pytest.mark.slow
@pytest.mark.parametrize(
    "graph, check",
    [(CAUSAL, check_equal), (WINDOW, check_logits), (CAUSAL.to_edges(), check_logits)],
    ids=["causal", "window", "edges"],
)
def test_it_is_one_softmax_over_tokens_and_vectors(graph, check):
    params = filled(init_all_attention, CONFIG, num_vectors=VECTORS)
    assert set(params["decoder"]["blocks"]) == {"attention"}
    dense = partial(language_model, encoding=None, block=dense_block)
    check(all_attention, dense, params, graph, tokens_of(N))


@pytest.mark.slow
def test_weights_are_dropped_as_in_one_call_over_both():
    """A graph whose senders are the tokens and, behind them, the vectors."""
    block = jax.tree.map(lambda leaf: leaf[0], filled(init_all_attention, CONFIG, num_vectors=VECTORS))["decoder"]
    params, x = block["blocks"]["attention"], jax.random.normal(KEY, (N, CONFIG.model_dim))
    # Keys of 0: positions, which the parts see differently, play no part.
    params = params | {"key": jax.tree.map(jnp.zeros_like, params["key"])}
    own, head_dim = params["persistent"], params["persistent"]["key"].shape[-1]
    key = jnp.concatenate([jnp.zeros((N, *own["key"].shape[1:])), own["key"] * head_dim**0.5])
    value = jnp.concatenate([linear(params["value"], x), own["value"] * VECTORS**0.5])
    mask = np.concatenate([CAUSAL.adjacency(), np.ones((N, VECTORS), bool)], axis=1)
    options = {"dropout_rate": 0.4, "rng": KEY}
    whole = tgnn.attend(tgnn.Dense(mask), linear(params["query"], x), key, value, **options)
    found = persistent_attention(params, CAUSAL, x, **options)
    np.testing.assert_allclose(found, linear(params["output"], whole, in_axes=2), atol=1e-5)


def test_vectors_have_the_weights_of_the_layer_that_they_stand_for():
    def size(**options):
        params = jax.eval_shape(partial(init_all_attention, config=CONFIG, **options), KEY)
        return sum(leaf.size for leaf in jax.tree.leaves(params["decoder"]["blocks"]["attention"]["persistent"]))

    assert size() == CONFIG.num_layers * 2 * CONFIG.model_dim * CONFIG.hidden_dim
    assert size(num_vectors=0) == 0
    with pytest.raises(ValueError, match="num_vectors"):
        init_all_attention(KEY, CONFIG, num_vectors=-1)


@pytest.mark.slow
def test_a_token_without_a_sender_still_sees_the_vectors():
    params = filled(init_all_attention, CONFIG, num_vectors=VECTORS)
    part = jax.tree.map(lambda leaf: leaf[0], params["decoder"]["blocks"]["attention"])
    x = jax.random.normal(KEY, (3, CONFIG.model_dim))
    nothing = tgnn.EdgeList.from_edges([], [], n_receivers=3)
    found = persistent_attention(part, nothing, x)
    np.testing.assert_allclose(found, concatenated(part, nothing, x), atol=1e-5)
    none = jax.tree.map(lambda leaf: leaf[:0], part["persistent"])
    alone = persistent_attention(part | {"persistent": none}, tgnn.Causal(3), x)
    assert np.isfinite(alone).all()
