"""Law 9: the temporaries that a layout predicts are those of the compiled program, within a factor of four."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tgnn.planning.cost import cost

N = 2048
RNG = np.random.default_rng(0)
RECEIVERS, SENDERS = np.divmod(np.unique(RNG.integers(0, N * N, 40 * N)), N)
NEAR = np.unique(RECEIVERS * N + (RECEIVERS + RNG.integers(-60, 61, len(RECEIVERS))).clip(0, N - 1))
EDGES = tgnn.EdgeList.from_edges(SENDERS, RECEIVERS, n_receivers=N)
LAYOUTS = {
    "complete": lambda: tgnn.Complete(N),
    "complete segments": lambda: tgnn.Complete(N).with_segments(np.arange(N) // 64),
    "causal": lambda: tgnn.Causal(N),
    "prefix": lambda: tgnn.Prefix(N, 100),
    "dense": lambda: tgnn.Dense(jnp.asarray(RNG.random((N, N)) < 0.1)),
    "window": lambda: tgnn.Window(N, 64, 64),
    "window dilated": lambda: tgnn.Window(N, 16, 16, dilation=4),
    "window of a long sequence": lambda: tgnn.Window(4 * N, 16, 0),
    "blocks": lambda: tgnn.Blocks.from_edges(NEAR % N, NEAR // N, 64, n_receivers=N),
    "row windows": lambda: tgnn.RowWindows.from_edges(NEAR % N, NEAR // N, n_receivers=N),
    "edges": lambda: EDGES,
    "few edges": lambda: tgnn.EdgeList.from_edges(SENDERS[:3000], RECEIVERS[:3000], n_receivers=N),
    "one receiver": lambda: tgnn.EdgeList.from_edges(SENDERS, 0 * RECEIVERS, n_receivers=N),
    "neighbors": lambda: tgnn.Neighbors.from_edges(SENDERS, RECEIVERS, n_receivers=N),
    "planned": lambda: tgnn.plan(tgnn.Window(N, 16, 0).to_edges()),
    "buckets": lambda: tgnn.patterns.lsh_buckets(2 * N, RNG.integers(0, 64, (4, 2 * N)), chunk=64),
}


@pytest.mark.slow
@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize("name", LAYOUTS)
def test_predicted_temporaries_are_those_of_the_compiled_program(name, gradients):
    layout, heads, dim = LAYOUTS[name](), 8, 16
    nodes = [jax.ShapeDtypeStruct((n, heads, dim), jnp.float32) for n in (layout.n_receivers, *[layout.n_senders] * 2)]
    run = tgnn.attend
    if gradients:
        run = jax.grad(lambda layout, *nodes: (tgnn.attend(layout, *nodes) ** 2).sum(), (1, 2, 3))
    compiled = jax.jit(run).lower(layout, *nodes).compile().memory_analysis().temp_size_in_bytes
    predicted = cost(layout, heads, dim, gradients=gradients).memory
    assert compiled / 4 <= predicted <= 4 * compiled, f"{predicted:,} predicted, {compiled:,} compiled"
