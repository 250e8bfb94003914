"""Window: a band around the diagonal, stored as banded blocks and contracted by small matrix products.

Receivers are cut into blocks of `block` rows. A block of receivers sees one contiguous band of `span` senders, made by
laying shifted blocks of senders side by side: slices and matrix products only, no gather, and nothing of size n * n.
A dilated window is an ordinary window on each residue class of the positions.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.errors import check_size
from tgnn.graphs.fields import settle
from tgnn.graphs.layout import Layout, is_traced
from tgnn.graphs.segments import Segmented, default_senders
from tgnn.pytrees import register
from tgnn.softmax import expand, least_where_dead, sum_dtype, wide_dtype
from tgnn.typing import Array


@register
@dataclass(frozen=True)
class Window(Segmented, Layout):
    """Receiver `i` sees senders `i + offset + dilation * t` for `-left <= t <= right`. O(n * (left + right)) memory.

    Args:
      n: number of receivers.
      left: how many steps back.
      right: how many steps ahead; 0 gives a causal window.
      dilation: length of a step.
      n_senders: number of senders; default `n`.
      offset: position of receiver 0 among the senders; may be traced.

    >>> Window(4, 1, 0).adjacency().astype(int).tolist()
    [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]
    """

    n: int = jax.tree.static()  # pyright: ignore
    left: int = jax.tree.static()  # pyright: ignore
    right: int = jax.tree.static()  # pyright: ignore
    dilation: int = jax.tree.static(default=1)  # pyright: ignore
    n_senders: int = jax.tree.static(default=None)  # pyright: ignore
    offset: Array | int = 0
    receiver_segments: Array | None = None
    sender_segments: Array | None = None

    form = "band"
    is_rule = True
    reads_rows = False

    def __post_init__(self) -> None:
        default_senders(self, self.n, "n")
        settle(self, "offset")
        check_size("left", self.left)
        check_size("right", self.right)
        check_size("dilation", self.dilation, minimum=1)

    @property
    def n_receivers(self) -> int:  # pyright: ignore
        return self.n

    @property
    def block(self) -> int:
        """Rows of a block: near the width of the window, so that about half of the computed band is live."""
        width = max(self.left, self.right, 1)
        return int(min(128, max(16, 2 ** (width - 1).bit_length()), max(-(-self.n // self.dilation), 1)))

    @property
    def n_block(self) -> int:
        """Blocks in each residue class."""
        longest = -(-self.n // self.dilation)
        return -(-longest // self.block)

    @property
    def blocks_left(self) -> int:
        return -(-self.left // self.block)

    @property
    def blocks_right(self) -> int:
        return -(-self.right // self.block)

    @property
    def span(self) -> int:
        """Senders that a block of receivers looks at."""
        return (self.blocks_left + 1 + self.blocks_right) * self.block

    @property
    def edge_shape(self) -> tuple[int, int, int]:
        return (self.dilation * self.n_block, self.block, self.span)

    @property
    def receiver_index(self) -> Array:
        return self.position(np.arange(self.block)[None, :, None])

    @property
    def sender_index(self) -> Array:
        first = -self.blocks_left * self.block
        return self.position(np.arange(first, first + self.span)[None, None, :]) + self.offset

    def position(self, within: np.ndarray) -> Array:
        """Position on the line of step `within` of each block, counted from the block's first receiver."""
        residue, block = np.divmod(np.arange(self.dilation * self.n_block), max(self.n_block, 1))
        return jnp.asarray((block[:, None, None] * self.block + within) * self.dilation + residue[:, None, None])

    @property
    def live(self) -> Array:
        receivers, senders = self.receiver_index, self.sender_index
        steps = senders - self.offset - receivers  # a multiple of the dilation by construction
        live = (steps >= -self.left * self.dilation) & (steps <= self.right * self.dilation)
        live &= (receivers < self.n) & (senders >= 0) & (senders < self.n_senders)
        if self.receiver_segments is not None and self.sender_segments is not None:
            # Shifted by one, so that the zeros of the padding mean "no segment".
            mine = self.rows(self.receiver_segments + 1)[:, :, None]
            live &= (mine == self.band(self.sender_segments + 1)[:, None, :]) & (mine > 0)
        return live

    def rows(self, x: Array) -> Array:
        """[n, ...] -> [n_block * dilation, block, ...], zeros in the padding."""
        return self.by_residue(pad_to(x, self.n_block * self.block * self.dilation)).reshape(
            self.dilation * self.n_block, self.block, *x.shape[1:]
        )

    def by_residue(self, x: Array) -> Array:
        """[length, ...] -> [dilation, length / dilation, ...]."""
        return jnp.swapaxes(x.reshape(-1, self.dilation, *x.shape[1:]), 0, 1)

    def band(self, x: Array) -> Array:
        """[n_senders, ...] -> [dilation * n_block, span, ...]: what each block sees, zeros outside."""
        blocks = self.blocks_left + self.n_block + self.blocks_right
        length = blocks * self.block * self.dilation
        # Padding as long as the slice on both sides: a slice that would be clamped holds no sender in range anyway.
        padded = jnp.pad(x, [(length, length)] + [(0, 0)] * (x.ndim - 1))
        start = self.offset - self.blocks_left * self.block * self.dilation + length
        line = jax.lax.dynamic_slice_in_dim(padded, start, length, axis=0)
        tiles = self.by_residue(line).reshape(self.dilation, blocks, self.block, *x.shape[1:])
        shifts = blocks - self.n_block + 1
        if 0 < self.n_block < shifts:  # a copy for each block or for each step of the window: whatever are fewer
            band = jnp.stack([tiles[:, b : b + shifts] for b in range(self.n_block)], axis=1)
        else:
            band = jnp.stack([tiles[:, s : s + self.n_block] for s in range(shifts)], axis=2)
        # [dilation, n_block, shifts, block, ...] -> [dilation * n_block, span, ...]
        return band.reshape(self.dilation * self.n_block, self.span, *x.shape[1:])

    def from_receivers(self, x: Array) -> Array:
        rows = self.rows(x)
        return jnp.where(expand(self.live.any(axis=2), rows.ndim), rows, jnp.zeros((), x.dtype))[:, :, None]

    def from_senders(self, x: Array) -> Array:
        band = self.band(x)
        return jnp.where(expand(self.live.any(axis=1), band.ndim), band, jnp.zeros((), x.dtype))[:, None]

    def reduce(self, x: Array, op: str = "sum") -> Array:
        if op == "max":
            rows = least_where_dead(x, self.live).max(axis=2)
        else:
            rows = self.zero_dead_edges(x).sum(axis=2, dtype=sum_dtype(x.dtype))
        return self.unblock(rows)

    def unblock(self, rows: Array) -> Array:
        """The inverse of `rows`."""
        classes = rows.reshape(self.dilation, self.n_block * self.block, *rows.shape[2:])
        return jnp.swapaxes(classes, 0, 1).reshape(-1, *rows.shape[2:])[: self.n]

    def score(self, query: Array, key: Array) -> Array:
        rows, band = self.from_receivers(query)[:, :, 0], self.from_senders(key)[:, 0]
        wide = wide_dtype(query.dtype, key.dtype)
        return jnp.einsum("bnhd,bmhd->bnmh", rows, band, preferred_element_type=wide)

    def aggregate(self, weights: Array, value: Array) -> Array:
        wide = wide_dtype(weights.dtype, value.dtype)
        band = self.from_senders(value)[:, 0].astype(wide)
        return self.unblock(
            jnp.einsum("bnmh,bmhd->bnhd", self.zero_dead_edges(weights), band, preferred_element_type=wide)
        )

    def find(self, senders: Array, receivers: Array) -> tuple[Array, ...]:
        step, residue = receivers // self.dilation, receivers % self.dilation
        shifted = senders - self.offset - residue
        block, row = step // self.block, step % self.block
        slot = shifted // self.dilation - (block - self.blocks_left) * self.block
        exists = (shifted % self.dilation == 0) & (slot >= 0) & (slot < self.span)
        return residue * self.n_block + block, row, jnp.where(exists, slot, -1)

    # -- facts ----------------------------------------------------------------------------------------------------

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        self.require_concrete()
        step = np.arange(-self.left, self.right + 1) * self.dilation + int(self.offset)
        receivers = np.repeat(np.arange(self.n), len(step))
        senders = receivers + np.tile(step, self.n)
        inside = (senders >= 0) & (senders < self.n_senders)
        senders, receivers = senders[inside], receivers[inside]
        live = self.in_segment(senders, receivers)
        return senders[live], receivers[live]

    def contains(self, senders: np.ndarray, receivers: np.ndarray) -> np.ndarray:
        steps, rest = np.divmod(senders - receivers - int(self.offset), self.dilation)
        inside = (rest == 0) & (steps >= -self.left) & (steps <= self.right)
        return inside & self.in_segment(senders, receivers)

    def count_edges(self) -> int:
        if self.segments is not None or is_traced(self.offset):
            return super().count_edges()
        steps = np.arange(-self.left, self.right + 1) * self.dilation + int(self.offset)
        first, last = np.maximum(0, -steps), np.minimum(self.n, self.n_senders - steps)
        return int(np.maximum(last - first, 0).sum())

    def temporary_bytes(self, heads: int, head_dim: int, gradients: bool) -> int:
        """Two tiles of logits, and sums of rows; a dilated window reorders its nodes, too."""
        rows = 4 * heads * head_dim * max(self.n_receivers, self.n_senders)
        halves = (5 if gradients else 1) + (6 if self.dilation > 1 else 0)
        return 2 * self.block * self.span * 4 + halves * rows // 2

    def known_mask(self) -> tuple[str | int, ...] | None:
        plain = isinstance(self.offset, int) and self.offset == 0 and self.n == self.n_senders and self.dilation == 1
        return ("local", self.left, self.right) if plain and self.segments is None else None


def pad_to(x: Array, length: int) -> Array:
    """Zeros appended to the first axis."""
    return jnp.pad(x, [(0, length - x.shape[0])] + [(0, 0)] * (x.ndim - 1))
