"""Edge sets: `a | b`, `a & b` and `a - b` on layouts between the same nodes.

Sets hold each pair once, however often an operand lists it. Where both operands are known by a rule the result is one
again: `Causal & Window` is a window, `Complete.with_segments(s) & Causal` the packed causal graph; these also work
under jit. Tiles stay tiles. Everything else becomes an `EdgeList` sorted by receiver and sender, made on the host from
the pairs, never from an n * n mask.
"""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from tgnn.graphs.blocks import Blocks
from tgnn.graphs.dense import Causal, Complete, DenseLike
from tgnn.graphs.edge_list import EdgeList
from tgnn.graphs.host import distinct, pair_key, pair_keys, split_key
from tgnn.graphs.layout import Layout, is_traced
from tgnn.graphs.prefix import Prefix
from tgnn.graphs.window import Window
from tgnn.typing import Array

SLOTS_PER_EDGE = 8  # tiles that are emptier than this are no longer worth their memory


def union(a: Layout, b: Layout) -> Layout:
    """The pairs of either."""
    check_sizes(a, b)
    known = known_union(a, b) or known_union(b, a)
    if known is not None:
        return known
    keys = distinct(np.concatenate([pair_key(*x.pairs(), x.n_senders) for x in (a, b)]))
    blocks = [x.block for x in (a, b) if isinstance(x, Blocks)]
    return from_keys(keys, a, max(blocks)) if blocks else from_keys(keys, a)


def intersection(a: Layout, b: Layout) -> Layout:
    """The pairs of both."""
    check_sizes(a, b)
    known = known_intersection(a, b) or known_intersection(b, a)
    if known is not None:
        return known
    if isinstance(b, Blocks) or (np.prod(b.edge_shape) < np.prod(a.edge_shape) and not isinstance(a, Blocks)):
        a, b = b, a  # tiles stay tiles; else the smaller one is enumerated
    return select(a, b, keep=True)


def difference(a: Layout, b: Layout) -> Layout:
    """The pairs of `a` that are not pairs of `b`."""
    check_sizes(a, b)
    if is_all(b):
        return EdgeList.from_edges([], [], n_receivers=a.n_receivers, n_senders=a.n_senders)
    return select(a, b, keep=False)


def check_sizes(a: Layout, b: Layout) -> None:
    """A ValueError unless both join the same numbers of nodes."""
    sizes = [(x.n_receivers, x.n_senders) for x in (a, b)]
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"edge sets must join the same nodes, got (n_receivers, n_senders) {sizes[0]} and {sizes[1]}; "
            "build both for the same numbers"
        )


# -- results known by a rule, also of traced data; tried in both orders -------------------------------------------


def known_union(a: Layout, b: Layout) -> Layout | None:
    """A rule for `a | b`, or None."""
    if is_all(a):
        return a
    if has_segments(a) or has_segments(b):
        return None
    if isinstance(a, Causal) and isinstance(b, Causal):
        return replace(a, offset=larger(a.offset, b.offset))
    if isinstance(a, Window) and isinstance(b, Window) and same_steps(a, b):
        return replace(a, left=max(a.left, b.left), right=max(a.right, b.right))
    return None


