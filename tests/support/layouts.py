"""Every layout, at prime sizes, with the awkward cases: empty rows, padding, duplicates, offsets, segments."""

import jax
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

HASHES = RNG.integers(-1, 4, (2, N))

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
    "row windows": tgnn.RowWindows.from_edges(SENDERS, RECEIVERS, 5, **SIZES),
    "row windows padded": tgnn.RowWindows.from_edges(
        SENDERS, RECEIVERS, 3, width=4, order=RNG.permutation(N), pad_to=17, **SIZES
    ),
    "neighbors": tgnn.Neighbors.from_edges(*DOUBLED, **SIZES, mask=MASK),
    "neighbors padded": tgnn.Neighbors.from_edges(SENDERS, RECEIVERS, **SIZES, pad_to=12),
    "buckets": jax.jit(lambda hashes: tgnn.patterns.lsh_buckets(N, hashes, chunk=4, causal=False))(HASHES),
}


def sees(rule, n=N, m=M):
    """How often each pair is an edge, int [n, m], from a rule on receivers and senders: no code of the library runs."""
    return np.broadcast_to(rule(*np.indices((n, m))), (n, m)).astype(int)


def counted(senders, receivers, mask):
    """The same of a list."""
    counts = np.zeros((N, M), int)
    np.add.at(counts, (receivers[mask], senders[mask]), 1)
    return counts


def hashed(hashes, chunk):
    """The same of buckets: a pair meets where a round puts both into one bucket, and into a chunk or the one before."""
    seen = np.zeros((N, N), bool)
    for bucket in hashes:
        place = np.argsort(np.argsort(np.where(bucket < 0, 99, bucket), kind="stable")) // chunk
        step = place[:, None] - place[None, :]
        seen |= (bucket[:, None] == bucket[None, :]) & (bucket[:, None] >= 0) & (step >= 0) & (step <= 1)
    np.fill_diagonal(seen, False)
    alone = (hashes >= 0).any(axis=0) & ~seen.any(axis=1)
    return (seen | np.diag(alone)).astype(int)


SAME = (SEGMENTS_N[:, None] == SEGMENTS_M[None, :]) & (SEGMENTS_N[:, None] >= 0)
# The edges of every layout, as pairs are counted by hand: the laws compare with these, not with what a layout says.
COUNTS = {
    "edges": DENSE.astype(int),
    "edges padded": counted(*DOUBLED, MASK),
    "edges unsorted": DENSE.astype(int),
    "complete": sees(lambda i, j: i == i),
    "complete segments": SAME.astype(int),
    "dense": DENSE.astype(int),
    "causal": sees(lambda i, j: j <= i, N, N),
    "causal offset": sees(lambda i, j: j <= i - 2),
    "causal segments": sees(lambda i, j: (j <= i + 1) & SAME),
    "prefix": sees(lambda i, j: (j <= i) | (j < 4)),
    "window": sees(lambda i, j: (i - 3 <= j) & (j <= i + 2), 37, 37),
    "window causal": sees(lambda i, j: (i - 1 <= j) & (j <= i + 3)),
    "window dilated": sees(lambda i, j: np.isin(j - i, (-7, -4, -1, 2)), 41, 43),
    "window segments": sees(lambda i, j: (i - 2 <= j) & (j <= i + 19) & SAME),
    "blocks": DENSE.astype(int),
    "blocks padded": DENSE.astype(int),
    "row windows": DENSE.astype(int),
    "row windows padded": DENSE.astype(int),
    "neighbors": counted(*DOUBLED, MASK),
    "neighbors padded": DENSE.astype(int),
    "buckets": hashed(HASHES, 4),
}
BY_IDENTITY = {id(layout): COUNTS[name] for name, layout in LAYOUTS.items()}


def check_edges(layout, senders, receivers):
    """The live edges that a layout tells are those that were counted by hand, where they were."""
    counts = BY_IDENTITY.get(id(layout))
    if counts is not None:
        told = np.zeros_like(counts)
        np.add.at(told, (receivers, senders), 1)
        np.testing.assert_array_equal(told, counts)


# One of each family, with its hardest case, is tested by `make test`; the others by `make test-all`.
QUICK = {"edges padded", "complete segments", "causal segments", "window dilated", "blocks padded", "neighbors"}
QUICK |= {"row windows padded"}
EVERY = pytest.mark.parametrize(
    "layout", [pytest.param(x, id=k, marks=[] if k in QUICK else pytest.mark.slow) for k, x in LAYOUTS.items()]
)
