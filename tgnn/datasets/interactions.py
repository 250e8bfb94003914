"""Who chose what: the bipartite graphs between users and items that Gowalla and LastFM load into."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from tgnn.datasets.checks import check
from tgnn.datasets.files.lines import integer, numbered_lines, words_of
from tgnn.datasets.records import ITEM, Collection, Part
from tgnn.typing import ArrayLike


@dataclass(frozen=True, eq=False)
class Interactions(Collection):
    """Pairs of one split; `len(data)` is their number.

    Attributes:
        users: int32 [n] in [0, num_users).
        items: int32 [n] in [0, num_items).
        num_users: of the whole data set.
        num_items: likewise.
        counts: int32 [n], how often, or None where it is not known.
    """

    users: Annotated[np.ndarray, Part(ITEM, below=lambda data: data.num_users, ndim=1)]
    items: Annotated[np.ndarray, Part(ITEM, below=lambda data: data.num_items, ndim=1)]
    num_users: int
    num_items: int
    counts: Annotated[np.ndarray | None, Part(ITEM, below=1 << 31, ndim=1)] = None


def from_pairs(
    name: str, pairs: np.ndarray, num_users: int, num_items: int, counts: ArrayLike | None = None
) -> Interactions:
    """Checked pairs; pairs: [n, 2] integers.

    Raises:
        ValueError: they are not such pairs, one names a user or an item that there is not, or a pair stands twice.
    """
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise ValueError(f"{name} has pairs of shape {pairs.shape}, expected [n, 2]; get it again")
    users, items = pairs.T
    data = check(name, Interactions(users, items, num_users, num_items, counts))
    if len(np.unique(users.astype(np.int64) * num_items + items)) < len(pairs):
        raise ValueError(f"{name} has a pair of user and item twice; get it again")
    return data


def parse_lists(name: str, text: str) -> np.ndarray:
    r"""int64 [n, 2] pairs from lines `user item_1 ... item_n`, the format of NGCF and LightGCN.

    Example:
        >>> parse_lists("train.txt", "0 5 7\n2\n3 5\n").tolist()
        [[0, 5], [0, 7], [3, 5]]

    Raises:
        ValueError: a line holds something else than integers.
    """
    pairs = []
    for number, line in numbered_lines(text):
        try:
            user, *items = map(integer, words_of(line))
        except ValueError as error:
            raise ValueError(f"{name}, line {number} is not `user item item ...` ({error}); get it again") from error
        pairs += [(user, item) for item in items]
    return np.array(pairs, np.int64).reshape(-1, 2)
