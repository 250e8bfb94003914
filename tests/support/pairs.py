"""Graphs pair by pair: a rule written out as a matrix, the matrix of a layout, and layouts between 13 and 11 nodes."""

import jax.numpy as jnp
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

import tgnn

SIZES = st.integers(0, 23)
few = settings(max_examples=20)


def matrix(n, sees, n_senders=None):
    """The definition: bool [n, n_senders] from a rule on one receiver and one sender."""
    n_senders = n if n_senders is None else n_senders
    return np.array([[sees(i, j) for j in range(n_senders)] for i in range(n)], bool).reshape(n, n_senders)


def adjacency(layout):
    """Read from the fields of a layout in NumPy: nothing is compiled, and no code of the library runs."""
    n, m = layout.n_receivers, layout.n_senders
    i, j = np.indices((n, m))
    if isinstance(layout, tgnn.Dense):
        return np.asarray(layout.mask)
    if isinstance(layout, tgnn.EdgeList):
        return scattered(n, m, layout.receivers, layout.senders, layout.mask)
    if isinstance(layout, tgnn.Neighbors):
        return scattered(n, m, np.arange(n)[:, None], layout.senders, layout.mask)
    if isinstance(layout, tgnn.Blocks):
        rows, columns = (np.asarray(x)[:, None] * layout.block for x in (layout.block_receivers, layout.block_senders))
        within = np.arange(layout.block)
        return scattered(n, m, (rows + within)[:, :, None], (columns + within)[:, None, :], layout.mask)
    if isinstance(layout, tgnn.RowWindows):
        rows, columns = np.asarray(layout.receivers)[np.asarray(layout.windows)], np.asarray(layout.senders)
        return scattered(n, m, rows[:, :, None], columns[:, None, :], layout.mask)
    if isinstance(layout, tgnn.SortedChunks):
        slots = np.asarray(layout.nodes)
        before = np.concatenate([np.full_like(slots[:, :1], n), slots[:, :-1]], axis=1)[:, : slots.shape[1]]
        seen = np.concatenate([before, slots], axis=2) if slots.shape[1] > 1 else slots
        return scattered(n, m, slots[..., None], seen[..., None, :], np.asarray(layout.mask))
    if isinstance(layout, tgnn.Window):
        steps, rest = np.divmod(j - i - int(layout.offset), layout.dilation)
        sees = (rest == 0) & (-layout.left <= steps) & (steps <= layout.right)
    else:
        rules = {
            tgnn.Complete: lambda: i >= 0,
            tgnn.Causal: lambda: j <= i + layout.offset,
            tgnn.Prefix: lambda: (j <= i) | (j < layout.prefix),
        }
        sees = rules[type(layout)]()
    if layout.receiver_segments is not None:
        mine, theirs = np.asarray(layout.receiver_segments)[i], np.asarray(layout.sender_segments)[j]
        sees = sees & (mine == theirs) & (mine >= 0)
    return np.asarray(sees)


def scattered(n, m, receivers, senders, mask):
    """A matrix from index arrays; every live pair stands once."""
    receivers, senders, mask = np.broadcast_arrays(receivers, senders, mask)
    inside = mask & (receivers < n) & (senders < m)
    counts = np.zeros((n, m), int)
    np.add.at(counts, (receivers[inside], senders[inside]), 1)
    return counts > 0


def equal(layout, expected):
    np.testing.assert_array_equal(adjacency(layout), expected)


N, M = 13, 11
RNG = np.random.default_rng(0)
PAIRS = np.nonzero(RNG.random((N, M)) < 0.2)
GROUPS = [(RNG.integers(-1, 3, N), RNG.integers(-1, 3, M)) for _ in range(2)]
EDGES = tgnn.EdgeList.from_edges(PAIRS[1], PAIRS[0], n_receivers=N, n_senders=M)
TWICE = tgnn.EdgeList.from_edges(*np.tile(PAIRS[::-1], 2), n_receivers=N, n_senders=M)
SETS = {
    "edges": EDGES,
    "doubled": TWICE,
    "complete": tgnn.Complete(N, M),
    "segments": tgnn.Complete(N, M).with_segments(*GROUPS[0]),
    "causal": tgnn.Causal(N, M),
    "causal offset": tgnn.Causal(N, M, offset=2).with_segments(*GROUPS[1]),
    "window": tgnn.Window(N, 4, 3, n_senders=M),
    "window dilated": tgnn.Window(N, 2, 1, dilation=3, n_senders=M, offset=-1),
    "window segments": tgnn.Window(N, 3, 5, n_senders=M).with_segments(*GROUPS[0]),
    "prefix": tgnn.Prefix(N, 5, n_senders=M),
    "dense": tgnn.Dense(jnp.asarray(RNG.random((N, M)) < 0.4)),
    "blocks": tgnn.Blocks.from_edges(*PAIRS[::-1], 3, n_receivers=N, n_senders=M),
    "row windows": tgnn.RowWindows.from_edges(*PAIRS[::-1], 3, n_receivers=N, n_senders=M),
    "neighbors": tgnn.Neighbors.from_edges(*PAIRS[::-1], n_receivers=N, n_senders=M),
}
