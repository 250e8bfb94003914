"""Blocks: the square tiles of the adjacency matrix that hold at least one edge, contracted by small matrix products."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.errors import check_size, widen_index
from tgnn.graphs.edge_list import EdgeList, check_simple
from tgnn.graphs.fields import settle
from tgnn.graphs.layout import Layout, is_traced, rows_at
from tgnn.pytrees import register
from tgnn.softmax import expand, least_where_dead, segment_reduce, sum_dtype, wide_dtype
from tgnn.typing import Array, ArrayLike


class TileLike(Layout):
    """The verbs of every layout whose edges are live entries of small matrices, `mask` [n_tile, rows, columns]."""

    form = "tiles"
    axes: ClassVar[dict[str, int]] = {"mask": 3}
    reads_rows = False
    mask: Array

    @property
    def edge_shape(self) -> tuple[int, ...]:
        return self.mask.shape[-3:]

    @abstractmethod
    def gather_rows(self, rows: Array, op: str = "sum") -> Array:
        """[n_tile, rows, ...] -> [n_receivers, ...]: joins what the tiles of each receiver found."""

    def reduce(self, x: Array, op: str = "sum") -> Array:
        if op == "max":
            rows = least_where_dead(x, self.live).max(axis=2)
        else:
            rows = self.zero_dead_edges(x).sum(axis=2, dtype=sum_dtype(x.dtype))
        return self.gather_rows(rows, op)

    def score(self, query: Array, key: Array) -> Array:
        rows, columns = self.from_receivers(query)[:, :, 0], self.from_senders(key)[:, 0]
        wide = wide_dtype(query.dtype, key.dtype)
        return jnp.einsum("tnhd,tmhd->tnmh", rows, columns, preferred_element_type=wide)

    def aggregate(self, weights: Array, value: Array) -> Array:
        wide = wide_dtype(weights.dtype, value.dtype)
        columns = self.from_senders(value)[:, 0].astype(wide)
        return self.gather_rows(
            jnp.einsum("tnmh,tmhd->tnhd", self.zero_dead_edges(weights), columns, preferred_element_type=wide)
        )

    def data_slots(self) -> int:
        return self.edge_shape[0]


@register
@dataclass(frozen=True)
class Blocks(TileLike):
    """A block-sparse graph: tile `t` joins receiver block `block_receivers[t]` to sender block `block_senders[t]`.

    Built from an edge list in O(n_edge log n_edge), never through an n * n mask. O(n_tile * block ** 2) memory.
    Tiles whose block index is out of range are dead.
    """

    block_receivers: Array
    block_senders: Array
    mask: Array
    n_receivers: int = jax.tree.static()  # pyright: ignore
    n_senders: int = jax.tree.static()  # pyright: ignore

    def __post_init__(self) -> None:
        settle(self, "block_receivers", "block_senders", alike=("block_receivers", "block_senders"), axes=1)

    @classmethod
    def from_edges(
        cls,
        senders: ArrayLike,
        receivers: ArrayLike,
        block: int = 64,
        *,
        n_receivers: int,
        n_senders: int | None = None,
        mask: ArrayLike | None = None,
        pad_to: int | None = None,
    ) -> Self:
        """The tiles of an edge list. Arguments as in `EdgeList.from_edges`, and the size of a tile.

        Args:
          senders: int [n_edge].
          receivers: int [n_edge].
          block: rows and columns of a tile.
          n_receivers: number of receivers.
          n_senders: number of senders; default `n_receivers`.
          mask: bool [n_edge], True = keep.
          pad_to: number of stored tiles; default as many as needed.

        Raises:
          ValueError: also for duplicate edges, which a tile's mask cannot count.

        >>> Blocks.from_edges([0, 1, 5], [0, 1, 4], 2, n_receivers=6).edge_shape
        (2, 2, 2)
        """
        block = check_size("block", block, minimum=1)
        edges = EdgeList.from_edges(senders, receivers, n_receivers=n_receivers, n_senders=n_senders, mask=mask)
        check_simple(edges, "Blocks")
        sender, receiver = edges.pairs()
        columns = max(-(-edges.n_senders // block), 1)
        tiles, tile = np.unique((receiver // block) * columns + sender // block, return_inverse=True)
        size = len(tiles) if pad_to is None else check_size("pad_to", pad_to)
        if size < len(tiles):
            raise ValueError(f"pad_to is {size}, but the edges fill {len(tiles)} tiles; choose at least that")
        filled = np.zeros((size, block, block), bool)
        filled[tile, receiver % block, sender % block] = True
        spare = size - len(tiles)
        rows = -(-edges.n_receivers // block)
        return cls(
            jnp.asarray(np.append(tiles // columns, np.full(spare, rows)).astype(np.int32)),
            jnp.asarray(np.append(tiles % columns, np.zeros(spare)).astype(np.int32)),
            jnp.asarray(filled),
            edges.n_receivers,
            edges.n_senders,
        )

    @property
    def block(self) -> int:
        """Rows and columns of a tile."""
        return self.mask.shape[-1]

    @property
    def n_row(self) -> int:
        """Number of receiver blocks."""
        return -(-self.n_receivers // self.block)

    @property
    def live(self) -> Array:
        receivers, senders = self.receiver_index, self.sender_index
        inside = (receivers >= 0) & (receivers < self.n_receivers) & (senders >= 0) & (senders < self.n_senders)
        return self.mask & inside

    @property
    def receiver_index(self) -> Array:
        return (widen_index(self.block_receivers)[:, None] * self.block + jnp.arange(self.block)[None, :])[:, :, None]

    @property
    def sender_index(self) -> Array:
        return (widen_index(self.block_senders)[:, None] * self.block + jnp.arange(self.block)[None, :])[:, None, :]

    def tiles(self, x: Array, index: Array, axis: int) -> Array:
        """[n, ...] -> [n_tile, block, ...]: the rows that each tile touches, zeros where it has no live edge."""
        blocks = -(-x.shape[0] // self.block)
        if blocks == 0:
            return jnp.zeros((*self.edge_shape[:2], *x.shape[1:]), x.dtype)
        padded = jnp.pad(x, [(0, blocks * self.block - x.shape[0])] + [(0, 0)] * (x.ndim - 1))
        rows = rows_at(padded.reshape(blocks, self.block, *x.shape[1:]), widen_index(index))
        return jnp.where(expand(self.live.any(axis=axis), rows.ndim), rows, jnp.zeros((), x.dtype))

    def from_receivers(self, x: Array) -> Array:
        return self.tiles(x, self.block_receivers, axis=2)[:, :, None]

    def from_senders(self, x: Array) -> Array:
        return self.tiles(x, self.block_senders, axis=1)[:, None]

    def gather_rows(self, rows: Array, op: str = "sum") -> Array:
        """[n_tile, block, ...] -> [n_receivers, ...]: joins the tiles of each receiver block."""
        joined = segment_reduce(rows, self.block_receivers, self.n_row, op)
        return joined.reshape(self.n_row * self.block, *rows.shape[2:])[: self.n_receivers]

    def find(self, senders: Array, receivers: Array) -> tuple[Array, ...]:
        columns = max(-(-self.n_senders // self.block), 1)
        blocks = (
            widen_index(self.block_receivers),
            widen_index(self.block_senders),
            receivers // self.block,
            senders // self.block,
        )
        if not any(map(is_traced, blocks)):
            blocks = [np.asarray(x, np.int64) for x in blocks]
        elif self.n_row * columns > np.iinfo(np.int32).max:
            raise ValueError(f"{self.n_row} x {columns} blocks are too many for int32; call arrange outside jit")
        stored, wanted = blocks[0] * columns + blocks[1], blocks[2] * columns + blocks[3]
        xp = np if isinstance(stored, np.ndarray) else jnp
        order = xp.argsort(stored)
        place = xp.clip(xp.searchsorted(stored, wanted, sorter=order), 0, max(len(stored) - 1, 0))
        tile = order[place] if len(stored) else xp.full_like(wanted, -1)
        found = (stored[tile] == wanted) if len(stored) else xp.zeros_like(wanted, bool)
        return jnp.asarray(xp.where(found, tile, -1)), receivers % self.block, senders % self.block

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        self.require_concrete()
        tile, row, column = np.nonzero(np.asarray(self.mask))
        senders = np.asarray(self.block_senders, np.int64)[tile] * self.block + column
        receivers = np.asarray(self.block_receivers, np.int64)[tile] * self.block + row
        inside = (senders >= 0) & (senders < self.n_senders) & (receivers >= 0) & (receivers < self.n_receivers)
        return senders[inside], receivers[inside]

    def temporary_bytes(self, heads: int, head_dim: int, gradients: bool) -> int:
        """Two tiles of all heads, and sums of padded rows."""
        padded = 4 * heads * head_dim * 3 * max(self.n_receivers, self.n_senders)
        return 2 * self.block**2 * 4 * heads + padded * (2 if gradients else 1)

    def pad_slots(self, size: int) -> "Blocks":
        spare = (0, size - self.edge_shape[0])
        rows = jnp.pad(widen_index(self.block_receivers), spare, constant_values=self.n_row)
        mask = jnp.pad(self.mask, [spare, (0, 0), (0, 0)])
        return Blocks(rows, jnp.pad(widen_index(self.block_senders), spare), mask, self.n_receivers, self.n_senders)
