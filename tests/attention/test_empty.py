"""No receivers, no senders, no edges: zeros of the right shape, in every mode of differentiation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn

SIZES = [pytest.param(*x, marks=[] if x == (3, 0) else pytest.mark.slow) for x in ((3, 0), (0, 3), (0, 0))]
QUICK = {"edges", "complete", "window"}
MAKE = {
    "edges": lambda n, m: tgnn.EdgeList.from_edges([], [], n_receivers=n, n_senders=m),
    "edges padded": lambda n, m: tgnn.EdgeList.from_edges([], [], n_receivers=n, n_senders=m, pad_to=3),
    "edges that are out of range": lambda n, m: tgnn.EdgeList(jnp.full(2, m), jnp.full(2, n), n, m),
    "complete": tgnn.Complete,
    "causal": tgnn.Causal,
    "prefix": lambda n, m: tgnn.Prefix(n, 1, n_senders=m),
    "dense": lambda n, m: tgnn.Dense(jnp.zeros((n, m), bool)),
    "window": lambda n, m: tgnn.Window(n, 1, 1, dilation=2, n_senders=m),
    "neighbors": lambda n, m: tgnn.Neighbors.from_edges([], [], n_receivers=n, n_senders=m, pad_to=2),
    "neighbors without slots": lambda n, m: tgnn.Neighbors.from_edges([], [], n_receivers=n, n_senders=m),
    "blocks": lambda n, m: tgnn.Blocks.from_edges([], [], 2, n_receivers=n, n_senders=m, pad_to=1),
    "blocks without tiles": lambda n, m: tgnn.Blocks.from_edges([], [], 2, n_receivers=n, n_senders=m),
    "row windows": lambda n, m: tgnn.RowWindows.from_edges([], [], 2, n_receivers=n, n_senders=m, pad_to=1),
    "row windows without tiles": lambda n, m: tgnn.RowWindows.from_edges([], [], n_receivers=n, n_senders=m),
}


@pytest.mark.parametrize("name", [x if x in QUICK else pytest.param(x, marks=pytest.mark.slow) for x in MAKE])
@pytest.mark.parametrize("n, m", SIZES)
def test_nothing_is_summed_to_zeros(name, n, m):
    with jax.enable_x64(True):
        layout = MAKE[name](n, m)
        query, key = jnp.ones((n, 2, 3)), jnp.ones((m, 2, 3))
        score = tgnn.Additive(jnp.ones((2, 3)), jnp.ones((2, 3)))

        @jax.jit
        def every(layout, query, key):
            run = lambda query, key: tgnn.attend(layout, query, key, key, score=score)  # noqa: E731
            return run(query, key), jax.jacfwd(run, (0, 1))(query, key), jax.jacrev(run, (0, 1))(query, key)

        output, forward, backward = every(layout, query, key)
        assert output.shape == (n, 2, 3) and output.dtype == jnp.float64 and not output.any()
        for x in (*forward, *backward):
            assert not x.any()
        assert tgnn.attention_weights(layout, query, key).shape == (*layout.edge_shape, 2)
        at = [np.zeros(2, int)] * (len(layout.edge_shape) + 1)
        assert tgnn.attention_weights(layout, query, key, at=at).tolist() == [0, 0]
        for reduction in ("sum", "mean", "max", "std", "softmax"):
            assert not tgnn.aggregate(layout, jnp.ones((m, 2)), reduction).any()
        assert tgnn.aggregate(layout, jnp.ones((m, 2), int), "max").tolist() == [[0, 0]] * n
        assert not tgnn.degrees(layout).any() and tgnn.explain(layout)
        assert (layout & tgnn.Complete(n, m)).count_edges() == 0
