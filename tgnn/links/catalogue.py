"""The first items of a whole catalogue for every user, block by block: no array of users times items."""

from collections.abc import Callable, Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.errors import check_indices, check_size
from tgnn.graphs import Layout
from tgnn.graphs.host import stable_order
from tgnn.graphs.interop import live_edges
from tgnn.metrics.ranking import top_k
from tgnn.typing import Array, ArrayLike, Params


def rank_unseen(
    score: Callable[..., Array],
    seen: Layout,
    k: int,
    *args: Params,
    receivers: ArrayLike | None = None,
    block: int = 256,
) -> np.ndarray:
    """The first k senders of each receiver among those that have no edge to it, by descending score.

    Args:
        score: `(receivers, *args) -> [block, n_senders]` scores of all senders for a block of receivers, int32
            [block]; it is jitted and compiled once for each function, so pass the same one again, and
            in `args` what changes.
        seen: a bipartite layout from items (senders) to users (receivers): what is not to be ranked.
        k: how many.
        *args: pytrees of arrays for `score`, such as the parameters.
        receivers: int [n], the receivers that are asked for; default all of them.
        block: receivers at a time: memory is O(block * n_senders), whatever their number.

    Returns:
        int32 [n, k] senders, of equal scores the smaller number first; -1 after the last one that is not seen.

    Raises:
        ValueError: a size is no positive integer, or a receiver does not exist.

    >>> from tgnn import EdgeList
    >>> seen = EdgeList.from_edges([2, 0], [0, 1], n_receivers=2, n_senders=3)
    >>> table = jnp.array([[0.1, 0.2, 0.9], [0.5, 0.3, 0.4]])
    >>> rank_unseen(lambda users, table: table[users], seen, 2, table).tolist()
    [[1, 0], [2, 1]]
    """
    k, block = check_size("k", k, 1), check_size("block", block, 1)
    receivers = np.arange(seen.n_receivers) if receivers is None else receivers
    receivers = check_indices("receivers", receivers, seen.n_receivers)
    found = np.full((len(receivers), k), -1, np.int32)
    for rows, users, known in blocks(seen, receivers, block):
        items = np.asarray(first(score, k, users, known, *args))
        found[rows, : items.shape[1]] = items[: rows.stop - rows.start]
    return found


@partial(jax.jit, static_argnums=(0, 1))
def first(score: Callable[..., Array], k: int, users: Array, known: Array, *args: Params) -> Array:
    """The first items of a block of users, -1 after the last: int32 [block, min(k, n_senders)]."""
    scores = score(users, *args)  # [block, n_items]
    seen = jnp.zeros(scores.shape, bool).at[known[0], known[1]].set(True, mode="drop")
    items, is_there = top_k(scores, k, seen)
    return jnp.where(is_there, items, -1)


def blocks(seen: Layout, receivers: np.ndarray, block: int) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Where a block of receivers stands, their numbers and (row, item) of what they have seen, in one shape each."""
    items, users = live_edges(seen)
    order = stable_order(users)
    items, start = items[order], np.searchsorted(users[order], np.arange(seen.n_receivers + 1))
    count = np.diff(start)[receivers]
    begins = range(0, len(receivers), block)
    room = max((int(count[i : i + block].sum()) for i in begins), default=0)
    for begin in begins:
        rows = slice(begin, min(begin + block, len(receivers)))
        chosen, number = receivers[rows], count[rows]
        inner = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
        known = np.full((2, room), block, np.int32)  # a row that does not exist is dropped
        known[0, : len(inner)] = np.repeat(np.arange(len(chosen)), number)
        known[1, : len(inner)] = items[np.repeat(start[chosen], number) + inner]
        yield rows, np.pad(chosen, (0, block - len(chosen))).astype(np.int32), known
