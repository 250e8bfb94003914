"""Patterns as tiles: a rule on pairs, evaluated on the tiles that may hold an edge."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from tgnn.layouts import Blocks


def blocks_where(
    n: int, block: int, candidates: np.ndarray, rule: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> Blocks:
    """The tiles among `candidates` on which a rule holds somewhere.

    Args:
      n: number of nodes.
      block: rows and columns of a tile.
      candidates: bool [rows, rows] of tiles, rows = ceil(n / block): a superset of the tiles with edges.
      rule: `(receivers [tile, block, 1], senders [tile, 1, block]) -> bool`, broadcast to [tile, block, block].
    """
    rows, columns = (x.astype(np.int32) for x in np.nonzero(candidates))
    within = np.arange(block, dtype=np.int32)
    receivers = rows[:, None, None] * block + within[None, :, None]
    senders = columns[:, None, None] * block + within[None, None, :]
    mask = np.broadcast_to(rule(receivers, senders), (len(rows), block, block)) & (receivers < n) & (senders < n)
    kept = mask.any(axis=(1, 2))
    return Blocks(jnp.asarray(rows[kept]), jnp.asarray(columns[kept]), jnp.asarray(mask[kept]), n, n)


def tile_grid(n: int, block: int) -> tuple[np.ndarray, np.ndarray]:
    """Receiver and sender blocks as [rows, 1] and [1, rows]."""
    index = np.arange(-(-n // block))
    return index[:, None], index[None, :]


def tile_size(n: int, width: int) -> int:
    """A power of two between 16 and 64, near the width of a band, no more than n needs."""
    return min(64, max(16, 2 ** max(width - 1, 0).bit_length()), max(n, 1))
