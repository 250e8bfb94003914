"""The second of two equal eager calls compiles nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.compilations import compilations
from tests.support.layouts import LAYOUTS
from tgnn.attention.aggregation import row_weights, symmetric_weights

NAMES = "edges", "complete", "window", "blocks", "neighbors", "buckets"
BIAS = jax.tree_util.Partial(lambda slope, i, j: slope * jnp.abs(i - j), jnp.ones(2))


@pytest.mark.parametrize("name", [NAMES[0], *(pytest.param(x, marks=pytest.mark.slow) for x in NAMES[1:])])
def test_equal_eager_calls_share_their_programs(name):
    layout = LAYOUTS[name]
    query, key = jnp.ones((layout.n_receivers, 2, 3)), jnp.ones((layout.n_senders, 2, 3))
    at = [np.zeros(2, int)] * (len(layout.edge_shape) + 1)
    score = lambda: tgnn.Additive(jnp.ones((2, 3)), jnp.ones((2, 3)))  # noqa: E731
    calls = {
        "attend": lambda: tgnn.attend(layout, query, key, key),
        "definition": lambda: tgnn.attend(layout, query, key, key, implementation="definition"),
        "score": lambda: tgnn.attend(layout, query, key, key, score=score()),
        "bias": lambda: tgnn.attend(layout, query, key, key, bias=BIAS),
        "function": lambda: tgnn.attend(layout, query, key, key, bias=lambda i, j: jnp.ones(2) * (i - j)),
        "weights": lambda: tgnn.attention_weights(layout, query, key),
        "at": lambda: tgnn.attention_weights(layout, query, key, at=at),
        "gradient": lambda: jax.grad(lambda x: tgnn.attend(layout, x, key, key).sum())(query),
        "aggregate": lambda: tgnn.aggregate(layout, key, "softmax"),
        "degrees": lambda: tgnn.degrees(layout, "senders"),
        "symmetric": lambda: symmetric_weights(layout),
        "row": lambda: row_weights(layout),
    }
    for call in calls.values():
        call()
    assert {name: compilations(call) for name, call in calls.items()} == dict.fromkeys(calls, 0)
