"""The pairs of any layout on the host, in NumPy: listed, or asked for one by one. Nothing is compiled.

Rules answer by arithmetic, so that a question about few pairs of a large graph lists none of the others.
"""

from functools import singledispatch

import jax
import numpy as np

from tgnn.graphs.blocks import Blocks
from tgnn.graphs.dense import Causal, Complete, Dense, DenseLike
from tgnn.graphs.edge_list import EdgeList, pair_key
from tgnn.graphs.layout import Layout, is_traced
from tgnn.graphs.neighbors import Neighbors
from tgnn.graphs.planned import Planned
from tgnn.graphs.prefix import Prefix
from tgnn.graphs.window import Window


def pair_keys(layout: Layout) -> np.ndarray:
    """The distinct pairs as sorted integers receiver * n_senders + sender."""
    require_concrete(layout)
    senders, receivers = pairs(layout)
    inside = (senders >= 0) & (senders < layout.n_senders) & (receivers >= 0) & (receivers < layout.n_receivers)
    return distinct(pair_key(senders[inside], receivers[inside], layout.n_senders))


def distinct(keys: np.ndarray) -> np.ndarray:
    """Sorted, each once; by sorting, which for integers is several times as fast as the hashes of `numpy.unique`."""
    keys = np.sort(keys)
    return keys[np.append(np.ones(min(len(keys), 1), bool), keys[1:] != keys[:-1])]


@singledispatch
def pairs(layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Senders and receivers of the edges in NumPy, which compiles nothing; pairs out of range are no edges."""
    edges = layout.to_edges()
    return pairs(edges)


@pairs.register
def _(layout: EdgeList):
    keep = slice(None) if layout.mask is None else np.asarray(layout.mask)
    return np.asarray(layout.senders)[keep], np.asarray(layout.receivers)[keep]


@pairs.register
def _(layout: Planned):
    return pairs(layout.chosen)


@pairs.register
def _(layout: Neighbors):
    senders = np.asarray(layout.senders)
    mask = np.ones(senders.shape, bool) if layout.mask is None else np.asarray(layout.mask)
    return senders[mask], np.nonzero(mask)[0]


@pairs.register
def _(layout: Blocks):
    tile, row, column = np.nonzero(np.asarray(layout.mask))
    senders = np.asarray(layout.block_senders)[tile] * layout.block + column
    return senders, np.asarray(layout.block_receivers)[tile] * layout.block + row


@pairs.register
def _(layout: Window):
    step = np.arange(-layout.left, layout.right + 1) * layout.dilation + int(layout.offset)
    receivers = np.repeat(np.arange(layout.n_receivers), len(step))
    senders = receivers + np.tile(step, layout.n_receivers)
    inside = (senders >= 0) & (senders < layout.n_senders)
    senders, receivers = senders[inside], receivers[inside]
    live = in_segment(layout, senders, receivers)
    return senders[live], receivers[live]


@pairs.register
def _(layout: DenseLike):  # as many slots as the layout itself has
    receivers, senders = np.nonzero(rows_of(layout, slice(None)))
    return senders, receivers


def rows_of(layout: DenseLike, rows: slice) -> np.ndarray:
    """These rows of the adjacency matrix: bool [row, n_senders]."""
    return contains(layout, np.arange(layout.n_senders)[None, :], np.arange(layout.n_receivers)[rows, None])


def has_segments(layout: Layout) -> bool:
    """True where segments restrict a rule."""
    return getattr(layout, "receiver_segments", None) is not None


def require_concrete(layout: Layout) -> None:
    """A ValueError where edges are only known under jit."""
    if any(map(is_traced, jax.tree.leaves(layout))):
        raise ValueError(
            f"the edges of this {type(layout).__name__} are traced, but they are needed on the host; "
            "do this outside jit, and pass the result in"
        )


@singledispatch
def contains(layout: Layout, senders: np.ndarray, receivers: np.ndarray) -> np.ndarray:
    """Whether each pair is an edge: bool, as senders and receivers broadcast; of rules without enumerating edges."""
    return np.isin(pair_key(senders, receivers, layout.n_senders), pair_keys(layout))


@contains.register
def _(layout: Complete, senders, receivers):
    return in_segment(layout, senders, receivers)


@contains.register
def _(layout: Causal, senders, receivers):
    return (senders <= receivers + int(layout.offset)) & in_segment(layout, senders, receivers)


@contains.register
def _(layout: Prefix, senders, receivers):
    return ((senders <= receivers) | (senders < int(layout.prefix))) & in_segment(layout, senders, receivers)


@contains.register
def _(layout: Window, senders, receivers):
    steps, rest = np.divmod(senders - receivers - int(layout.offset), layout.dilation)
    inside = (rest == 0) & (steps >= -layout.left) & (steps <= layout.right)
    return inside & in_segment(layout, senders, receivers)


@contains.register
def _(layout: Dense, senders, receivers):
    return np.asarray(layout.mask)[receivers, senders]


def in_segment(layout, senders, receivers) -> np.ndarray:
    """Whether each pair lies in one segment."""
    if not has_segments(layout):
        return np.ones(np.broadcast(senders, receivers).shape, bool)
    mine, theirs = np.asarray(layout.receiver_segments)[receivers], np.asarray(layout.sender_segments)[senders]
    return (mine == theirs) & (mine >= 0)
