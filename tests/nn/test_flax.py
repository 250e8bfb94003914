"""Layers beside flax's, with the same weights: values and gradients. (Recurrent cells: tests/recurrent.)"""

import chex
import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.filled import filled
from tgnn.nn.basic import embedding, init_embedding, init_layer_norm, init_rms_norm, layer_norm, rms_norm
from tgnn.nn.multi_head import init_multi_head_attention, multi_head_attention
from tgnn.nn.tokens import unembed

X = jnp.asarray(np.random.default_rng(0).normal(size=(7, 12)), jnp.float32)
MEMORY = jnp.asarray(np.random.default_rng(1).normal(size=(7, 12)), jnp.float32)


def with_gradients(run, *operands):
    """Output and gradients of a sum of sines."""

    def loss(*operands):
        output = run(*operands)
        return jnp.sin(output.astype(jnp.float32)).sum(), output

    return jax.jit(jax.value_and_grad(loss, tuple(range(len(operands))), has_aux=True))(*operands)


def assert_same(ours, theirs, *operands, atol=2e-5):
    chex.assert_trees_all_close(with_gradients(ours, *operands), with_gradients(theirs, *operands), atol=atol)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("ours, init, theirs", [
    (layer_norm, init_layer_norm, linen.LayerNorm), (rms_norm, init_rms_norm, linen.RMSNorm)
])  # fmt: skip
def test_norms_are_flaxs(ours, init, theirs, dtype):
    params = jax.tree.map(lambda p: p + 0.3, init(12))
    x, module = (X * 9 + 2).astype(dtype), theirs(epsilon=1e-5, dtype=dtype)
    mine = jax.jit(ours, static_argnames="epsilon")(params, x, epsilon=1e-5)
    expected = jax.jit(module.apply)({"params": params}, x)
    assert mine.dtype == expected.dtype == dtype
    tolerance = 1e-5 if dtype == "float32" else 2e-2  # one rounding to eight bits of numbers about 3
    chex.assert_trees_all_close(mine.astype("f4"), expected.astype("f4"), atol=tolerance)


def test_gradients_of_norms_are_flaxs():
    for ours, init, theirs in (
        (layer_norm, init_layer_norm, linen.LayerNorm),
        (rms_norm, init_rms_norm, linen.RMSNorm),
    ):
        params, module = jax.tree.map(lambda p: p + 0.3, init(12)), theirs(epsilon=1e-6)
        mine = lambda p, x, ours=ours: ours(p, x, epsilon=1e-6)  # noqa: E731
        assert_same(mine, lambda p, x, module=module: module.apply({"params": p}, x), params, X)


@pytest.mark.slow
def test_embeddings_and_tied_logits_are_flaxs():
    params, module = init_embedding(jax.random.key(0), 5, 12), linen.Embed(5, 12)
    ids = jnp.array([[4, 0], [2, 2]])
    variables = {"params": {"embedding": params["table"]}}
    chex.assert_trees_all_equal(embedding(params, ids), module.apply(variables, ids))
    theirs = module.apply(variables, X, method="attend")
    chex.assert_trees_all_close(unembed({"embedding": params}, X), theirs, atol=1e-6)


LAYOUTS = {
    "complete": tgnn.Complete(7),
    "causal": tgnn.Causal(7),
    "padded": tgnn.Complete(7).with_segments(jnp.array([0, 0, 1, 1, 1, -1, -1])),
}
MASKS = {
    "complete": np.ones((7, 7), bool),
    "causal": np.tril(np.ones((7, 7), bool)),
    "padded": np.equal.outer([0, 0, 1, 1, 1, 2, 2], [0, 0, 1, 1, 1, 3, 3]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
def test_multi_head_attention_is_flaxs(name):
    params = filled(init_multi_head_attention, 12, 3)
    module = linen.MultiHeadDotProductAttention(num_heads=3)
    live = np.any(MASKS[name], axis=1)  # flax means over everything where nothing is to be seen

    def theirs(params, x, memory):
        names = params | {"out": params["output"]}
        names = {key: leaf for key, leaf in names.items() if key != "output"}
        return module.apply({"params": names}, x, memory, memory, mask=jnp.asarray(MASKS[name])[None])[live]

    def ours(params, x, memory):
        return multi_head_attention(params, LAYOUTS[name], x, memory)[live]

    assert_same(ours, theirs, params, X, MEMORY)
