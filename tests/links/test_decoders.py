"""Decoders against NumPy, and pairs that name no node."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.support.filled import filled
from tgnn import links

X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
SENDERS, RECEIVERS = np.array([0, 4, 2, 2]), np.array([1, 4, 0, 3])
PARAMS = filled(links.init_perceptron_decoder, (3, 4, 1))
DECODERS = {
    "dot product": links.dot_product_decoder,
    "perceptron": lambda *args: links.perceptron_decoder(PARAMS, *args),
}


def test_both_equal_numpy():
    ends = X[SENDERS].astype(np.float64), X[RECEIVERS].astype(np.float64)
    np.testing.assert_allclose(
        links.dot_product_decoder(jnp.asarray(X), SENDERS, RECEIVERS), (ends[0] * ends[1]).sum(1), rtol=1e-6
    )
    first, last = ((np.asarray(p["kernel"], np.float64), np.asarray(p["bias"])) for p in PARAMS)
    expected = np.maximum(ends[0] * ends[1] @ first[0] + first[1], 0) @ last[0] + last[1]
    found = links.perceptron_decoder(PARAMS, jnp.asarray(X), SENDERS, RECEIVERS)
    np.testing.assert_allclose(found, expected[:, 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found, links.perceptron_decoder(PARAMS, jnp.asarray(X), RECEIVERS, SENDERS), rtol=1e-6)


@pytest.mark.parametrize("name", DECODERS)
def test_a_pair_that_names_no_node_is_zero_with_gradient_zero(name):
    x = jnp.asarray(X).at[3].set(jnp.inf)  # a node of dead pairs alone
    senders, receivers = np.array([0, -1, 3, 5, 2]), np.array([1, 3, -1, 0, 200])

    @jax.jit
    def run(x):
        logits = DECODERS[name](x, senders, receivers)
        return logits.sum(), logits

    gradient, logits = jax.grad(run, has_aux=True)(x)
    assert logits[0] != 0 and not logits[1:].any()
    assert gradient[:2].any() and not gradient[2:].any()


def test_two_sets_of_nodes_types_and_shapes():
    pair = jnp.asarray(X, jnp.bfloat16), jnp.asarray(X[:2], jnp.bfloat16)
    logits = links.dot_product_decoder(
        pair, SENDERS.reshape(2, 2).astype(np.uint8), np.array([[0, 1], [1, 2]], np.int8)
    )
    assert logits.dtype == jnp.bfloat16 and logits.shape == (2, 2) and logits[1, 1] == 0
    assert links.dot_product_decoder(jnp.zeros((0, 3)), np.array([0]), np.array([0])).tolist() == [0.0]
    assert links.dot_product_decoder(jnp.asarray(X), [], []).shape == (0,)


def test_what_is_wrong_is_named():
    with pytest.raises(ValueError, match=r"senders have shape \(4,\) but receivers \(3,\)"):
        links.dot_product_decoder(jnp.asarray(X), SENDERS, RECEIVERS[:3])
    with pytest.raises(ValueError, match=r"x must be \[n, dim\], or a pair of such of one dim"):
        links.dot_product_decoder((jnp.zeros((2, 3)), jnp.zeros((2, 4))), [0], [0])
    with pytest.raises(ValueError, match="senders must be integers"):
        links.dot_product_decoder(jnp.asarray(X), [0.5], [1.0])
    with pytest.raises(ValueError, match="end with 1"):
        links.init_perceptron_decoder(jax.random.key(0), (3, 4))
    with pytest.raises(ValueError, match="rng is None"):
        links.perceptron_decoder(PARAMS, jnp.asarray(X), SENDERS, RECEIVERS, dropout_rate=0.5)
