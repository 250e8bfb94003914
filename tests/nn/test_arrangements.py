"""Norms around a part, a gate for its residual sum, and blocks that read all before them, against NumPy float64."""

from dataclasses import replace
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.nn.test_transformer import numpy_attention, numpy_mlp, numpy_norm
from tests.support.filled import filled
from tgnn.nn.block import TransformerConfig, init_block, transformer_block
from tgnn.nn.decoding import decode_step, init_cache
from tgnn.nn.gating import gru_gate, init_gru_gate
from tgnn.nn.layer_mixing import init_mixing
from tgnn.nn.transformer import decoder, init_decoder, init_language_model, language_model

N, DIM = 5, 12
CONFIG = TransformerConfig(vocab_size=13, model_dim=DIM, num_heads=3, hidden_dim=11, num_layers=3)
SANDWICH, GATED = replace(CONFIG, sandwich=True), replace(CONFIG, gru_bias=2.0)
ALL = replace(CONFIG, sandwich=True, gru_bias=2.0, mixed=True)
X = np.random.default_rng(0).normal(size=(N, DIM))
MASK = np.tril(np.ones((N, N), bool))


def wide(params):
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)


def numpy_gate(params, x, y):
    """The six products of the paper, x being what the sum would add to."""
    sigmoid = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    W, U = ({name: each[name]["kernel"] for name in each} for each in (params["new"], params["old"]))  # noqa: N806
    r = sigmoid(y @ W["reset"] + x @ U["reset"])
    z = sigmoid(y @ W["update"] + x @ U["update"] - params["bias"])
    candidate = np.tanh(y @ W["candidate"] + (r * x) @ U["candidate"])
    return (1 - z) * x + z * candidate


def numpy_block(params, x, mask=MASK):
    """Pre-LN or post-LN, with whatever else stands in the parameters."""
    parts = {"attention": lambda p, h: numpy_attention(p, mask, h, h), "mlp": numpy_mlp}
    norm = lambda p, name, h: numpy_norm(p[name], h) if name in p else h  # noqa: E731
    for name, part in parts.items():
        p = params[name]
        new = norm(p, "norm_inside", part(p, norm(p, "norm_before", x)))
        x = norm(p, "norm_after", numpy_gate(p["gru"], x, np.maximum(new, 0)) if "gru" in p else x + new)
    return x


@pytest.mark.parametrize(
    "config",
    [SANDWICH, replace(SANDWICH, norm_first=False), GATED, replace(GATED, sandwich=True)],
    ids=["sandwich", "post-LN sandwich", "gated", "gated sandwich"],
)
def test_a_block_equals_numpy(config):
    params = filled(init_block, config)
    y = jax.jit(transformer_block)(params, tgnn.Causal(N), jnp.asarray(X, jnp.float32))
    np.testing.assert_allclose(y, numpy_block(wide(params), X), rtol=1e-4, atol=2e-5)


@pytest.mark.slow
def test_the_essays_block_is_the_sandwich_around_the_map_of_nodes():
    """x + LN(MLP(LN(x))), when attention adds nothing."""
    params = wide(filled(init_block, SANDWICH))
    params["attention"]["norm_inside"] = jax.tree.map(np.zeros_like, params["attention"]["norm_inside"])
    mlp = params["mlp"]
    expected = X + numpy_norm(mlp["norm_inside"], numpy_mlp(mlp, numpy_norm(mlp["norm_before"], X)))
    narrow = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), params)
    y = jax.jit(transformer_block)(narrow, tgnn.Causal(N), jnp.asarray(X, jnp.float32))
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def test_a_gate_equals_its_equations_and_its_bias_keeps_what_was():
    params = filled(init_gru_gate, DIM)
    old, new = jnp.asarray(X, jnp.float32), jnp.asarray(X[::-1], jnp.float32)
    gate = jax.jit(gru_gate)
    np.testing.assert_allclose(gate(params, old, new), numpy_gate(wide(params), X, X[::-1]), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gate(params | {"bias": jnp.full(DIM, 1e4)}, old, new), old)
    assert init_gru_gate(jax.random.key(0), DIM)["bias"].tolist() == [2.0] * DIM
    half = gate(params, old.astype(jnp.bfloat16), new.astype(jnp.bfloat16))
    assert half.dtype == jnp.bfloat16
    np.testing.assert_allclose(half.astype(jnp.float32), gate(params, old, new), atol=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("norm_first", [True, False], ids=["pre-LN", "post-LN"])
def test_a_mixed_stack_equals_numpy(norm_first):
    config = replace(CONFIG, mixed=True, norm_first=norm_first)
    params = filled(partial(init_decoder, cross=False), config)
    y = jax.jit(decoder)(params, tgnn.Causal(N), jnp.asarray(X, jnp.float32))
    given = wide(params)
    mixing, norms = given["mixing"], lambda name, row: jax.tree.map(lambda leaf: leaf[row], given["mixing"][name])
    outputs = []

    def put(row, x):
        outputs.append(numpy_norm(norms("norm_before", row), x) if norm_first else x)

    def read(row):
        x = sum(mixing["weights"][row, k] * y for k, y in enumerate(outputs))
        return x if norm_first else numpy_norm(norms("norm_after", row), x)

    put(0, X)
    for layer in range(config.num_layers):
        put(layer + 1, numpy_block(jax.tree.map(lambda leaf, i=layer: leaf[i], given["blocks"]), read(layer)))
    expected = numpy_norm(given["norm"], read(config.num_layers)) if norm_first else read(config.num_layers)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=5e-5)


