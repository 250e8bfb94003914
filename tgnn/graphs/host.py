"""Pairs of nodes on the host, as one integer each: sorted, matched and counted in NumPy. Nothing is compiled."""

import numpy as np


def pair_key(senders, receivers, n_senders: int) -> np.ndarray:
    """One int64 per (receiver, sender) pair."""
    return np.asarray(receivers, np.int64) * max(n_senders, 1) + np.asarray(senders, np.int64)


def match(own: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Position in `own` of each entry of `wanted` (the k-th copy to the k-th copy), -1 where there is none."""
    found = np.full(len(wanted), -1)
    if not len(own) or not len(wanted):
        return found
    order, asked = np.argsort(own, kind="stable"), np.argsort(wanted, kind="stable")  # copies stay in their order
    have, want = own[order], wanted[asked]
    place = np.searchsorted(have, want) + copies(want)  # in order, so that memory is read in order
    inside = place < len(have)
    place = np.where(inside, place, 0)
    right = inside & (have[place] == want) & (want >= 0)
    found[asked[right]] = order[place[right]]
    return found


def look_up(own: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """A position in `own` of each entry of `wanted`, which may repeat, -1 where there is none."""
    if not len(own):
        return np.full(len(wanted), -1)
    order = np.argsort(own, kind="stable")
    found = order[np.searchsorted(own, wanted, sorter=order).clip(max=len(own) - 1)]
    return np.where(own[found] == wanted, found, -1)


def copies(keys: np.ndarray) -> np.ndarray:
    """How many equal entries stand before each; of sorted keys."""
    start = np.append(True, keys[1:] != keys[:-1])
    position = np.arange(len(keys))
    return position - np.maximum.accumulate(np.where(start, position, 0))


def distinct(keys: np.ndarray) -> np.ndarray:
    """Sorted, each once; by sorting, which for integers is several times as fast as the hashes of `numpy.unique`."""
    keys = np.sort(keys)
    return keys[np.append(np.ones(min(len(keys), 1), bool), keys[1:] != keys[:-1])]


def pair_keys(layout) -> np.ndarray:
    """The distinct pairs of a layout as sorted integers receiver * n_senders + sender."""
    return distinct(pair_key(*layout.pairs(), layout.n_senders))


def rows_of(layout, rows: slice) -> np.ndarray:
    """These rows of the adjacency matrix of a layout: bool [row, n_senders]."""
    receivers = np.arange(layout.n_receivers)[rows, None]
    inside = layout.contains(np.arange(layout.n_senders)[None, :], receivers)
    return np.broadcast_to(inside, (len(receivers), layout.n_senders))
