"""LastFM: which of 4,489 artists 1,892 people listened to, how often, and who is whose friend.

42,135 pairs to train on, 10,533 for the test, 25,434 directed friendships: a graph of two kinds of edges. It is not the
split of RecBole, which filters otherwise (17,632 artists).

Source: github.com/gusye1234/LightGCN-PyTorch, `data/lastfm/{data1,test1,trustnetwork}.txt`, made into one npz with
numbers from 0; originally grouplens.org/datasets/hetrec-2011. Licence: for research, no redistribution stated; nothing
is bundled. Citation: Cantador, Brusilovsky, Kuflik, "HetRec 2011", RecSys 2011.
"""

from pathlib import Path

import numpy as np

from tgnn.datasets.checks import as_int32, check_range
from tgnn.datasets.files.archives import read_npz
from tgnn.datasets.files.download import require
from tgnn.datasets.interactions import Interactions, from_pairs
from tgnn.datasets.splits import check_choice

NUM_USERS, NUM_ITEMS = 1_892, 4_489


def load(split: str = "train", data_dir: str | Path | None = None) -> Interactions:
    """One split, "train" or "test", from `lastfm/lastfm.npz`, with the counts of listening.

    Raises:
        FileNotFoundError: the file is missing; it cannot be downloaded as it is.
        ValueError: an unknown split, or a damaged or changed file.
    """
    check_choice("split", split, ("train", "test"))
    path = _path(data_dir)
    arrays = read_npz(path, (split, f"{split}_count"))
    pairs, counts = (as_int32(str(path), name, x) for name, x in arrays.items())
    return from_pairs(str(path), pairs, NUM_USERS, NUM_ITEMS, counts)


def friends(data_dir: str | Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The friendships as senders and receivers, int32 [25,434] each, in both directions.

    Raises:
        FileNotFoundError: as `load`.
        ValueError: likewise.
    """
    path = _path(data_dir)
    pairs = as_int32(str(path), "friends", read_npz(path, ["friends"])["friends"])
    check_range(str(path), "friends", pairs, 0, NUM_USERS)
    senders, receivers = pairs.reshape(-1, 2).T
    return senders, receivers


def _path(data_dir: str | Path | None) -> Path:
    remedy = "it is made from data/lastfm of github.com/gusye1234/LightGCN-PyTorch: put the file into TGNN_DATA_DIR"
    return require("lastfm/lastfm.npz", remedy, data_dir)
