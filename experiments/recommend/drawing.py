"""Batches that the device draws for itself, so that no step waits for the host: pairs, and items that were not chosen.

Unlike the host's batches pairs are drawn with repetition: an epoch is so many pairs, and not each pair once.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.recommend.data import Choices
from tgnn.typing import Array


class Pool(NamedTuple):
    """What is drawn from; see `tgnn.links.NonEdges`, whose negatives are the same without rejection."""

    users: Array  # int32 [n], of the training pairs
    items: Array  # int32 [n]
    ranks: Array  # int32 [n], sorted
    start: Array  # int32 [num_users + 1]


def make_pool(choices: Choices) -> Pool:
    """The training pairs and what they leave out.

    Raises:
        ValueError: somebody has chosen every item, or there are too many pairs for numbers of 32 bits.
    """
    if choices.num_users * choices.num_items >= 2**31:
        raise ValueError(
            f"{choices.num_users} users times {choices.num_items} items are 2**31 or more: draw on the host"
        )
    left_out = choices.not_chosen
    if np.diff(left_out.start).max(initial=0) >= choices.num_items:
        raise ValueError(f"user {np.diff(left_out.start).argmax()} has chosen every item; leave that user out")
    return Pool(*(jnp.asarray(x, jnp.int32) for x in (*choices.train, left_out.ranks, left_out.start)))


def draw(rng: Array, pool: Pool, size: int, num_users: int, num_items: int) -> Array:
    """Users, chosen and other items as nodes: int32 [3, size]; each other item is equally likely."""
    row_rng, other_rng = jax.random.split(rng)
    row = jax.random.randint(row_rng, (size,), 0, pool.users.shape[0])
    users = pool.users[row]
    first = pool.start[users]
    number = jax.random.randint(other_rng, (size,), 0, num_items - (pool.start[users + 1] - first))
    passed = jnp.searchsorted(pool.ranks, users * num_items + number, side="right").astype(jnp.int32) - first
    return jnp.stack([users, pool.items[row] + num_users, number + passed + num_users])
