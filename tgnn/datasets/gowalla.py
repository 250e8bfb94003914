"""Gowalla: check-ins of 29,858 users at 40,981 places, the standard benchmark of graph-based recommendation.

810,128 pairs to train on and 217,242 for the test, as NGCF split them. Published for LightGCN (3 layers, 64 features):
recall@20 .1824, NDCG@20 .1547 (its PyTorch README).

Source: the training graph of github.com/gusye1234/LightGCN-PyTorch as npz; as text from
github.com/kuandeng/LightGCN/tree/master/Data/gowalla. Licence: none stated, public research data; nothing is bundled.
Citation: Cho, Myers, Leskovec, "Friendship and mobility", KDD 2011; Wang et al., "Neural Graph Collaborative
Filtering", arXiv:1905.08108; He et al., "LightGCN", arXiv:2002.02126.
"""

from pathlib import Path

import numpy as np

from tgnn.datasets.checks import as_int32
from tgnn.datasets.files.archives import read_npz, read_text
from tgnn.datasets.files.download import require
from tgnn.datasets.interactions import Interactions, from_pairs, parse_lists
from tgnn.datasets.splits import check_choice

NUM_USERS, NUM_ITEMS = 29_858, 40_981
_URL = "https://github.com/kuandeng/LightGCN/raw/master/Data/gowalla"


def load(split: str = "train", data_dir: str | Path | None = None) -> Interactions:
    """One split, from `gowalla/gowalla_{train,test}.npz` or the published `gowalla/{train,test}.txt`.

    Args:
        split: "train" or "test"; there is no official validation split.
        data_dir: folder to search before the cache; default TGNN_DATA_DIR.

    Raises:
        FileNotFoundError: neither file is anywhere; no checksum of the published one is known, so none is downloaded.
        ValueError: an unknown split, or a damaged or changed file.
    """
    check_choice("split", split, ("train", "test"))
    remedy = f"save {_URL}/{split}.txt as gowalla/{split}.txt in the folder that TGNN_DATA_DIR names"
    path = require((f"gowalla/gowalla_{split}.npz", f"gowalla/{split}.txt"), remedy, data_dir)
    if path.suffix == ".npz":
        pairs: np.ndarray = read_npz(path, [split])[split]
    else:
        pairs = parse_lists(str(path), read_text(path))
    return from_pairs(str(path), as_int32(str(path), split, pairs), NUM_USERS, NUM_ITEMS)
