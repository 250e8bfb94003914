"""Whole catalogues in blocks: the order of NumPy, without what is seen, in bounded memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tgnn.links import rank_unseen
from tgnn.links.catalogue import first

USERS, ITEMS = 13, 9
TABLE = np.random.default_rng(0).normal(size=(USERS, ITEMS)).round(1).astype(np.float32)
KNOWN = np.random.default_rng(1).random((USERS, ITEMS)) < 0.3
KNOWN[2], KNOWN[4] = True, False
SEEN = tgnn.EdgeList.from_edges(*np.nonzero(KNOWN)[::-1], n_receivers=USERS, n_senders=ITEMS)


def score(users, table):
    return table[users]


def expected(users, k):
    rows = np.full((len(users), k), -1)
    for row, user in zip(rows, users, strict=True):
        order = [i for i in np.argsort(-TABLE[user], kind="stable") if not KNOWN[user, i]][:k]
        row[: len(order)] = order
    return rows


@pytest.mark.parametrize("block", [1, 5, 64])
def test_equal_to_a_loop_whatever_the_block(block):
    found = rank_unseen(score, SEEN, 4, jnp.asarray(TABLE), block=block)
    np.testing.assert_array_equal(found, expected(range(USERS), 4))


def test_some_receivers_and_more_places_than_items():
    users = np.array([7, 2, 2, 0])
    found = rank_unseen(score, SEEN, 20, jnp.asarray(TABLE), receivers=users, block=3)
    np.testing.assert_array_equal(found, expected(users, 20))
    assert (found[1] == -1).all()  # who has seen everything
    assert rank_unseen(score, SEEN, 2, jnp.asarray(TABLE), receivers=[]).shape == (0, 2)


@pytest.mark.parametrize("receivers", [[-1], [USERS], [0.0], [[0]]])
def test_receivers_that_do_not_exist_are_refused(receivers):
    with pytest.raises(ValueError, match="receivers"):
        rank_unseen(score, SEEN, 2, jnp.asarray(TABLE), receivers=receivers)


def test_memory_is_that_of_a_block():
    users, items, block = 4096, 3001, 32
    x = jax.ShapeDtypeStruct((items, 8), jnp.float32), jax.ShapeDtypeStruct((users, 8), jnp.float32)
    known = jax.ShapeDtypeStruct((2, 500), jnp.int32)
    program = first.lower(products, 20, jax.ShapeDtypeStruct((block,), jnp.int32), known, *x).compile()
    assert program.memory_analysis().temp_size_in_bytes < 40 * block * items


def products(users, x_items, x_users):
    return x_users[users] @ x_items.T


def test_new_parameters_do_not_compile_again():
    before = first._cache_size()
    for shift in range(3):
        rank_unseen(products, SEEN, 3, jnp.ones((ITEMS, 2)) + shift, jnp.ones((USERS, 2)), block=4)
    assert first._cache_size() == before + 1
    with pytest.raises(ValueError, match="block must be an integer of at least 1"):
        rank_unseen(score, SEEN, 4, jnp.asarray(TABLE), block=0)
