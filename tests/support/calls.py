"""Calls of `attend` that the tests of laws share: compiled once, with their inputs, gradients and tolerances."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

import tgnn
from tests.support.layouts import check_edges
from tests.support.reference import attend as reference_attend

# One compilation a test instead of one an operation.
attend = jax.jit(tgnn.attend, static_argnames=("dropout_rate", "implementation"))
attention_weights = jax.jit(tgnn.attention_weights)
# float32: rounding of sums of about ten terms. bfloat16: inputs are rounded first, so only the output is (8 bits).
TOLERANCE = {"float32": 2e-6, "bfloat16": 8e-3}
SCORES = {
    "additive": lambda rng, heads, dim: tgnn.Additive(*rng.normal(size=(2, heads, dim)).astype("f4")),
    "additive v2": lambda rng, heads, dim: tgnn.AdditiveV2(rng.normal(size=(heads, dim)).astype("f4")),
    "gaussian": lambda rng, heads, dim: tgnn.Gaussian(*rng.uniform(0.5, 2.0, size=(2, heads, dim)).astype("f4")),
}


def inputs(layout, heads=4, key_heads=2, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    shapes = (layout.n_receivers, heads, 5), (layout.n_senders, key_heads, 5), (layout.n_senders, key_heads, 3)
    return [jnp.asarray(rng.normal(size=shape), dtype) for shape in shapes]


def oracle(layout, query, key, value, **kwargs):
    edges = layout.to_edges()
    edges = [np.asarray(x) for x in (edges.senders, edges.receivers, edges.live)]
    check_edges(layout, *(x[edges[2]] for x in edges[:2]))  # edges of its own: a layout may not say which it has
    return reference_attend(*edges, *(np.asarray(x.astype(jnp.float32)) for x in (query, key, value)), **kwargs)


@partial(jax.jit, static_argnames=("dropout_rate", "implementation"))
def gradients(layout, *operands, **kwargs):
    def loss(*operands):
        output = tgnn.attend(layout, *operands, **kwargs).astype(jnp.float32)
        return (output * jnp.cos(jnp.arange(output.size, dtype=jnp.float32).reshape(output.shape))).sum()

    return jax.grad(loss, range(len(operands)))(*operands)


def close(actual, expected, tolerance):
    expected = np.asarray(expected, np.float64)
    np.testing.assert_allclose(
        np.asarray(actual, np.float64), expected, rtol=0, atol=tolerance * max(1, abs(expected).max(initial=0))
    )
