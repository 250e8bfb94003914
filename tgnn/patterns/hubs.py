"""Patterns with nodes that everybody sees: star, Longformer, BigBird."""

from collections.abc import Sequence

import jax
import numpy as np

from tgnn.errors import check_indices, check_size
from tgnn.graphs import Blocks, EdgeList
from tgnn.graphs.host import distinct
from tgnn.patterns.tiles import band_tiles, blocks_where, cross_tiles, n_row, tile_size


@jax.ensure_compile_time_eval()  # static, so that it is known under jit too
def star(n: int, window: int = 1) -> EdgeList:
    """A hub, node 0, that sees everybody and is seen by everybody; the others form a ring. O(n * window).

    For the Star-Transformer put the relay node first: `star(n_token + 1)`. Everybody sees itself.

    Args:
        n: number of nodes, hub included.
        window: how many neighbours on each side of the ring are seen; 0 gives a plain star.

    Reference: Guo et al., Star-Transformer, arXiv:1902.09113. There a satellite sees itself through its embedding as
    well, which is the model's to add.

    >>> star(5).adjacency()[1].astype(int).tolist()
    [1, 1, 1, 0, 1]
    """
    n, window = check_size("n", n), check_size("window", window)
    ring, satellites = n - 1, np.arange(1, n)
    is_complete = 2 * window + 1 >= ring
    steps = np.arange(max(ring, 0)) if is_complete else np.arange(-window, window + 1)
    receivers = np.repeat(satellites, len(steps))
    senders = 1 + (receivers - 1 + np.tile(steps, len(satellites))) % max(ring, 1)
    hub = np.arange(n)
    centre = np.zeros(len(satellites), int)
    receivers = np.concatenate([hub * 0, satellites, receivers])
    keys = distinct(receivers * n + np.concatenate([hub, centre, senders]))
    receivers, senders = np.divmod(keys, max(n, 1))
    return EdgeList.from_edges(senders, receivers, n_receivers=n)


def longformer(
    n: int, window: int, global_nodes: Sequence[int] = (0,), *, causal: bool = False, block: int | None = None
) -> Blocks:
    """Everybody sees `window` nodes on each side and the global nodes; these see everybody.

    Tiles that hold an edge, O(n * (window + block * n_global)): none of the others is looked at.

    Args:
        n: number of nodes.
        window: steps to each side: half of what the paper calls w.
        global_nodes: indices in [0, n); none are needed where n is 0.
        causal: only the past is seen.
        block: size of the tiles; default near the window.

    Raises:
        ValueError: for global nodes outside [0, n), or sizes that are no such integers.

    Reference: Beltagy, Peters and Cohan, Longformer: The Long-Document Transformer, arXiv:2004.05150, section 3.1.

    >>> longformer(5, 1).adjacency()[3].astype(int).tolist()
    [1, 0, 1, 1, 1]
    """
    n, window = check_size("n", n), check_size("window", window)
    block = tile_size(n, window) if block is None else check_size("block", block, minimum=1)
    rows = n_row(n, block)
    hubs = check_indices("global_nodes", global_nodes, max(n, 1))  # of no nodes at all the default may stand
    is_global = np.zeros(rows * block, bool)
    is_global[hubs[hubs < n]] = True
    holds = np.flatnonzero(is_global.reshape(rows, block).any(axis=1))
    candidates = np.append(band_tiles(rows, -(-window // block)), cross_tiles(rows, holds))
    if causal:
        candidates = candidates[candidates % max(rows, 1) <= candidates // max(rows, 1)]

    def rule(receivers, senders):
        seen = (abs(receivers - senders) <= window) | is_global[receivers] | is_global[senders]
        return seen & (senders <= receivers) if causal else seen

    return blocks_where(n, block, candidates, rule)


def bigbird(
    n: int, block: int = 64, *, n_window: int = 3, n_global: int = 1, n_random: int = 3, seed: int = 0
) -> Blocks:
    """Blocks of nodes see a window of blocks, global blocks and random blocks; global blocks see all.

    Full tiles, O(n * block * (n_window + n_global + n_random)): none of the others is looked at.

    Args:
        n: number of nodes.
        block: nodes in a block, the last one may be shorter; a block longer than n is cut to n.
        n_window: blocks in the window, odd, the own block included.
        n_global: the first blocks, which are seen by all and see all.
        n_random: blocks that each other block sees besides; fewer where fewer are left.
        seed: of the random blocks, an integer of at least 0.

    Raises:
        ValueError: for an even window, or sizes that are no such integers.

    Reference: Zaheer et al., Big Bird: Transformers for Longer Sequences, arXiv:2007.14062, section 2. There half of
    the global blocks may stand at the end; here all are first.

    >>> bigbird(8, 2, n_random=0).adjacency()[6].astype(int).tolist()
    [1, 1, 0, 0, 1, 1, 1, 1]
    """
    n, block = check_size("n", n), check_size("block", block, minimum=1)
    n_window, n_global = check_size("n_window", n_window, minimum=1), check_size("n_global", n_global)
    n_random = check_size("n_random", n_random)
    if n_window % 2 == 0:
        raise ValueError(f"n_window is {n_window}, but a window around a block has an odd number of blocks; add one")
    block = min(block, max(n, 1))
    rows = n_row(n, block)
    n_global = min(n_global, rows)
    ruled = np.append(band_tiles(rows, n_window // 2), cross_tiles(rows, np.arange(n_global)))
    chosen = random_tiles(rows, n_window // 2, n_global, n_random, check_size("seed", seed))
    return blocks_where(n, block, np.append(ruled, chosen), lambda receivers, senders: np.True_)


def random_tiles(rows: int, width: int, n_global: int, n_random: int, seed: int) -> np.ndarray:
    """In each row but the global ones, `n_random` tiles off the band and the global columns. O(rows * n_random)."""
    generator, tiles = np.random.default_rng(seed), [np.arange(0)]
    for row in range(n_global, rows):
        start, end = max(row - width, n_global), min(row + width + 1, rows)  # of the band, which cuts the free columns
        n_free = rows - n_global - (end - start)
        free = n_global + generator.choice(n_free, min(n_random, n_free), replace=False, shuffle=False)
        tiles.append(row * rows + np.where(free < start, free, free + end - start))
    return np.concatenate(tiles)
