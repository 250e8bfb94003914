"""Binary partition: tokens see near tokens, and ever longer spans of far ones. O(k * n * log(n / k)) edges.

Reference: Ye, Guo, Gan, Qiu and Zhang, BP-Transformer: Modelling Long-Range Context via Binary Partitioning,
arXiv:1911.04070, section 3. A span of level l covers 2 ** l tokens, the last one of a level perhaps fewer.
"""

from collections.abc import Iterator

import jax
import numpy as np

from tgnn.errors import check_size
from tgnn.graphs import EdgeList


@jax.ensure_compile_time_eval()  # static, so that it is known under jit too
def binary_partition(n: int, k: int = 4, *, causal: bool = False) -> EdgeList:
    """Tokens 0 ... n - 1 and, after them, the span nodes of a binary tree over them, level by level.

    A span sees its tokens. A token sees itself and, on each side and on each level from the tokens upwards, k nodes:
    the nearest that it does not see yet. What it sees covers every other token exactly once.

    Args:
        n: number of tokens; the graph has `len(spans(n))` nodes, which send and receive.
        k: nodes per level and side, at least 1; more than n cost no more than n.
        causal: a token sees only nodes of the past; no span that it sees holds a later token, so nothing leaks.

    Returns:
        An EdgeList; `relations(n, k, causal=causal)` gives the place of each edge in the tree, in the caller's order.

    Raises:
        ValueError: for sizes that are no such integers.

    >>> layout = binary_partition(4, 1)
    >>> layout.n_receivers, sorted(layout.senders[layout.receivers == 0].tolist())
    (7, [0, 1, 5])
    """
    k = min(check_size("k", k, minimum=1), max(check_size("n", n), 1))
    senders, receivers, _ = partition_edges(n, k, causal)
    return EdgeList.from_edges(senders, receivers, n_receivers=len(spans(n)))


def relations(n: int, k: int = 4, *, causal: bool = False) -> np.ndarray:
    """The relative place of sender and receiver in the tree, as an index of a learned bias or embedding.

    Returns:
        int32 [n_edge] in the caller's order of `binary_partition`: `(2 * k + 1) * level + offset`. Offset 0 is a
        token's way into the span above it (on level 0: to itself), 1 ... k the nearest to the k-th node on the left,
        k + 1 ... 2 * k on the right. There are at most `(2 * k + 1) * n_level` of them, n_level =
        `(n - 1).bit_length() + 1`.

    Raises:
        ValueError: for sizes that are no such integers, or a k whose indices do not fit into int32.

    >>> relations(2, 1).tolist()
    [0, 0, 3, 3, 2, 1]
    """
    return partition_edges(n, k, causal)[2].astype(np.int32)


def spans(n: int) -> np.ndarray:
    """The first token of each node and the one after its last: int [n_node, 2], tokens first, then level by level.

    >>> spans(3).tolist()
    [[0, 1], [1, 2], [2, 3], [0, 2], [2, 3], [0, 3]]
    """
    levels = []
    for level, size in enumerate(level_sizes(check_size("n", n))):
        start = np.arange(size) << level
        levels.append(np.stack([start, np.minimum(start + (1 << level), n)], axis=1))
    return np.concatenate(levels)


def level_sizes(n: int) -> list[int]:
    """Nodes on each level, from the tokens to the root."""
    sizes = [n]
    while sizes[-1] > 1:
        sizes.append((sizes[-1] + 1) // 2)
    return sizes


def partition_edges(n: int, k: int, causal: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Senders, receivers and relations."""
    n, k = check_size("n", n), check_size("k", k, minimum=1)
    sizes, tokens = level_sizes(n), np.arange(n)
    if (2 * k + 1) * len(sizes) > np.iinfo(np.int32).max:
        raise ValueError(f"k is {k}, too large for relations in int32; choose at most n, {n}, which sees as much")
    first = np.cumsum([0, *sizes])  # the first node of each level
    edges = [(tokens, first[level] + (tokens >> level), (2 * k + 1) * level) for level in range(len(sizes))]
    for side in (-1,) if causal else (1, -1):
        for senders, receivers, level, rank in one_side(sizes, first, k, side):
            edges.append((senders, receivers, (2 * k + 1) * level + rank + (k if side > 0 else 0)))
    columns = [np.concatenate([np.broadcast_to(edge[i], edge[0].shape) for edge in edges]) for i in range(3)]
    return columns[0], columns[1], columns[2]


def one_side(
    sizes: list[int], first: np.ndarray, k: int, side: int
) -> Iterator[tuple[np.ndarray, np.ndarray, int, int]]:
    """What the tokens see on one side: (senders, receivers, level, rank from 1 to k), all tokens at once.

    `ahead` is the next node of this level for each token. Where a level ends in the middle of a span, half of the span
    has been seen, and its other half, a node one level below, takes its place.
    """
    tokens = np.arange(sizes[0])
    ahead, half_seen = tokens + side, np.zeros(sizes[0], bool)
    for level in range(len(sizes)):
        for rank in range(1, min(k, sizes[level]) + 1):  # further ahead there is nothing on this level or above
            nodes, exists = first[level] + ahead, (ahead >= 0) & (ahead < sizes[level])
            if level:
                half = 2 * ahead + (side > 0)  # the outer half
                below = (half >= 0) & (half < sizes[level - 1])
                nodes = np.where(half_seen, first[level - 1] + half, nodes)
                exists = np.where(half_seen, below, exists)
            yield nodes[exists], tokens[exists], level, rank
            ahead, half_seen = ahead + side, np.zeros_like(half_seen)
        half_seen = (ahead & 1) == (side > 0)
        ahead = ahead >> 1
