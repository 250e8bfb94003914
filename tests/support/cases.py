"""The calls with which the tests of every tiled execution compare it with the definition."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

import tgnn
from tgnn.attention.call import Call, prepare

CASES = "plain", "per edge", "callable", "dropout", "gat", "gatv2", "gaussian"
HEADS, KEY_HEADS, DIM, VALUE_DIM = 4, 2, 5, 3


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Slopes:
    """A callable bias with a parameter and an integer leaf."""

    slope: jax.Array
    shift: jax.Array

    def __call__(self, receiver, sender):
        return self.slope * jnp.abs(receiver - sender + self.shift).astype(self.slope.dtype)


def normal(seed: int, *shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def inputs(layout):
    """Query, key, value."""
    n, m = layout.n_receivers, layout.n_senders
    return normal(1, n, HEADS, DIM), normal(2, m, KEY_HEADS, DIM), normal(3, m, KEY_HEADS, VALUE_DIM)


def arguments(layout, case: str) -> dict:
    """Further arguments of `attend`."""
    shape = layout.edge_shape
    return {
        "plain": lambda: {},
        "per edge": lambda: {
            "bias": normal(4, *shape, HEADS).at[..., 1].set(-jnp.inf),
            "edges": normal(5, *shape, HEADS, DIM),
            "edge_value": normal(6, *shape, HEADS, VALUE_DIM),
            "dropout_rate": 0.3,
            "rng": jax.random.key(7),
        },
        "callable": lambda: {
            "bias": Slopes(normal(8, HEADS), jnp.asarray(2)),
            "scale": jnp.asarray(0.7),
            "dropout_rate": 0.3,
            "rng": jax.random.key(7),
        },
        "dropout": lambda: {"dropout_rate": 0.3, "rng": jax.random.key(7)},
        "gat": lambda: {"score": tgnn.Additive(normal(9, HEADS, DIM), normal(10, HEADS, DIM))},
        "gatv2": lambda: {
            "score": tgnn.AdditiveV2(normal(11, HEADS, DIM)),
            "bias": normal(12, *shape, 1),
            "scale": 1.0 + normal(16, HEADS) ** 2,
        },
        "gaussian": lambda: {"score": tgnn.Gaussian(normal(13, HEADS, DIM), 1.0 + normal(14, HEADS, DIM) ** 2)},
    }[case]()


def value_and_gradients(layout, case: str, implementation: str):
    """Output and gradients of everything that has one, compiled."""
    fixed = arguments(layout, case)
    moving = {name: fixed.pop(name) for name in ("score", "bias", "scale", "edges", "edge_value") if name in fixed}

    def run(nodes, moving):
        return tgnn.attend(layout, *nodes, **moving, **fixed, implementation=implementation)

    @jax.jit
    def both(nodes, moving):
        output, pull = jax.vjp(run, nodes, moving)
        return output, pull(normal(15, *output.shape))

    return both(inputs(layout), moving)


def assert_equals_definition(layout, case: str) -> None:
    """Values and gradients agree to float32 rounding, and nothing is NaN."""
    expected, got = (value_and_gradients(layout, case, x) for x in ("definition", "fused"))
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(got), strict=True):
        if a.dtype != jax.dtypes.float0:
            np.testing.assert_allclose(b, a, rtol=2e-4, atol=2e-5)


def assert_dead_rows_may_hold_anything(layout) -> None:
    """Rows of nodes without an edge: NaN and infinity in them change nothing, and their outputs are exactly zero."""
    adjacency = np.asarray(layout.adjacency())
    receivers, senders = adjacency.any(axis=1), adjacency.any(axis=0)
    assert not receivers.all() and not senders.all()
    query, key, value = inputs(layout)
    bad = (
        jnp.where(receivers[:, None, None], query, jnp.nan),
        jnp.where(senders[:, None, None], key, jnp.inf),
        jnp.where(senders[:, None, None], value, jnp.nan),
    )

    @jax.jit
    def both(*nodes):
        output, pull = jax.vjp(partial(tgnn.attend, layout, implementation="fused"), *nodes)
        return output, *pull(normal(1, *output.shape))

    assert (np.asarray(both(*bad)[0])[~receivers] == 0.0).all()
    for good, other in zip(both(query, key, value), both(*bad), strict=True):
        np.testing.assert_array_equal(good, other)


def call_of(layout, query, key, value, *, score=tgnn.dot_product, bias=None) -> Call:
    """The call that `attend` makes of its operands."""
    return prepare(layout, query, key, value, score, bias, None, None, None, 0.0, None, (0, 0, 0))
