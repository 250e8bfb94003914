"""What jax.nn's own tests say of its dot_product_attention, of `attend`; where the two differ, both are stated."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn

N, M, HEADS, DIM = 7, 7, 4, 6
GENERATOR = np.random.default_rng(0)
QUERY, VALUE = (jnp.asarray(GENERATOR.normal(size=(N, HEADS, DIM)), jnp.float32) for _ in range(2))
KEY = jnp.asarray(GENERATOR.normal(size=(M, HEADS, DIM)), jnp.float32)
BIAS = jnp.asarray(GENERATOR.normal(size=(HEADS, N, M)), jnp.float32)
MASK = (GENERATOR.random((N, M)) < 0.6) | np.eye(N, M, dtype=bool)  # no row is empty
LENGTHS = (np.arange(N)[:, None] < 5) & (np.arange(M)[None] < 4)
CASES = {  # ours, theirs
    "complete": (tgnn.Complete(N, M), {}),
    "mask": (tgnn.Dense(MASK), {"mask": MASK[None]}),
    "causal": (tgnn.Causal(N, M), {"is_causal": True}),
    "window": (tgnn.Window(N, 3, 2), {"local_window_size": (3, 2)}),
    "symmetric window": (tgnn.Window(N, 2, 2), {"local_window_size": 2}),
    "causal window": (tgnn.Window(N, 2, 0), {"is_causal": True, "local_window_size": (2, 2)}),
    "causal mask": (tgnn.Dense(MASK & np.tril(np.ones((N, M), bool))), {"mask": MASK[None], "is_causal": True}),
    "lengths": (tgnn.Dense(LENGTHS), {"query_seq_lengths": np.int32([5]), "key_value_seq_lengths": np.int32([4])}),
}


def ours(layout, query, key, value, bias=None, scale=None):
    """`attend` with a bias given as theirs is, [heads, n, m]."""
    if bias is not None:
        receivers, senders = np.divmod(np.arange(N * M), M)
        bias = layout.arrange(jnp.moveaxis(bias, 0, -1).reshape(N * M, HEADS), senders, receivers)
    return tgnn.attend(layout, query, key, value, bias=bias, scale=scale)


def compare(layout, options, *arrays, scale=None, atol=2e-5):
    """The outputs, and the gradients of all arrays."""

    def run(attention):
        def loss(*arrays):
            output = attention(*arrays)
            return (output.astype(jnp.float32) ** 2).sum(), output

        return jax.grad(loss, tuple(range(len(arrays))), has_aux=True)(*arrays)

    @jax.jit
    def both(*arrays):
        theirs = lambda *arrays: jax.nn.dot_product_attention(*arrays, scale=scale, **options)  # noqa: E731
        return run(theirs), run(lambda *arrays: ours(layout, *arrays, scale=scale))

    expected, found = both(*arrays)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(np.float32(b), np.float32(a), atol=atol), expected, found)


@pytest.mark.parametrize("name", CASES)
def test_attend_and_its_gradients_are_jax_nns(name):
    compare(*CASES[name], QUERY, KEY, VALUE)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_bias_and_its_gradient_are_jax_nns(name):
    compare(*CASES[name], QUERY, KEY, VALUE, BIAS, scale=0.3)


@pytest.mark.parametrize("key_heads", [1, 2])
def test_grouped_heads_are_jax_nns(key_heads):
    compare(*CASES["causal"], QUERY, KEY[:, :key_heads], VALUE[:, :key_heads])


def test_half_precision_is_near_jax_nns():
    """They round the weights to bfloat16 before they sum, we round the sum: a few of its last digits apart."""
    half = [x.astype(jnp.bfloat16) for x in (QUERY, KEY, VALUE)]
    assert ours(CASES["causal"][0], *half).dtype == jnp.bfloat16
    compare(*CASES["causal"], *half, atol=0.06)


@pytest.mark.slow
def test_a_batch_is_jax_nns_batch():
    batch = [jnp.stack([x, x[::-1], 2 * x]) for x in (QUERY, KEY, VALUE)]
    expected = jax.nn.dot_product_attention(*batch, is_causal=True)
    found = jax.vmap(lambda *arrays: ours(tgnn.Causal(N, M), *arrays))(*batch)
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.slow
def test_a_row_without_edges_is_zero_here_and_the_mean_there():
    mask = MASK.copy()
    mask[3] = False
    theirs = jax.nn.dot_product_attention(QUERY, KEY, VALUE, mask=mask[None])
    np.testing.assert_allclose(theirs[3], VALUE.mean(0), atol=1e-6)
    found = ours(tgnn.Dense(mask), QUERY, KEY, VALUE)
    assert not found[3].any()
    np.testing.assert_allclose(np.delete(found, 3, 0), np.delete(theirs, 3, 0), atol=2e-6)


@pytest.mark.parametrize(
    "query, key, value",
    [
        (QUERY, KEY[:, :3], VALUE[:, :3]),
        (QUERY[..., :5], KEY, VALUE),
        (QUERY, KEY, VALUE[:5]),
        (QUERY[:, 0], KEY, VALUE),
    ],
)
def test_what_jax_nn_refuses_is_refused(query, key, value):
    with pytest.raises(ValueError):
        jax.nn.dot_product_attention(query, key, value)
    with pytest.raises(ValueError, match="query|key|value|heads"):
        tgnn.attend(tgnn.Complete(N, M), query, key, value)
