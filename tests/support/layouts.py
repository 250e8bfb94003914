"""Every layout, at prime sizes, with the awkward cases: empty rows, padding, duplicates, offsets, segments."""

import jax.numpy as jnp
import numpy as np
import pytest

import tgnn

N, M = 13, 11
RNG = np.random.default_rng(0)
DENSE = RNG.random((N, M)) < 0.4
DENSE[3] = False  # a receiver without neighbours
DENSE[:, 5] = False  # a sender without edges
RECEIVERS, SENDERS = np.nonzero(DENSE)
SHUFFLE = RNG.permutation(len(SENDERS))
SENDERS, RECEIVERS = SENDERS[SHUFFLE], RECEIVERS[SHUFFLE]
SEGMENTS_N = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2, -1, -1, 3, 3])
SEGMENTS_M = np.array([0, 0, 1, 1, 1, 2, 2, 2, 4, -1, -1])
SIZES = {"n_receivers": N, "n_senders": M}
DOUBLED = np.append(SENDERS, SENDERS[:7]), np.append(RECEIVERS, RECEIVERS[:7])
MASK = RNG.random(len(DOUBLED[0])) < 0.7

LAYOUTS = {
    "edges": tgnn.EdgeList.from_edges(SENDERS, RECEIVERS, **SIZES),
    "edges padded": tgnn.EdgeList.from_edges(*DOUBLED, **SIZES, mask=MASK, pad_to=97),
    "edges unsorted": tgnn.EdgeList(
        jnp.asarray(np.append(SENDERS, [0, -1, M, 2])), jnp.asarray(np.append(RECEIVERS, [-1, 0, 1, N])), N, M
    ),
    "complete": tgnn.Complete(N, M),
    "complete segments": tgnn.Complete(N, M).with_segments(SEGMENTS_N, SEGMENTS_M),
    "dense": tgnn.Dense(jnp.asarray(DENSE)),
    "causal": tgnn.Causal(N),
    "causal offset": tgnn.Causal(N, n_senders=M, offset=-2),
    "causal segments": tgnn.Causal(N, n_senders=M, offset=jnp.asarray(1)).with_segments(SEGMENTS_N, SEGMENTS_M),
    "prefix": tgnn.Prefix(N, 4, n_senders=M),
    "window": tgnn.Window(37, 3, 2),
    "window causal": tgnn.Window(N, 4, 0, n_senders=M, offset=3),
    "window dilated": tgnn.Window(41, 2, 1, dilation=3, n_senders=43, offset=jnp.asarray(-1)),
    "window segments": tgnn.Window(N, 2, 19, n_senders=M).with_segments(SEGMENTS_N, SEGMENTS_M),
    "blocks": tgnn.Blocks.from_edges(SENDERS, RECEIVERS, 3, **SIZES),
    "blocks padded": tgnn.Blocks.from_edges(SENDERS, RECEIVERS, 5, **SIZES, pad_to=11),
    "neighbors": tgnn.Neighbors.from_edges(*DOUBLED, **SIZES, mask=MASK),
    "neighbors padded": tgnn.Neighbors.from_edges(SENDERS, RECEIVERS, **SIZES, pad_to=12),
    "buckets": tgnn.patterns.lsh_buckets(N, RNG.integers(-1, 4, (2, N)), chunk=4, causal=False),
}

# One of each family, with its hardest case, is tested by `make test`; the others by `make test-all`.
QUICK = {"edges padded", "complete segments", "causal segments", "window dilated", "blocks padded", "neighbors"}
EVERY = pytest.mark.parametrize(
    "layout", [pytest.param(x, id=k, marks=[] if k in QUICK else pytest.mark.slow) for k, x in LAYOUTS.items()]
)
