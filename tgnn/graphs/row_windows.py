"""RowWindows: a few receivers at a time, and all who send to any of them gathered once: small dense products.

Made for graphs in which near nodes have nearly the same neighbours, such as meshes with several hops.
"""

from dataclasses import dataclass
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.errors import check_size, widen_index
from tgnn.graphs.blocks import TileLike
from tgnn.graphs.edge_list import EdgeList, check_simple
from tgnn.graphs.fields import settle
from tgnn.graphs.host import look_up, pair_key
from tgnn.graphs.layout import is_traced, rows_at
from tgnn.graphs.orders import best_order, check_order, tile_width
from tgnn.pytrees import register
from tgnn.softmax import expand, segment_reduce
from tgnn.typing import Array, ArrayLike


@register
@dataclass(frozen=True)
class RowWindows(TileLike):
    """A window is `size` receivers, any ones; its columns are the union of their senders, cut into tiles of one width.

    Built from an edge list in O(n_edge log n_edge). O(n_tile * size * width) memory: a hub costs `size` slots for each
    of its senders, in tiles of its own window alone. Tile `t` joins the receivers of window `windows[t]` to
    `senders[t]`; tiles, rows and columns whose index is out of range are dead.

    Args:
      receivers: int [n_window, size], each receiver once.
      places: int [n_receivers], where it stands in `receivers`, flattened.
      windows: int [n_tile].
      senders: int [n_tile, width].
      mask: bool [n_tile, size, width], True = edge.
      n_senders: number of senders.
    """

    receivers: Array
    places: Array
    windows: Array
    senders: Array
    mask: Array
    n_senders: int = jax.tree.static()  # pyright: ignore

    form = "row windows"

    def __post_init__(self) -> None:
        settle(self, "receivers", "places", "windows", "senders")

    @classmethod
    def from_edges(
        cls,
        senders: ArrayLike,
        receivers: ArrayLike,
        size: int = 32,
        *,
        n_receivers: int,
        n_senders: int | None = None,
        mask: ArrayLike | None = None,
        pad_to: int | None = None,
        width: int | None = None,
        order: ArrayLike | None = None,
    ) -> Self:
        """The windows of an edge list. Arguments as in `EdgeList.from_edges`, and how receivers and senders are cut.

        Args:
          senders: int [n_edge].
          receivers: int [n_edge].
          size: receivers of a window; 32 to 64 are fast.
          n_receivers: number of receivers.
          n_senders: number of senders; default `n_receivers`.
          mask: bool [n_edge], True = keep.
          pad_to: number of stored tiles; default as many as needed.
          width: senders of a tile; default what fills tiles best.
          order: int [n_receivers], the order in which receivers are cut into windows: `tgnn.reorder` and
            `tgnn.graphs.orders.bisect` make some; default the best that is known.

        Raises:
          ValueError: also for duplicate edges, which a mask cannot count, and an order that is no permutation.

        >>> layout = RowWindows.from_edges([0, 5, 1, 5], [0, 0, 3, 3], 2, width=2, order=[0, 3, 1, 2], n_receivers=4,
        ...                                n_senders=6)
        >>> layout.senders.tolist(), layout.mask[0].astype(int).tolist()
        ([[0, 1], [5, 6]], [[1, 0], [0, 1]])
        """
        size = check_size("size", size, minimum=1)
        edges = EdgeList.from_edges(senders, receivers, n_receivers=n_receivers, n_senders=n_senders, mask=mask)
        check_simple(edges, "RowWindows")
        n, m = edges.n_receivers, edges.n_senders
        sender, receiver = edges.pairs()
        order = best_order(sender, receiver, n, m, size) if order is None else check_order(order, n)
        place = np.argsort(order)
        # Columns: each sender of each window once, window after window.
        columns, column = np.unique(pair_key(sender, place[receiver] // size, m), return_inverse=True)
        window, listed = np.divmod(columns, max(m, 1))
        count = np.bincount(window, minlength=-(-n // size))
        width = tile_width(count) if width is None else check_size("width", width, minimum=1)
        n_tile = -(-count // width)
        total = int(n_tile.sum())
        stored = total if pad_to is None else check_size("pad_to", pad_to)
        if stored < total:
            raise ValueError(f"pad_to is {stored}, but the edges fill {total} tiles; choose at least that")
        within = np.arange(len(columns)) - (np.cumsum(count) - count)[window]
        tile, within = (np.cumsum(n_tile) - n_tile)[window] + within // width, within % width
        names = np.full((stored, width), m, np.int32)
        names[tile, within] = listed
        filled = np.zeros((stored, size, width), bool)
        filled[tile[column], place[receiver] % size, within[column]] = True
        rows = np.append(order, np.full(-n % size, n)).reshape(-1, size)
        owner = np.append(np.repeat(np.arange(len(count)), n_tile), np.full(stored - total, len(count)))
        arrays = (x.astype(np.int32) for x in (rows, place, owner, names))
        return cls(*map(jnp.asarray, (*arrays, filled)), m)

    @property
    def n_receivers(self) -> int:  # pyright: ignore
        return self.places.shape[-1]

    @property
    def live(self) -> Array:
        receivers, senders = self.receiver_index, self.sender_index
        inside = (receivers >= 0) & (receivers < self.n_receivers) & (senders >= 0) & (senders < self.n_senders)
        return self.mask & inside

    @property
    def receiver_index(self) -> Array:
        windows = widen_index(self.windows)
        exists = (windows >= 0) & (windows < self.receivers.shape[0])
        rows = rows_at(widen_index(self.receivers), windows)
        return jnp.where(exists[:, None], rows, self.n_receivers)[:, :, None]

    @property
    def sender_index(self) -> Array:
        return widen_index(self.senders)[:, None, :]

    def from_receivers(self, x: Array) -> Array:
        rows = rows_at(x, self.receiver_index[:, :, 0])
        return jnp.where(expand(self.live.any(axis=2), rows.ndim), rows, jnp.zeros((), x.dtype))[:, :, None]

    def from_senders(self, x: Array) -> Array:
        columns = rows_at(x, self.sender_index[:, 0])
        return jnp.where(expand(self.live.any(axis=1), columns.ndim), columns, jnp.zeros((), x.dtype))[:, None]

    def gather_rows(self, rows: Array, op: str = "sum") -> Array:
        joined = segment_reduce(rows, self.windows, self.receivers.shape[-2], op)  # [n_window, size, ...]
        return rows_at(joined.reshape(-1, *rows.shape[2:]), widen_index(self.places))

    def find(self, senders: Array, receivers: Array) -> tuple[Array, ...]:
        if any(map(is_traced, (senders, receivers, *jax.tree.leaves(self)))):
            return super().find(senders, receivers)  # which says why not
        size, width = self.edge_shape[1:]
        names, windows = np.asarray(self.senders, np.int64), np.asarray(self.windows)[:, None]
        own = np.where((names >= 0) & (names < self.n_senders), pair_key(names, windows, self.n_senders), -1)
        rows = np.asarray(receivers).clip(0, max(self.n_receivers - 1, 0))
        place = np.asarray(self.places)[rows] if self.n_receivers else rows
        found = look_up(own.ravel(), pair_key(senders, place // size, self.n_senders))
        slots = np.where(found < 0, -1, found // width), place % size, found % width
        return tuple(map(jnp.asarray, slots))

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        self.require_concrete()
        tile, row, column = np.nonzero(np.asarray(self.live))
        receivers, senders = np.asarray(self.receiver_index, np.int64), np.asarray(self.senders, np.int64)
        return senders[tile, column], receivers[tile, row, 0]

    def temporary_bytes(self, heads: int, head_dim: int, gradients: bool) -> int:
        """Two tiles of all heads, and sums of the rows of all windows."""
        _, size, width = self.edge_shape
        padded = 4 * heads * head_dim * 3 * max(self.receivers.size, self.n_senders)
        return 2 * size * width * 4 * heads + padded * (2 if gradients else 1)

    def pad_slots(self, size: int) -> "RowWindows":
        spare = (0, size - self.edge_shape[0])
        windows = jnp.pad(widen_index(self.windows), spare, constant_values=self.receivers.shape[-2])
        senders = jnp.pad(widen_index(self.senders), [spare, (0, 0)], constant_values=self.n_senders)
        mask = jnp.pad(self.mask, [spare, (0, 0), (0, 0)])
        return RowWindows(self.receivers, self.places, windows, senders, mask, self.n_senders)
