"""Weights that are read from a model are those with which it summed, whatever runs around its layers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.filled import filled
from tests.support.models import CALLS, CONFIG, DIM, LAYOUT, NODES, TOKENS, N
from tgnn.analysis import attention_of
from tgnn.attention.scores import Additive
from tgnn.nn.basic import linear
from tgnn.nn.block import transformer_block
from tgnn.nn.multi_head import multi_head_weights
from tgnn.nn.per_head import per_head
from tgnn.nn.stack import normed
from tgnn.nn.transformer import Layouts, embed, init_language_model, init_transformer, language_model, transformer

# How many layers of attention run in a small call of each model that has any, and in two that have none.
NAMES = "gat gatv2 transformer_conv graph_transformer gps exphormer graphormer adaptive_span bp_transformer light_conv"
NAMES += " reformer sparse_transformer universal_transformer memory_network transformer_xl rgat hgt"
LAYERS = dict.fromkeys(NAMES.split(), 2) | {"multi_graph_transformer": 4, "seq2seq": 3, "gcn": 0, "tree_lstm": 0}
LAYERS["compressive_transformer"] = 6  # with what reconstructs the memories


@pytest.fixture(scope="module")
def params():
    return filled(init_language_model, CONFIG)


def total(layer):
    """What arrives at each receiver from each head, and whether an edge enters it."""
    matrix = np.asarray(layer.matrix())
    return matrix.sum(-1), np.broadcast_to(matrix.sum(0).any(-1), matrix.shape[:-1])


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_every_model_tells_what_it_looks_at(name):
    layers = jax.jit(lambda: attention_of(CALLS[name]))()
    assert len(layers) == LAYERS[name]
    for layer in layers:
        sums, entered = total(layer)
        np.testing.assert_allclose(sums, entered, atol=1e-5)


@pytest.mark.slow
def test_the_same_weights_under_jit(params):
    layers = attention_of(language_model, params, tgnn.Causal(N), TOKENS)
    jitted = jax.jit(lambda tokens: attention_of(language_model, params, tgnn.Causal(N), tokens))(TOKENS)
    for layer, other in zip(layers, jitted, strict=True):
        np.testing.assert_allclose(layer.matrix(), other.matrix(), atol=1e-6)


def test_a_language_models_weights_are_those_of_its_layers(params):
    layers = attention_of(language_model, params, tgnn.Causal(N), TOKENS)
    assert [layer.name for layer in layers] == ["attention", "attention"]
    x = embed(params, TOKENS)
    for i, layer in enumerate(layers):
        block = jax.tree.map(lambda leaf, i=i: leaf[i], params["decoder"]["blocks"])
        rows = normed(block["attention"], "norm_before", x)
        expected = multi_head_weights(block["attention"], tgnn.Causal(N), rows)
        np.testing.assert_allclose(layer.weights, expected, atol=1e-6)
        np.testing.assert_allclose(layer.of(1).weights[..., 0], expected[..., 1], atol=1e-6)
        x = transformer_block(block, tgnn.Causal(N), x)


def test_a_gats_weights_are_in_the_order_of_its_edges():
    params = filled(tgnn.models.init_gat, (DIM, 3, 2), num_heads=2)
    first = attention_of(tgnn.models.gat, params, LAYOUT, NODES)[0]
    value = linear(params[0]["linear"], NODES)
    score = Additive(params[0]["receiver_vector"], params[0]["sender_vector"])
    expected = tgnn.attention_weights(first.layout, value, value, score=score)
    np.testing.assert_allclose(first.weights, expected, atol=1e-6)
    senders, receivers, weights, n, m = first.edges()
    matrix = np.zeros((2, n, m))
    np.add.at(matrix, (slice(None), receivers, senders), weights.T)
    np.testing.assert_allclose(first.matrix(), matrix, atol=1e-6)


@pytest.mark.slow
def test_the_layers_of_an_encoder_decoder_have_names():
    layouts = Layouts(tgnn.Complete(N), tgnn.Causal(3), tgnn.Complete(3, N))
    layers = attention_of(transformer, filled(init_transformer, CONFIG), layouts, TOKENS, TOKENS[:3])
    assert [x.name for x in layers] == ["encoder/attention"] * 2 + ["decoder/attention", "decoder/cross"] * 2
    assert layers[-1].matrix().shape == (2, 3, N)


@pytest.mark.slow
def test_vmap_inside_gives_an_axis_in_front(params):
    texts = jnp.stack([TOKENS, TOKENS[::-1]])
    run = jax.vmap(lambda tokens: language_model(params, tgnn.Causal(N), tokens))
    layers = attention_of(run, texts)
    expected = attention_of(language_model, params, tgnn.Causal(N), texts[1])
    assert (layers[0].axes, layers[0].weights.shape) == (1, (2, N, N, 2))
    np.testing.assert_allclose(layers[1][1].weights, expected[1].weights, atol=1e-6)
    np.testing.assert_allclose(layers[1].matrix()[1], expected[1].matrix(), atol=1e-6)
    outside = jax.vmap(lambda tokens: attention_of(language_model, params, tgnn.Causal(N), tokens)[1].weights)(texts)
    np.testing.assert_allclose(outside, layers[1].weights, atol=1e-6)
    twice = attention_of(jax.vmap(run), texts[None])
    np.testing.assert_allclose(twice[1][0][1].weights, expected[1].weights, atol=1e-6)
    with pytest.raises(ValueError, match=r"under 1 jax.vmap; take one .* layer\[i\]"):
        layers[0].edges()


@pytest.mark.slow
def test_graphs_that_vmap_takes_apart_stay_apart():
    graphs = [LAYOUT, tgnn.EdgeList.from_edges([5, 4, 3, 1, 0, 2], [0, 1, 2, 3, 4, 5], n_receivers=N)]
    sizes = {"num_layers": 2, "model_dim": DIM, "num_heads": 2, "num_graphs": 2}
    params = filled(tgnn.models.init_multi_graph_transformer, **sizes)
    listed = attention_of(tgnn.models.multi_graph_transformer, params, graphs, jnp.asarray(NODES))
    stacked = attention_of(tgnn.models.multi_graph_transformer, params, tgnn.stack(graphs), jnp.asarray(NODES))
    assert (len(listed), len(stacked)) == (4, 2)
    for i, layer in enumerate(listed):
        np.testing.assert_allclose(layer.matrix(), stacked[i // 2].matrix()[i % 2], atol=1e-5)


def test_heads_with_graphs_of_their_own_are_one_layer():
    past, near = tgnn.Causal(N), tgnn.Window(N, 1, 1)
    params = filled(tgnn.nn.multi_head.init_multi_head_attention, DIM, 4)
    (layer,) = attention_of(tgnn.nn.multi_head.multi_head_attention, params, per_head(past, {1: near, 3: near}), NODES)
    assert layer.num_heads == 4
    for head, graph in enumerate([past, near, past, near]):
        expected = multi_head_weights(params, graph, NODES, head=head)
        np.testing.assert_allclose(layer.of(head).weights, expected, atol=1e-6)
    senders, receivers, weights, *_ = layer.edges()
    matrix = np.asarray(layer.matrix())
    np.testing.assert_allclose(weights.T, matrix[:, receivers, senders])
    assert set(zip(*np.nonzero(matrix.any(0)), strict=True)) <= set(zip(receivers, senders, strict=True))
    with pytest.raises(ValueError, match="graphs of their own"):
        _ = layer.weights
    with pytest.raises(ValueError, match="head is 4 but there are 4"):
        layer.of(4)


@pytest.mark.slow
def test_weights_have_gradients(params):
    def read(params):
        return (attention_of(language_model, params, tgnn.Causal(N), TOKENS)[0].weights ** 2).sum()

    def by_hand(params):
        block = jax.tree.map(lambda leaf: leaf[0], params["decoder"]["blocks"])["attention"]
        rows = normed(block, "norm_before", embed(params, TOKENS))
        return (multi_head_weights(block, tgnn.Causal(N), rows) ** 2).sum()

    for found, expected in zip(*(jax.tree.leaves(jax.grad(f)(params)) for f in (read, by_hand)), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["checkpoint", "while"])
def test_what_jax_traces_apart_is_refused(kind):
    x = jnp.asarray(NODES)[:, None]

    def loop(x):
        return jax.lax.while_loop(lambda x: x.sum() < 0, lambda x: tgnn.attend(LAYOUT, x, x, x), x)

    run = {"checkpoint": jax.checkpoint(lambda x: tgnn.attend(LAYOUT, x, x, x)), "while": loop}[kind]
    with pytest.raises(ValueError, match="traces apart.*remat=False"):
        jax.jit(lambda x: attention_of(run, x))(x)


def test_no_attention_is_no_layer_and_nothing_is_heard_afterwards():
    assert attention_of(tgnn.aggregate, LAYOUT, jnp.asarray(NODES)) == ()
    x = jnp.asarray(NODES)[:, None]
    with pytest.raises(ValueError, match="query has"):
        attention_of(tgnn.attend, LAYOUT, x[:2], x, x)
    assert tgnn.attend(LAYOUT, x, x, x).shape == x.shape


def test_a_layer_is_shown_in_a_line():
    x = jnp.asarray(NODES)[:, None]
    (layer,) = attention_of(tgnn.attend, tgnn.Window(N, 1, 1), x, x, x)
    assert repr(layer).startswith("Attention(attention, 1 heads, Window(n=6") and "\n" not in repr(layer)
    with pytest.raises(IndexError, match="ran once"):
        layer[0]
