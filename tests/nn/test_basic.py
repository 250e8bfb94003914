"""Linear maps, norms, embeddings, dropout and multi-head attention, each against its equation in NumPy."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.filled import filled
from tgnn.nn.basic import (
    dropout,
    embedding,
    init_embedding,
    init_layer_norm,
    init_linear,
    init_mlp,
    init_rms_norm,
    layer_norm,
    linear,
    mlp,
    rms_norm,
)
from tgnn.nn.block import TransformerConfig, feed_forward, init_block, transformer_block
from tgnn.nn.multi_head import KeyValue, init_multi_head_attention, multi_head_attention, project_key_value
from tgnn.nn.tokens import unembed
from tgnn.nn.transformer import init_language_model, language_model

RNG = jax.random.key(0)
CONFIG = TransformerConfig(vocab_size=9, model_dim=12, num_heads=2, num_layers=1, hidden_dim=5)
X = np.random.default_rng(0).normal(size=(7, 12)).astype(np.float32)


def test_linear_contracts_the_named_axes():
    params = init_linear(RNG, (3, 4), (5, 2))
    params["bias"] = jnp.arange(10.0).reshape(5, 2)
    expected = np.einsum("nab,abcd->ncd", X.reshape(7, 3, 4), params["kernel"]) + np.asarray(params["bias"])[None]
    chex.assert_trees_all_close(linear(params, X.reshape(7, 3, 4), in_axes=2), expected, rtol=1e-5, atol=1e-5)


def test_linear_computes_in_the_dtype_of_its_input():
    assert linear(init_linear(RNG, 12, 5), jnp.asarray(X, jnp.bfloat16)).dtype == jnp.bfloat16


def test_linear_names_the_axes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"x has shape \(7, 12\).*\(11,\)"):
        linear(init_linear(RNG, 11, 5), X)


def test_init_linear_is_glorot():
    kernel = init_linear(RNG, 101, (7, 13))["kernel"]
    limit = np.sqrt(6 / (101 + 91))
    assert kernel.shape == (101, 7, 13) and 0.99 * limit < jnp.abs(kernel).max() <= limit
    assert "bias" not in init_linear(RNG, 3, 2, use_bias=False)


def test_layer_norm_and_rms_norm_equal_their_equations():
    wide = X.astype(np.float64)
    centred = wide - wide.mean(-1, keepdims=True)
    params = {"scale": jnp.arange(12.0), "bias": jnp.ones(12)}
    expected = centred / np.sqrt(wide.var(-1, keepdims=True) + 1e-5) * np.arange(12) + 1
    chex.assert_trees_all_close(layer_norm(params, X), expected.astype(np.float32), atol=1e-5)
    expected = wide / np.sqrt((wide**2).mean(-1, keepdims=True) + 1e-6)
    chex.assert_trees_all_close(rms_norm(init_rms_norm(12), X), expected.astype(np.float32), atol=1e-5)


@pytest.mark.slow
def test_norms_of_constant_rows_are_finite_with_gradients():
    for norm, params in ((layer_norm, init_layer_norm(5)), (rms_norm, init_rms_norm(5))):
        value, gradient = jax.value_and_grad(lambda x, norm=norm, params=params: norm(params, x).sum())(
            jnp.zeros((3, 5))
        )
        assert value == 0 and jnp.isfinite(gradient).all()


def test_norms_keep_statistics_in_float32():
    x = 300 + jnp.arange(128.0)[None]
    exact = layer_norm(init_layer_norm(128), x)
    rounded = layer_norm(init_layer_norm(128), x.astype(jnp.bfloat16))
    assert rounded.dtype == jnp.bfloat16
    chex.assert_trees_all_close(rounded.astype(jnp.float32), exact, atol=0.05)


@pytest.mark.slow
def test_norms_square_in_float32_what_float16_cannot():
    x = jnp.array([[300.0, -300.0]], jnp.float16)  # 90,000 is beyond 65,504
    np.testing.assert_array_equal(rms_norm(init_rms_norm(2), x), [[1, -1]])
    np.testing.assert_array_equal(layer_norm(init_layer_norm(2), x), [[1, -1]])


def test_embedding_gives_zeros_for_padding_and_no_gradient():
    params = init_embedding(RNG, 5, 3)
    ids = jnp.array([4, -1, 0])
    chex.assert_trees_all_equal(
        embedding(params, ids), params["table"][jnp.array([4, 0, 0])] * jnp.array([[1], [0], [1]])
    )
    gradient = jax.grad(lambda p: embedding(p, ids).sum())(params)["table"]
    chex.assert_trees_all_equal(gradient.sum(1), 3.0 * jnp.array([1, 0, 0, 0, 1]))


@pytest.mark.parametrize("bad", [5, -2])
def test_embedding_of_unknown_ids_is_an_error_or_zeros_under_jit(bad):
    params = init_embedding(RNG, 5, 3)
    with pytest.raises(ValueError, match="table has 5 rows"):
        embedding(params, jnp.array([0, bad]))
    assert (jax.jit(embedding)(params, jnp.array([0, bad]))[1] == 0).all()


def test_embedding_refuses_floats():
    with pytest.raises(ValueError, match="float32"):
        embedding(init_embedding(RNG, 5, 3), jnp.array([0.0]))


REFUSED = {
    "linear": lambda x: linear(init_linear(RNG, 3, 2), x),
    "mlp": lambda x: mlp(init_mlp(RNG, (3, 2)), x),
    "layer_norm": lambda x: layer_norm(init_layer_norm(3), x),
    "rms_norm": lambda x: rms_norm(init_rms_norm(3), x),
    "dropout": lambda x: dropout(RNG, x, 0.5),
    "unembed": lambda x: unembed({"embedding": {"table": jnp.ones((5, 3))}}, x),
    "attention": lambda x: multi_head_attention(init_multi_head_attention(RNG, 3, 1), tgnn.Complete(3), x),
}


@pytest.mark.parametrize("name", REFUSED)
def test_no_integers_where_real_numbers_are_meant(name):
    for x in (jnp.eye(3, dtype=int), np.eye(3, dtype=np.uint8), jnp.eye(3, dtype=bool)):
        with pytest.raises(ValueError, match=f"x must be floating point, got {x.dtype}"):
            REFUSED[name](x)
    with pytest.raises(ValueError, match="x must be an array, got list"):
        REFUSED[name]([[1.0, 2.0, 3.0]])


DROPPING = {
    "dropout": lambda rng: dropout(rng, jnp.asarray(X), 0.5),
    "mlp": lambda rng: mlp(init_mlp(RNG, (12, 2)), X, dropout_rate=0.5, rng=rng),
    "feed_forward": lambda rng: feed_forward(filled(init_block, CONFIG)["mlp"], X, dropout_rate=0.5, rng=rng),
    "attention": lambda rng: multi_head_attention(
        filled(init_multi_head_attention, 12, 2), tgnn.Complete(7), X, dropout_rate=0.5, rng=rng
    ),
    "block": lambda rng: transformer_block(filled(init_block, CONFIG), tgnn.Complete(7), X, dropout_rate=0.5, rng=rng),
    "language model": lambda rng: language_model(
        filled(init_language_model, CONFIG), tgnn.Causal(7), jnp.arange(7), dropout_rate=0.5, rng=rng
    ),
}


@pytest.mark.parametrize("name", DROPPING)
def test_dropout_without_a_key_is_never_silently_off(name):
    with pytest.raises(ValueError, match="dropout_rate is 0.5 but rng is None; pass a PRNG key"):
        DROPPING[name](None)


SIZES = {
    "num_heads": lambda: init_multi_head_attention(RNG, 12, 0),
    "num_key_heads": lambda: init_multi_head_attention(RNG, 12, 4, num_key_heads=0),
    "head_dim": lambda: init_multi_head_attention(RNG, 12, 4, head_dim=0),
    "out_dim": lambda: init_linear(RNG, 3, (4, 0)),
    "vocab_size": lambda: init_embedding(RNG, 0, 3),
    "dim": lambda: init_embedding(RNG, 3, 0),
} | {
    name: lambda name=name: TransformerConfig(**({"vocab_size": 5} | {name: 0}))
    for name in ("num_layers", "model_dim", "hidden_dim", "max_length", "source_vocab_size")
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_of_nothing_are_errors_that_name_them(name):
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1, got 0"):
        SIZES[name]()


def test_norms_and_perceptrons_of_another_size_are_errors():
    with pytest.raises(ValueError, match=r"x has shape \(7, 12\) but its last axis must have the size 1 of"):
        layer_norm(init_layer_norm(1), X)
    with pytest.raises(ValueError, match="dims must have at least two sizes"):
        init_mlp(RNG, (3,))


@pytest.mark.slow
def test_bfloat16_works_under_strict_promotion():
    x = jnp.asarray(X, jnp.bfloat16)
    with jax.numpy_dtype_promotion("strict"):
        for norm, init in ((layer_norm, init_layer_norm), (rms_norm, init_rms_norm)):
            assert norm(init(12), x).dtype == jnp.bfloat16
        assert mlp(init_mlp(RNG, (12, 5, 3)), x, dropout_rate=0.5, rng=RNG).dtype == jnp.bfloat16
        assert embedding({"table": x}, np.array([3, -1], np.int8)).dtype == jnp.bfloat16
        assert feed_forward(filled(init_block, CONFIG)["mlp"], x).dtype == jnp.bfloat16


@pytest.mark.slow
def test_mlp_is_linear_maps_with_activations_between():
    params = init_mlp(RNG, (12, 5, 3))
    hidden = np.maximum(X @ params[0]["kernel"], 0)
    chex.assert_trees_all_close(mlp(params, X), hidden @ params[1]["kernel"], atol=1e-5)
    assert (mlp(params, X, dropout_rate=0.5, rng=RNG) != mlp(params, X)).any()


@pytest.mark.slow
def test_dropout_keeps_the_mean_and_drops_at_its_rate():
    y = dropout(RNG, jnp.ones(100_003), 0.3)
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.7)}
    assert abs((y == 0).mean() - 0.3) < 0.01
    chex.assert_trees_all_equal(dropout(None, X, 0.0), X)
    with pytest.raises(ValueError, match=r"dropout_rate must be in \[0, 1\), got 1.5"):
        dropout(RNG, X, 1.5)


@pytest.mark.slow
@pytest.mark.parametrize("key_heads", [4, 2])
def test_multi_head_attention_equals_numpy(key_heads):
    params = init_multi_head_attention(RNG, 12, 4, num_key_heads=key_heads, memory_dim=5)
    params = jax.tree.map(lambda p: p + 0.1, params)
    memory = np.random.default_rng(1).normal(size=(11, 5)).astype(np.float32)
    project = {name: np.asarray(p["kernel"], np.float64) for name, p in params.items()}
    query = np.einsum("nm,mhd->nhd", X, project["query"]) + 0.1
    key, value = (
        np.repeat(np.einsum("nm,mhd->nhd", memory, project[name]) + 0.1, 4 // key_heads, 1) for name in ("key", "value")
    )
    weights = np.exp(np.einsum("nhd,mhd->nmh", query, key) / np.sqrt(3))
    weights /= weights.sum(1, keepdims=True)
    expected = np.einsum("nhd,hdm->nm", np.einsum("nmh,mhd->nhd", weights, value), project["output"]) + 0.1
    layout = tgnn.Complete(7, 11)
    output = jax.jit(multi_head_attention)(params, layout, X, memory)
    chex.assert_trees_all_close(output, expected.astype(np.float32), atol=1e-5)
    projected = project_key_value(params, memory)
    assert isinstance(projected, KeyValue) and projected.key.shape == (11, key_heads, 3)
    chex.assert_trees_all_close(jax.jit(multi_head_attention)(params, layout, X, projected), output, atol=1e-6)


def test_multi_head_attention_names_heads_that_do_not_divide():
    with pytest.raises(ValueError, match="model_dim 12 .* num_heads 5"):
        init_multi_head_attention(RNG, 12, 5)
    with pytest.raises(ValueError, match="num_heads 4 .* num_key_heads 3"):
        init_multi_head_attention(RNG, 12, 4, num_key_heads=3)
