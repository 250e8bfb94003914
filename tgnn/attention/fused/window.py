"""Window as banded blocks: a tile of receivers reads the one slice of senders that its windows cover.

O(n * (left + right)) time, O(n) memory beside one tile. A dilated window is an ordinary one on each residue class of
the positions: nodes are reordered so that a class is contiguous. Reference: Beltagy et al., Longformer,
arXiv:2004.05150, whose chunks overlap; here every pair is computed once.
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp

from tgnn.attention.call import Call
from tgnn.attention.fused.execution import Form
from tgnn.attention.fused.rows import Data, Packed, Plan, backward, forward
from tgnn.attention.fused.tile import Columns, Rows
from tgnn.attention.fused.tiled import Prepared, Tiled, pad_rows, prepare
from tgnn.graphs.window import Window
from tgnn.typing import Array


class Band(NamedTuple):
    """The static shape of the tiles: `classes * blocks` tiles of `size` receivers and `width` senders."""

    classes: int  # residue classes, the dilation
    blocks: int  # tiles of each class
    size: int
    lead: int  # steps from the first sender of a tile to its first receiver
    width: int
    length: int  # senders of each class, padding included


def pack(call: Call) -> tuple[Plan, Packed, Data]:
    """The tiles of a call, in the order of their residue classes."""
    layout = call.layout
    prepared = prepare(call)
    band = band_of(layout, prepared)
    starts, shift = first_senders(layout, band)
    packed = Packed(
        by_class(prepared.receiver, band.classes, band.blocks * band.size),
        by_class(prepared.sender, band.classes, band.length),
        by_class(prepared.value, band.classes, band.length),
        prepared.floats,
        jax.tree.map(lambda x: align(x, shift, band.width), prepared.slots),
    )
    rows, columns = index_data(layout, band)
    mine, theirs = touched(layout), touched(reverse(layout))
    if mine is not None:
        mine = by_class(mine, band.classes, band.blocks * band.size).reshape(rows.index.shape)
    theirs = None if theirs is None else by_class(theirs, band.classes, band.length)
    data = Data(prepared.others, call.draw, rows._replace(touched=mine), columns, starts[:, None], touched=theirs)
    return Plan(prepared.rule, band.size, band.width, prepared.each_head), packed, data


def band_of(layout: Window, prepared: Prepared) -> Band:
    """Tiles about as long as the window is wide; the layout's own where arrays per edge slot come in its blocks."""
    longest = -(-layout.n // layout.dilation)
    size, lead, width = layout.block, layout.blocks_left * layout.block, layout.span
    if all(x is None for x in prepared.slots):
        reach = layout.left + layout.right
        size = min(max(32, 1 << (reach // 2).bit_length()), 128, longest)
        lead, width = layout.left, size + reach
    length = -(-layout.n_senders // layout.dilation)
    return Band(layout.dilation, -(-longest // size), size, lead, min(width, length), length)


def by_class(x: Array, classes: int, length: int) -> Array:
    """[n, ...] -> [classes * length, ...], the nodes of a residue class side by side, zeros in the padding."""
    x = pad_rows(x, classes * length)
    return x if classes == 1 else jnp.swapaxes(x.reshape(length, classes, *x.shape[1:]), 0, 1).reshape(x.shape)


def first_senders(layout: Window, band: Band) -> tuple[Array, Array]:
    """Where the senders of each tile begin, [tiles], and how far that is from the first sender of its first window.

    Tiles at the border read senders inside the range instead of padding; their masks know each sender's index.
    """
    residue = jnp.arange(band.classes)[:, None]
    sender_class = (residue + layout.offset) % band.classes
    step = (residue + layout.offset - sender_class) // band.classes
    wanted = step + jnp.arange(band.blocks)[None, :] * band.size - band.lead
    inside = jnp.clip(wanted, 0, band.length - band.width)
    return (sender_class * band.length + inside).ravel(), (inside - wanted).ravel()


def index_data(layout: Window, band: Band) -> tuple[Rows, Columns]:
    """The integer data of tiles and senders. Rows of the padding repeat the last receiver: they are cut off."""
    tiles = band.classes * band.blocks, band.size
    index = by_class(jnp.arange(band.blocks * band.size * band.classes), band.classes, band.blocks * band.size)
    index = jnp.minimum(index, layout.n - 1).reshape(tiles)
    centre = index + layout.offset
    rows = Rows(
        index,
        first=centre - layout.left * layout.dilation,
        last=jnp.minimum(centre + layout.right * layout.dilation, layout.n_senders - 1),
    )
    senders = None if band.classes == 1 else by_class(jnp.arange(band.length * band.classes), band.classes, band.length)
    segments = layout.segments
    if segments is None:
        return rows, Columns(senders)
    mine, theirs = (
        by_class(x + 1, band.classes, length) - 1  # padding becomes -1
        for x, length in zip(segments, (band.blocks * band.size, band.length), strict=True)
    )
    return rows._replace(segment=mine.reshape(tiles)), Columns(senders, theirs)


def align(x: Array, shift: Array, width: int) -> Array:
    """Slots [tiles, n, span, ...] -> [tiles, n, width, ...], moved to the senders that the tiles really read."""
    span = x.shape[2]
    padded = jnp.pad(x, [(0, 0), (0, 0), (span, span)] + [(0, 0)] * (x.ndim - 3))
    start = jnp.clip(span + shift, 0, 2 * span)
    return jax.vmap(lambda tile, first: jax.lax.dynamic_slice_in_dim(tile, first, width, axis=1))(padded, start)


def touched(layout: Window) -> Array | None:
    """Which receivers have a live edge: bool [n], or None where all have."""
    if layout.segments is not None:
        return layout.unblock(layout.live.any(axis=2))
    if isinstance(layout.offset, int) and 0 <= layout.offset <= layout.n_senders - layout.n:
        return None  # everybody sees the sender at its own position
    centre = jnp.arange(layout.n) + layout.offset
    first = centre - layout.left * layout.dilation
    first = jnp.where(first < 0, first % layout.dilation, first)
    return first <= jnp.minimum(centre + layout.right * layout.dilation, layout.n_senders - 1)


def reverse(layout: Window) -> Window:
    """The same edges from receivers to senders."""
    return replace(
        layout,
        n=layout.n_senders,
        n_senders=layout.n,
        left=layout.right,
        right=layout.left,
        offset=-layout.offset,
        receiver_segments=layout.sender_segments,
        sender_segments=layout.receiver_segments,
    )


class Bands(Tiled):
    """The tiles of a window."""

    name = "tiles of bands"
    form: Form = "band"

    pack, forward, backward = staticmethod(pack), staticmethod(forward), staticmethod(backward)

    def unpack(self, call: Call, output: Array) -> Array:
        """[receivers by class, key_heads, group, dim] -> [n_receivers, heads, dim]."""
        classes = output.reshape(call.layout.dilation, -1, call.query.shape[1], output.shape[-1])
        return jnp.swapaxes(classes, 0, 1).reshape(-1, *classes.shape[2:])[: call.layout.n]
