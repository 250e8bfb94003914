"""Buckets of a hash: nodes see nodes whose hash is equal, and similar vectors have equal hashes."""

import jax.numpy as jnp
import numpy as np

from tgnn.errors import check_size
from tgnn.graphs import SortedChunks
from tgnn.graphs.layout import is_traced
from tgnn.graphs.sorted_chunks import band, cut, take
from tgnn.typing import Array, ArrayLike


def lsh_buckets(
    n: int, hashes: Array, *, chunk: int = 64, causal: bool = True, keep_self: bool = False
) -> SortedChunks:
    """Nodes see nodes that fell into their bucket in any round of hashing. Also under jit; O(rounds * n * chunk).

    In each round nodes are sorted by bucket, then by position, and cut into chunks; a node sees those in its chunk and
    the chunk before that share its bucket. With `chunk >= n` a node sees its whole bucket. A pair that meets in several
    rounds is one edge, so that one softmax runs over the union of the rounds.

    Args:
        n: number of nodes.
        hashes: int [n] or [rounds, n], at least 0 and of any width; -1 = padding.
        chunk: nodes in a chunk; a chunk longer than n is cut to n.
        causal: only the past is seen: no edge leads from a node to an earlier one. Which of the past is seen may depend
            on later hashes, as in the paper's code: chunks are cut from the sorted order, where a later node of a
            smaller bucket moves all that follow, and a border with them. With `chunk >= n` there is no border, and what
            a node sees depends on its past alone.
        keep_self: whether every node sees itself, or (as with shared queries and keys) only one that sees nobody else.

    Returns:
        Chunks in the order of the hashes, contracted by matrix products of `chunk * 2 * chunk` pairs.

    Raises:
        ValueError: unless there is one integer per node and round.

    Reference: Kitaev, Kaiser and Levskaya, Reformer: The Efficient Transformer, arXiv:2001.04451, section 2. There the
    first chunk also sees the last one.

    >>> lsh_buckets(4, [0, 1, 0, 1], keep_self=True).adjacency().astype(int).tolist()
    [[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1]]
    """
    n, chunk = check_size("n", n), check_size("chunk", chunk, minimum=1)
    buckets = check_hashes(n, hashes)
    last = jnp.where(buckets < 0, -1, buckets).astype(f"uint{8 * buckets.dtype.itemsize}")  # -1 is the largest then
    order = jnp.argsort(last, axis=1, stable=True)
    nodes, places = cut(order, min(chunk, max(n, 1)))
    masks, earlier = [], []
    for bucket, slots, place in zip(buckets, nodes[:, None], places, strict=True):
        met = meetings(slots, bucket, earlier) & (slots[..., None] != band(slots, n)[..., None, :])
        masks.append(met & (band(slots, n)[..., None, :] < slots[..., None]) if causal else met)
        earlier.append((bucket, place // nodes.shape[2]))
    layout = SortedChunks(nodes, places, jnp.concatenate(masks))
    real = (buckets >= 0).any(axis=0)
    alone = real if keep_self else real & ~(layout.reduce(layout.mask, "max") > 0)
    own = take(alone, nodes[:1])[..., None] & (nodes[:1, ..., None] == band(nodes[:1], n)[..., None, :])
    return SortedChunks(nodes, places, layout.mask.at[:1].set(layout.mask[:1] | own))


def meetings(slots: Array, bucket: Array, earlier: list[tuple[Array, Array]]) -> Array:
    """Which pairs of slots share a bucket and have not met in an earlier round: bool [1, n_chunk, chunk, width].

    Args:
        slots: int [1, n_chunk, chunk], the nodes of this round.
        bucket: int [n].
        earlier: of each round before, the bucket and the chunk of each node.
    """
    met = equal_buckets(slots, bucket)
    for their_bucket, their_chunk in earlier:
        numbers = take(their_chunk, slots)
        step = numbers[..., None] - band(numbers, 0)[..., None, :]
        met &= ~(equal_buckets(slots, their_bucket) & (step >= 0) & (step <= 1))
    return met


def equal_buckets(slots: Array, bucket: Array) -> Array:
    """Pairs of slots in one bucket; padding and empty slots are in none."""
    mine = jnp.append(bucket, -1)[slots]  # empty slots hold node n
    return (mine[..., None] == band(mine, -1)[..., None, :]) & (mine[..., None] >= 0)


def check_hashes(n: int, hashes: ArrayLike) -> Array:
    """Signed integers [rounds, n], or a ValueError. Concrete hashes of 64 bits are renumbered in their order."""
    hashes = hashes if isinstance(hashes, Array) else np.asarray(hashes)
    hashes = hashes if hashes.size else hashes.astype(np.int32)
    is_table = hashes.ndim == 1 or (hashes.ndim == 2 and len(hashes) > 0)
    if not is_table or hashes.shape[-1] != n or not jnp.issubdtype(hashes.dtype, jnp.integer):
        raise ValueError(
            f"hashes must be integers of shape [{n}] or [rounds, {n}], got {hashes.dtype} of shape {hashes.shape}; "
            "give one hash per node"
        )
    if not is_traced(hashes) and not np.can_cast(hashes.dtype, np.int32):
        rank = np.unique(hashes, return_inverse=True)[1].reshape(hashes.shape)
        hashes = np.where(np.asarray(hashes) < 0, -1, rank).astype(np.int32)
    if jnp.issubdtype(hashes.dtype, jnp.unsignedinteger) and not np.can_cast(hashes.dtype, np.int32):
        raise ValueError(f"hashes must be signed under jit, got {hashes.dtype}; cast them with astype(jnp.int32)")
    small = np.can_cast(hashes.dtype, np.int32)
    return jnp.atleast_2d(jnp.asarray(hashes, jnp.int32 if small else hashes.dtype))