def known_intersection(a: Layout, b: Layout) -> Layout | None:
    """A rule for `a & b`, or None."""
    if is_all(a) and isinstance(b, DenseLike | Window | Blocks):
        return b
    if has_segments(a) and has_segments(b):
        joined = both_segments(a, b)
        return None if joined is None else known_intersection(*joined)
    if isinstance(a, Complete) and isinstance(b, Complete | Causal | Window | Prefix):
        return with_any_segments(b, a)
    if isinstance(a, Causal) and isinstance(b, Causal):
        return with_any_segments(replace(a, offset=-larger(-a.offset, -b.offset)), b)
    if isinstance(a, Causal) and isinstance(b, Window) and known_offsets(a, b):
        right = min(b.right, (int(a.offset) - int(b.offset)) // b.dilation)
        return with_any_segments(replace(b, right=right), a) if right >= 0 else None
    if isinstance(a, Window) and isinstance(b, Window) and same_steps(a, b):
        return with_any_segments(replace(a, left=min(a.left, b.left), right=min(a.right, b.right)), b)
    return None


def has_segments(layout: Layout) -> bool:
    """True where segments restrict a rule."""
    return getattr(layout, "segments", None) is not None


def is_all(layout: Layout) -> bool:
    """True for the complete graph."""
    return isinstance(layout, Complete) and not has_segments(layout)


def with_any_segments(layout: Any, other: Any) -> Any:
    """`layout` with the segments of `other`, if it has any."""
    if not has_segments(other):
        return layout
    return replace(layout, receiver_segments=other.receiver_segments, sender_segments=other.sender_segments)


def both_segments(a: Any, b: Any) -> tuple[Any, Any] | None:
    """`a` with segments that are equal where those of both are, and `b` without any; None for traced segments."""
    names = ("receiver_segments", "sender_segments")
    if any(is_traced(getattr(x, name)) for x in (a, b) for name in names):
        return None
    each = [np.stack([getattr(a, name), getattr(b, name)], axis=1) for name in names]
    _, joined = np.unique(np.concatenate(each), axis=0, return_inverse=True)
    joined = np.split(joined.reshape(-1), [a.n_receivers])
    segments = [jnp.asarray(np.where((x >= 0).all(1), y, -1)) for x, y in zip(each, joined, strict=True)]
    return a.with_segments(*segments), replace(b, receiver_segments=None, sender_segments=None)


def known_offsets(*layouts: Any) -> bool:
    """True where no offset is traced."""
    return not any(is_traced(layout.offset) for layout in layouts)


def same_steps(a: Window, b: Window) -> bool:
    """True where two windows step alike."""
    return a.dilation == b.dilation and known_offsets(a, b) and int(a.offset) == int(b.offset)


def larger(a: Array | int, b: Array | int) -> Array | int:
    """Maximum of Python or traced integers."""
    return jnp.maximum(a, b) if is_traced(a) or is_traced(b) else max(int(a), int(b))


# -- everything else, on the host ---------------------------------------------------------------------------------


def select(a: Layout, b: Layout, keep: bool) -> Layout:
    """The pairs of `a` that are pairs of `b` (`keep`), or that are not."""
    b.require_concrete()
    if isinstance(a, Blocks):
        return select_tiles(a, b, keep)
    keys = pair_keys(a)
    senders, receivers = split_key(keys, a.n_senders)
    return from_keys(keys[b.contains(senders, receivers) == keep], a)


def select_tiles(a: Blocks, b: Layout, keep: bool) -> Blocks:
    """The same within tiles; tiles without an edge are dropped."""
    a.require_concrete()
    mask = np.array(a.mask)
    tile, row, column = np.nonzero(mask)
    senders = np.asarray(a.block_senders, np.int64)[tile] * a.block + column
    receivers = np.asarray(a.block_receivers, np.int64)[tile] * a.block + row
    inside = (senders < a.n_senders) & (receivers < a.n_receivers)
    inside[inside] = b.contains(senders[inside], receivers[inside]) == keep
    mask[mask] = inside
    kept = mask.any(axis=(1, 2))
    rows, columns = (jnp.asarray(np.asarray(x)[kept]) for x in (a.block_receivers, a.block_senders))
    return replace(a, block_receivers=rows, block_senders=columns, mask=jnp.asarray(mask[kept]))


def from_keys(keys: np.ndarray, like: Layout, block: int | None = None) -> EdgeList | Blocks:
    """The pairs as tiles where they fill them well enough, else as an edge list."""
    senders, receivers = split_key(keys, like.n_senders)
    sizes = {"n_receivers": like.n_receivers, "n_senders": like.n_senders}
    if block is not None:
        tiles = len(distinct(pair_key(senders // block, receivers // block, -(-like.n_senders // block))))
        if tiles * block**2 <= SLOTS_PER_EDGE * len(keys):
            return Blocks.from_edges(senders, receivers, block, **sizes)
    return EdgeList.from_edges(senders, receivers, **sizes)
