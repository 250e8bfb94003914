"""Buckets of a hash: nodes see nodes whose hash is equal, and similar vectors have equal hashes."""

import jax.numpy as jnp
import numpy as np

from tgnn.checks import check_size
from tgnn.layouts import Neighbors
from tgnn.typing import Array


def lsh_buckets(n: int, hashes: Array, *, chunk: int = 64, causal: bool = True, keep_self: bool = False) -> Neighbors:
    """Nodes see nodes that fell into their bucket in any round of hashing. Also under jit; O(rounds * n * chunk).

    In each round nodes are sorted by bucket, then by position, and cut into chunks; a node sees those in its chunk and
    the chunk before that share its bucket. With `chunk >= n` a node sees its whole bucket. A pair that meets in several
    rounds is one edge, so that one softmax runs over the union of the rounds.

    Args:
      n: number of nodes.
      hashes: int [n] or [rounds, n], at least 0; -1 = padding.
      chunk: nodes in a chunk; a chunk longer than n is cut to n.
      causal: only the past is seen.
      keep_self: whether every node sees itself, or (as with shared queries and keys) only one that sees nobody else.

    Returns:
      A table of `rounds * 2 * chunk` neighbours, or `rounds * chunk` where one chunk holds all.

    Raises:
      ValueError: unless there is one integer per node and round.

    Reference: Kitaev, Kaiser and Levskaya, Reformer: The Efficient Transformer, arXiv 2001.04451, section 2. There the
    first chunk also sees the last one.

    >>> lsh_buckets(4, [0, 1, 0, 1], keep_self=True).adjacency().astype(int).tolist()
    [[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1]]
    """
    n, chunk = check_size("n", n), check_size("chunk", chunk, minimum=1)
    hashes = jnp.atleast_1d(jnp.asarray(hashes))
    hashes = hashes if hashes.size else hashes.astype(jnp.int32)
    is_table = hashes.ndim == 1 or (hashes.ndim == 2 and len(hashes) > 0)
    if not is_table or hashes.shape[-1] != n or not jnp.issubdtype(hashes.dtype, jnp.integer):
        raise ValueError(
            f"hashes must be integers of shape [{n}] or [rounds, {n}], got {hashes.dtype} of shape {hashes.shape}; "
            "give one hash per node"
        )
    index, rounds, chunk = jnp.arange(n), jnp.atleast_2d(hashes), min(chunk, max(n, 1))
    tables, masks, earlier = [], [], []
    for bucket in rounds:
        place, table = sort_into_chunks(bucket, chunk)
        other = jnp.clip(table, 0, max(n - 1, 0))
        mask = (table >= 0) & (bucket[:, None] >= 0) & (table != index[:, None])
        mask &= take(bucket, other) == bucket[:, None]
        if causal:
            mask &= table < index[:, None]
        for their_bucket, their_place in earlier:  # seen in an earlier round: one edge
            step = their_place[:, None] - take(their_place, other)
            together = (take(their_bucket, other) == their_bucket[:, None]) & (their_bucket[:, None] >= 0)
            mask &= ~(together & (step >= 0) & (step <= 1))
        earlier.append((bucket, place))
        tables.append(table)
        masks.append(mask)
    table, mask = jnp.concatenate(tables, axis=1), jnp.concatenate(masks, axis=1)
    real = (rounds >= 0).any(axis=0)
    alone = real if keep_self else real & ~mask.any(axis=1)
    own = jnp.where(jnp.arange(table.shape[1])[None, :] < tables[0].shape[1], table == index[:, None], False)
    return Neighbors(jnp.where(table < 0, 0, table), n, mask | (own & alone[:, None]))


def sort_into_chunks(bucket: Array, chunk: int) -> tuple[Array, Array]:
    """The chunk of each node, int [n], and the nodes of its chunk and the one before, -1 = none: int [n, width]."""
    n = len(bucket)
    n_chunk = -(-n // chunk)
    order = jnp.argsort(jnp.where(bucket < 0, jnp.iinfo(bucket.dtype).max, bucket), stable=True).astype(jnp.int32)
    place = jnp.zeros(n, jnp.int32).at[order].set(jnp.asarray(np.arange(n) // chunk, jnp.int32))
    chunks = jnp.pad(order, (0, n_chunk * chunk - n), constant_values=-1).reshape(n_chunk, chunk)
    if n_chunk > 1:
        before = jnp.pad(chunks[:-1], ((1, 0), (0, 0)), constant_values=-1)
        chunks = jnp.concatenate([before, chunks], axis=1)
    return place, take(chunks, place)


def take(x: Array, index: Array) -> Array:
    """Rows of `x`; of an empty `x` there are none to take."""
    return x[index] if len(x) else jnp.zeros((*index.shape, *x.shape[1:]), x.dtype)
