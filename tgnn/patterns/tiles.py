"""Patterns as tiles: a rule on pairs, evaluated on the tiles that may hold an edge."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.graphs import Blocks
from tgnn.graphs.host import distinct


@jax.ensure_compile_time_eval()  # static, so that it is known under jit too
def blocks_where(
    n: int, block: int, candidates: np.ndarray, rule: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> Blocks:
    """The tiles among `candidates` on which a rule holds somewhere. O(n_candidate * block ** 2).

    Args:
        n: number of nodes.
        block: rows and columns of a tile.
        candidates: int [n_candidate], a superset of the tiles with edges, in any order and with any repetitions: tile
            `row * n_row(n, block) + column` joins this row of receivers to this column of senders.
        rule: `(receivers [tile, block, 1], senders [tile, 1, block]) -> bool`, broadcast to [tile, block, block].
    """
    rows, columns = (x.astype(np.int32) for x in np.divmod(distinct(candidates), max(n_row(n, block), 1)))
    within = np.arange(block, dtype=np.int32)
    receivers = rows[:, None, None] * block + within[None, :, None]
    senders = columns[:, None, None] * block + within[None, None, :]
    mask = np.broadcast_to(rule(receivers, senders), (len(rows), block, block)) & (receivers < n) & (senders < n)
    kept = mask.any(axis=(1, 2))
    return Blocks(jnp.asarray(rows[kept]), jnp.asarray(columns[kept]), jnp.asarray(mask[kept]), n, n)


def n_row(n: int, block: int) -> int:
    """Rows of tiles, and columns."""
    return -(-n // block)


def band_tiles(rows: int, width: int) -> np.ndarray:
    """The tiles at most `width` columns off the diagonal. O(rows * width)."""
    width = min(width, max(rows - 1, 0))
    row, step = np.arange(rows)[:, None], np.arange(-width, width + 1)[None, :]
    return (row * rows + row + step)[(row + step >= 0) & (row + step < rows)]


def cross_tiles(rows: int, hubs: np.ndarray) -> np.ndarray:
    """The tiles in the rows and in the columns `hubs`. O(rows * n_hub)."""
    every = np.arange(rows)
    return np.append(hubs[:, None] * rows + every[None, :], every[:, None] * rows + hubs[None, :])


def tile_size(n: int, width: int) -> int:
    """A power of two between 16 and 64, near the width of a band, no more than n needs."""
    return min(64, max(16, 2 ** max(width - 1, 0).bit_length()), max(n, 1))