@pytest.mark.slow
def test_a_mixing_that_only_looks_at_the_last_output_is_the_plain_stack():
    plain = filled(partial(init_decoder, cross=False), CONFIG)
    identity = {"weights": jnp.eye(CONFIG.num_layers + 1)}
    x, run = jnp.asarray(X, jnp.float32), jax.jit(decoder)
    chex.assert_trees_all_close(run(plain | {"mixing": identity}, tgnn.Causal(N), x), run(plain, tgnn.Causal(N), x))


def test_a_mixing_begins_as_an_average():
    shapes = jax.eval_shape(lambda rng: init_decoder(rng, ALL, cross=False), jax.random.key(0))
    assert shapes["mixing"]["norm_before"]["scale"].shape == (4, DIM)
    weights = np.asarray(init_mixing(3, {"scale": jnp.ones(DIM)})["weights"])
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)
    assert not np.triu(weights, 1).any() and np.ptp(weights[2, :3]) == 0


@pytest.mark.slow
def test_gradients_reach_everything_but_the_future_and_lists_and_recomputing_change_nothing():
    params = filled(partial(init_decoder, cross=False), ALL)
    x = jnp.asarray(X, jnp.float32)

    @partial(jax.jit, static_argnames="remat")
    def gradient(params, remat=False):
        return jax.grad(lambda p: (decoder(p, tgnn.Causal(N), x, remat=remat) ** 3).mean())(params)

    found = gradient(params)
    assert not np.triu(found["mixing"]["weights"], 1).any()
    assert all(jnp.abs(leaf).max() > 0 for leaf in jax.tree.leaves(found))
    chex.assert_trees_all_close(found, gradient(params, remat=True), rtol=1e-3, atol=1e-5)
    blocks = [jax.tree.map(lambda leaf, i=i: leaf[i], params["blocks"]) for i in range(CONFIG.num_layers)]
    listed = gradient(params | {"blocks": blocks})
    listed["blocks"] = jax.tree.map(lambda *leaves: np.stack(leaves), *listed["blocks"])
    chex.assert_trees_all_close(found, listed, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_decoding_token_by_token_equals_the_whole():
    params = filled(init_language_model, ALL)
    tokens = jnp.array([3, 1, 4, 1, 5])
    whole = jax.jit(language_model)(params, tgnn.Causal(N), tokens)
    cache, rows = init_cache(params, N), []
    for token in tokens:
        logits, cache = decode_step(params, cache, token[None])
        rows.append(logits)
    np.testing.assert_allclose(jnp.concatenate(rows), whole, rtol=1e-4, atol=2e-5)


@pytest.mark.slow
def test_other_models_take_the_arrangements_too():
    tokens = jnp.array([3, 1, 4, 1])
    with_all, models = replace(ALL, num_layers=2), tgnn.models
    xl = filled(models.init_transformer_xl, with_all)
    state = models.init_transformer_xl_state(xl, 4)
    whole = models.transformer_xl(xl, jnp.concatenate([tokens, tokens]), state)[0]
    first, past = models.transformer_xl(xl, tokens, state)
    second = models.transformer_xl(xl, tokens, past, span=None)[0]
    np.testing.assert_allclose(first, whole[:4], rtol=1e-4, atol=1e-5)
    assert np.isfinite(second).all()
    convolution = filled(partial(models.init_light_conv, width=2), with_all)
    assert {"gru", "norm_inside"} <= convolution["decoder"]["blocks"]["attention"].keys()
    assert np.isfinite(models.light_conv(convolution, tgnn.patterns.window(4, 1), tokens)).all()


def test_a_gate_without_a_finite_bias_is_a_clear_error():
    with pytest.raises(ValueError, match="gru_bias"):
        replace(CONFIG, gru_bias=float("nan"))


@pytest.mark.slow
def test_parts_without_new_parameters_run_as_before():
    """The maps of a block with gates are those of one without."""
    plain, gated = init_block(jax.random.key(0), CONFIG), init_block(jax.random.key(0), GATED)
    assert {name: part.pop("gru").keys() for name, part in gated.items()}.keys() == {"attention", "mlp"}
    chex.assert_trees_all_equal(plain, gated)
