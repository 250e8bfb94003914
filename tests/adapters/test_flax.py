"""The flax adapters: flax's own numbers from `attend`, on every row that may look at something."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from tests.support.compilations import compilations
from tgnn import models
from tgnn.adapters import attention_fn, from_pyg

attention = jax.jit(attention_fn, static_argnames=("is_causal", "deterministic", "dropout_rate", "broadcast_dropout"))

B, N, M, HEADS, DIM = 3, 7, 5, 4, 6
GENERATOR = np.random.default_rng(0)
QUERY = jnp.asarray(GENERATOR.normal(size=(B, N, HEADS, DIM)), jnp.float32)
KEY = jnp.asarray(GENERATOR.normal(size=(B, M, HEADS, DIM)), jnp.float32)
VALUE = jnp.asarray(GENERATOR.normal(size=(B, M, HEADS, 3)), jnp.float32)
BIAS = jnp.asarray(GENERATOR.normal(size=(1, HEADS, N, M)), jnp.float32)
MASKS = {
    "none": None,
    "shared": GENERATOR.random((B, 1, N, M)) < 0.7,
    "per head": GENERATOR.random((B, HEADS, N, M)) < 0.7,
    "rows only": GENERATOR.random((N, M)) < 0.7,
    "padding": np.broadcast_to(np.arange(M) < 3, (B, 1, 1, M)),
}
for mask in (MASKS["shared"], MASKS["per head"], MASKS["rows only"]):
    mask[..., 0] = True  # every row is live


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("name", MASKS)
def test_adapter_equals_flax(name, is_causal):
    mask = MASKS[name]
    # Flax's weights are compared through linen's plain equations, with the causal mask written out.
    flax_mask = mask
    if is_causal:
        flax_mask = np.tril(np.ones((N, M), bool)) & (True if mask is None else mask)
    expected = linen.dot_product_attention(QUERY, KEY, VALUE, bias=BIAS, mask=flax_mask, deterministic=True)
    output = attention(QUERY, KEY, VALUE, bias=BIAS, mask=mask, is_causal=is_causal, deterministic=True)
    chex.assert_trees_all_close(output, expected, atol=1e-6)


def test_adapter_gives_zero_where_flax_gives_the_mean():
    mask = np.ones((B, HEADS, N, M), bool)
    mask[1, 2, 3] = False
    output = attention(QUERY, KEY, VALUE, mask=mask, deterministic=True)
    assert (output[1, 3, 2] == 0).all() and (output[1, 3, 1] != 0).all()


@pytest.mark.slow
def test_adapter_takes_any_batch_axes_and_grouped_heads():
    output = attention(QUERY, KEY, VALUE, deterministic=True)
    chex.assert_trees_all_close(attention(QUERY[1], KEY[1], VALUE[1], deterministic=True), output[1], atol=1e-6)
    nested = attention(*(x.reshape(1, B, *x.shape[1:]) for x in (QUERY, KEY, VALUE)), deterministic=True)
    chex.assert_trees_all_close(nested[0], output, atol=1e-6)
    for mask in (None, MASKS["per head"]):
        grouped = attention(QUERY, KEY[:, :, :2], VALUE[:, :, :2], mask=mask, deterministic=True)
        repeated = (jnp.repeat(x[:, :, :2], 2, axis=2) for x in (KEY, VALUE))
        chex.assert_trees_all_close(grouped, attention(QUERY, *repeated, mask=mask, deterministic=True), atol=1e-6)


def dropped(rng, **options):
    """Which of the weights are dropped: the values are unit vectors and the weights uniform."""
    identity = jnp.broadcast_to(jnp.eye(M)[None, :, None], (B, M, HEADS, M))
    return attention(QUERY * 0, KEY, identity, dropout_rng=rng, dropout_rate=0.4, **options) == 0


@pytest.mark.slow
def test_dropout_follows_flaxs_keywords():
    rng = jax.random.key(0)
    same = dropped(rng)
    chex.assert_trees_all_equal(same, jnp.broadcast_to(same[:1, :, :1], same.shape))
    assert same.any() and not same.all()
    own = dropped(rng, broadcast_dropout=False)
    assert (own[0] != own[1]).any() and (own[:, :, 0] != own[:, :, 1]).any()
    assert not dropped(rng, deterministic=True).any()
    chex.assert_trees_all_equal(dropped(jax.random.key_data(rng)), same)
    with pytest.raises(ValueError, match="dropout_rng"):
        dropped(None)


@pytest.mark.slow
def test_nnx_layer_gives_the_same_with_either_function():
    x = jnp.asarray(GENERATOR.normal(size=(B, N, 12)), jnp.float32)
    mask = nnx.make_causal_mask(x[..., 0])
    options = {"in_features": 12, "decode": False}
    ours = nnx.MultiHeadAttention(HEADS, attention_fn=attention_fn, rngs=nnx.Rngs(0), **options)
    theirs = nnx.MultiHeadAttention(HEADS, rngs=nnx.Rngs(0), **options)
    chex.assert_trees_all_close(ours(x, mask=mask), theirs(x, mask=mask), atol=1e-6)
    capture = nnx.capture(nnx.Intermediate)(lambda layer: layer(x, mask=mask, sow_weights=True))
    chex.assert_trees_all_close(capture(ours), capture(theirs), atol=1e-6)


@pytest.mark.slow
def test_nnx_layer_trains_with_dropout():
    x = jnp.ones((B, N, 12))
    options = {"in_features": 12, "decode": False, "dropout_rate": 0.5, "deterministic": False}
    layer = nnx.MultiHeadAttention(HEADS, attention_fn=attention_fn, rngs=nnx.Rngs(0, dropout=1), **options)
    graphdef, state = nnx.split(layer)
    gradient = jax.grad(lambda state: (nnx.merge(graphdef, state)(x) ** 2).sum(), allow_int=True)(state)
    assert jnp.abs(nnx.to_pure_dict(gradient)["value"]["kernel"]).max() > 0


@pytest.mark.slow
def test_linen_layer_gives_the_same_with_either_function():
    x = jnp.asarray(GENERATOR.normal(size=(B, N, 12)), jnp.float32)
    mask = jnp.asarray(GENERATOR.random((B, HEADS, N, N)) < 0.6) | jnp.eye(N, dtype=bool)[None, None]
    theirs = linen.MultiHeadDotProductAttention(HEADS)
    ours = linen.MultiHeadDotProductAttention(HEADS, attention_fn=attention_fn)
    params = theirs.init(jax.random.key(0), x)

    def loss(params, layer):
        return (layer.apply(params, x, mask=mask) ** 2).sum()

    chex.assert_trees_all_close(ours.apply(params, x, mask=mask), theirs.apply(params, x, mask=mask), atol=1e-6)
    chex.assert_trees_all_close(jax.grad(loss)(params, ours), jax.grad(loss)(params, theirs), rtol=1e-4, atol=1e-5)
    sown, expected = (
        layer.apply(params, x, mask=mask, sow_weights=True, mutable=["intermediates"])[1] for layer in (ours, theirs)
    )
    chex.assert_trees_all_close(sown, expected, atol=1e-6)


def test_pygs_weights_that_do_not_fit():
    like = models.init_gcn(jax.random.key(0), (3, 2))
    layer = {"lin.weight": np.ones((2, 3)), "bias": np.ones(2)}
    assert from_pyg("gcn", [layer], like)[0]["kernel"].shape == (3, 2)
    for wrong, message in (
        (["gnc", [layer]], "model must be one of gcn, gat, .* got 'gnc'"),
        (["gcn", [layer, layer]], "layers has 2 layers, but like has 1"),
        (["gcn", [{"lin.weight": np.ones((2, 3))}]], r"layers\[0\] lacks \['bias'\] and has \[\] beside"),
        (["gcn", [layer | {"lin_edge.weight": np.ones(1)}]], r"has \['lin_edge.weight'\] beside"),
        (["gcn", [layer | {"bias": np.ones(5)}]], r"layers\[0\]\['bias'\] has shape \(5,\), expected \(2,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            from_pyg(*wrong, like)


ADDED = np.where(MASKS["shared"], 0.0, -1e9).astype(np.float32)


@pytest.mark.parametrize("mask", [ADDED, ADDED * 0, MASKS["shared"] * 3, -MASKS["shared"].astype(int)])
def test_masks_that_do_not_say_keep_are_refused(mask):
    with pytest.raises(ValueError, match="must say what to keep: True or 1.*as bias"):
        attention_fn(QUERY, KEY, VALUE, mask=mask)


@pytest.mark.slow
def test_a_mask_of_zeros_and_ones_is_one_of_bools_and_other_numbers_are_no_edges_under_jit():
    expected = attention(QUERY, KEY, VALUE, mask=MASKS["per head"], deterministic=True)
    for dtype in (np.float32, jnp.bfloat16, np.int32, np.uint8):
        mask = MASKS["per head"].astype(dtype)
        chex.assert_trees_all_equal(attention(QUERY, KEY, VALUE, mask=mask, deterministic=True), expected)
    assert (attention(QUERY, KEY, VALUE, mask=ADDED, deterministic=True) == 0).all()


def test_a_second_eager_call_compiles_nothing():
    def call():
        return attention_fn(QUERY, KEY, VALUE, bias=BIAS, mask=MASKS["shared"])

    compilations(call)
    assert compilations(call) == 0
