"""Sorting and matching of pairs of nodes on the host, beside NumPy's own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgnn.graphs.host import is_among, look_up, match, pair_key, split_key, stable_order

TYPES = [np.dtype(f"{kind}{size}") for kind in "iu" for size in (1, 2, 4, 8)]


@settings(max_examples=100)
@given(st.sampled_from(TYPES), st.integers(0, 40), st.integers(0, 2**32 - 1), st.booleans())
def test_the_order_is_that_of_a_stable_sort(dtype, n, seed, narrow):
    """Of every integer type: the whole range, in which words may overflow, and a few values with many copies."""
    limits = np.iinfo(dtype)
    low, high = (max(limits.min, -2), 3) if narrow else (limits.min, limits.max)
    keys = np.random.default_rng(seed).integers(low, high, n, dtype, endpoint=True)
    np.testing.assert_array_equal(stable_order(keys), np.argsort(keys, kind="stable"))


@settings(max_examples=50)
@given(st.lists(st.integers(-1, 5), max_size=12), st.lists(st.integers(-1, 6), max_size=12))
def test_keys_are_found(own, wanted):
    """The k-th copy of a key is matched to its k-th place; -1 is none of them."""
    own, wanted = np.array(own, np.int64), np.array(wanted, np.int64)
    found = match(own, wanted)
    for i, key in enumerate(wanted):
        places = np.flatnonzero(own == key)
        k = int((wanted[:i] == key).sum())
        assert found[i] == (places[k] if key >= 0 and k < len(places) else -1)
    np.testing.assert_array_equal(is_among(wanted, own), np.isin(wanted, own))
    place = look_up(own, wanted)
    np.testing.assert_array_equal(place >= 0, np.isin(wanted, own))
    np.testing.assert_array_equal(own[place[place >= 0]], wanted[place >= 0])


@pytest.mark.parametrize("n_senders", [0, 1, 7])
def test_a_pair_and_its_key(n_senders):
    senders, receivers = np.arange(10) % max(n_senders, 1), np.arange(10)
    found = split_key(pair_key(senders, receivers, n_senders), n_senders)
    np.testing.assert_array_equal(found, (senders, receivers))
