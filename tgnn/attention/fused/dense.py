"""The rows of Complete, Causal, Prefix, Dense in tiles, without any [n_receivers, n_senders] array of logits.

Tiles of receivers run one after the other, in parts of senders. What the tiles need of the layout they ask it: the last
sender of each receiver, its segments, or its mask where its rows follow no rule.
"""

import jax
import jax.numpy as jnp

from tgnn.attention.call import Call
from tgnn.attention.fused.execution import Form, backend
from tgnn.attention.fused.rows import FREE, MASKED, SKIP, Data, Packed, Plan, backward, forward
from tgnn.attention.fused.tile import Columns, live
from tgnn.attention.fused.tile import Rows as TileRows
from tgnn.attention.fused.tiled import Prepared, Tiled, pad_rows, prepare
from tgnn.graphs.dense import DenseLike
from tgnn.typing import Array

# Measured on CPU, see experiments/speed.
SIZE = 256  # receivers of a tile
WIDTH = 2048  # senders of a part where no part can be skipped,
NARROW = 256  # and where some can
TILE = 2**20  # logits of a tile with all heads at once
LARGE_TILE = 2**26  # elsewhere: a device needs more work at once, of all heads, and its memory is the only bound


def pack(call: Call) -> tuple[Plan, Packed, Data]:
    """The tiles of a call; senders are padded where their parts are unequal."""
    layout = call.layout
    n, m = layout.edge_shape
    prepared = prepare(call)
    size, width = tile_shape(layout, prepared, n, m)
    steps, parts = -(-n // size), -(-m // width)
    rows, segments = receivers(layout, steps, size, parts * width)
    mine, theirs = touched(layout, rows, segments)
    if mine is not None:
        rows = rows._replace(touched=pad_rows(mine.reshape(-1), steps * size).reshape(steps, size))
    theirs = None if theirs is None else pad_rows(theirs, parts * width)
    packed = Packed(
        pad_rows(prepared.receiver, steps * size),
        pad_rows(prepared.sender, parts * width),
        pad_rows(prepared.value, parts * width),
        prepared.floats,
        jax.tree.map(lambda x: pad_rows(x, steps * size).reshape(steps, size, *x.shape[1:]), prepared.slots),
    )
    starts = jnp.broadcast_to(jnp.arange(parts) * width, (steps, parts))
    chosen = kinds(layout, rows, segments, parts, width)
    data = Data(prepared.others, call.draw, rows, Columns(None, segments), starts, chosen, theirs)
    return Plan(prepared.rule, size, width, prepared.each_head), packed, data


def tile_shape(layout: DenseLike, prepared: Prepared, n: int, m: int) -> tuple[int, int]:
    """Receivers of a tile and senders of a part: equal shares, so that little is padded."""
    last = layout.last_sender(jnp.arange(n))
    whole = last is None or any(x is not None for x in prepared.slots)
    skips = not isinstance(last, int) or segments_of(layout) is not None
    width = m if whole else NARROW if skips else WIDTH
    width = share(m, width)
    heads = prepared.rule.group * (1 if prepared.each_head else prepared.rule.key_heads)
    if backend() != "cpu":
        return share(n, max(LARGE_TILE // (m * heads), 16)), m
    return share(n, min(SIZE, max(TILE // (width * heads), 16))), width


def share(total: int, most: int) -> int:
    """The largest of the fewest equal shares of at most `most`."""
    return -(-total // -(-total // most))


def segments_of(layout: DenseLike) -> tuple[Array, Array] | None:
    """The segments of receivers and senders, where the layout has both."""
    return getattr(layout, "segments", None)


def receivers(layout: DenseLike, steps: int, size: int, columns: int) -> tuple[TileRows, Array | None]:
    """The integer data of the tiles, and the segments of the `columns` senders, padding included.

    Rows of the padding repeat the last receiver: their outputs are cut off.
    """
    index = jnp.minimum(jnp.arange(steps * size), layout.n_receivers - 1).reshape(steps, size)
    rows = TileRows(index)
    last, segments = layout.last_sender(index), segments_of(layout)
    if last is None:
        mask = jnp.ones(layout.edge_shape, bool) if layout.live is None else layout.live
        return rows._replace(mask=pad_rows(mask, steps * size).reshape(steps, size, -1)), None
    if columns > layout.n_senders or not isinstance(last, int):
        last = jnp.full_like(index, last) if isinstance(last, int) else last
        rows = rows._replace(last=jnp.minimum(last, layout.n_senders - 1))
    if segments is None:
        return rows, None
    mine = jnp.pad(segments[0], (0, steps * size - layout.n_receivers), constant_values=-1).reshape(steps, size)
    return rows._replace(segment=mine), jnp.pad(segments[1], (0, columns - layout.n_senders), constant_values=-1)


def kinds(layout: DenseLike, rows: TileRows, segments: Array | None, parts: int, width: int) -> Array | None:
    """Which parts of the senders each tile may skip, and where it needs no mask: [steps, parts], or None."""
    if parts == 1 or rows.mask is not None:
        return None
    start = jnp.arange(parts)[None, :] * width
    result = jnp.full((len(rows.index), parts), FREE)
    if rows.last is not None:
        low, high = rows.last.min(axis=1)[:, None], rows.last.max(axis=1)[:, None]
        result = jnp.where(start > high, SKIP, jnp.where(start + width - 1 <= low, FREE, MASKED))
    if segments is not None:
        (low, high), (first, final) = bounds(rows.segment), bounds(segments.reshape(parts, width))
        apart = (low[:, None] > final[None, :]) | (high[:, None] < first[None, :])
        result = jnp.where(apart, SKIP, jnp.minimum(result * MASKED, MASKED))
    return agree(result)


def bounds(segments: Array) -> tuple[Array, Array]:
    """The least and the greatest segment of each row, padding apart."""
    return jnp.where(segments < 0, jnp.iinfo(segments.dtype).max, segments).min(axis=-1), segments.max(axis=-1)


@jax.custom_batching.custom_vmap
def agree(kinds: Array) -> Array:
    """The identity. Under vmap over layouts the batch shares its kinds, so that no branch becomes a select."""
    return kinds


@agree.def_vmap
def _(axis_size, in_batched, kinds):
    return jnp.where((kinds == kinds[:1]).all(axis=0), kinds[0], MASKED), False


def touched(layout: DenseLike, rows: TileRows, segments: Array | None) -> tuple[Array | None, Array | None]:
    """Which receivers and which senders have a live edge; None where all have."""
    if rows.mask is not None:
        return layout.seen()
    if segments is not None:  # tile by tile, since nothing of the size [n_receivers, n_senders] may be made
        columns = Columns(jnp.arange(len(segments)), segments)

        def tile(seen, rows):
            alive = live(rows, columns)
            assert alive is not None  # the segments are a condition
            return seen | alive.any(axis=0), alive.any(axis=1)

        seen, mine = jax.lax.scan(tile, segments != segments, rows)  # nobody yet
        return mine, seen
    return layout.seen()


class Rows(Tiled):
    """The tiles of a matrix."""

    name = "tiles of rows"
    form: Form = "matrix"
    when = "on CPU from about 2 ** 13 logits on, elsewhere from 2 ** 30 on; below, the definition is as fast"
    from_logits = 2**13

    pack, forward, backward = staticmethod(pack), staticmethod(forward), staticmethod(backward)
