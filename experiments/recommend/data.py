"""Who chose what, as pairs to learn from, graphs of them, and the pairs that are to be found again."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

import tgnn
from tgnn.datasets import gowalla, lastfm
from tgnn.links import NonEdges
from tgnn.models.message_passing.lightgcn import both_directions

LOADERS = {"gowalla": gowalla.load, "lastfm": lastfm.load}
HELD_OUT = 0.1  # of the pairs of each user


class Pairs(NamedTuple):
    """Users and items, int32 [n] each."""

    users: np.ndarray
    items: np.ndarray

    def __getitem__(self, rows) -> "Pairs":
        return Pairs(self.users[rows], self.items[rows])


class Choices(NamedTuple):
    """What to learn from and what to find again."""

    train: Pairs
    scored: Pairs
    part: str  # of the data set, from which `scored` are: "test", or "validation" for pairs held out of train
    num_users: int
    num_items: int

    @property
    def seen(self) -> tgnn.EdgeList:
        """The training pairs as edges from items to users."""
        return tgnn.EdgeList.from_edges(
            self.train.items, self.train.users, n_receivers=self.num_users, n_senders=self.num_items
        )

    @property
    def graph(self) -> tgnn.EdgeList:
        """The training pairs as edges in both directions, users before items."""
        return both_directions(*self.train, num_users=self.num_users, num_items=self.num_items)

    @property
    def not_chosen(self) -> NonEdges:
        """The pairs that are not for training. A held-out pair may be drawn as a negative: nobody knows of it."""
        return NonEdges.of(self.seen)


def load(dataset: str, *, data_dir: Path | None, holdout: bool, max_pairs: int | None = None) -> Choices:
    """A data set with its published test, or with a part of the training pairs held out where it is not there."""
    train = LOADERS[dataset]("train", data_dir)
    pairs = Pairs(train.users, train.items)
    sizes = train.num_users, train.num_items
    if max_pairs is not None:
        return Choices(*hold_out(pairs[:max_pairs], HELD_OUT), "validation", *sizes)
    if not holdout:
        try:
            test = LOADERS[dataset]("test", data_dir)
            return Choices(pairs, Pairs(test.users, test.items), "test", *sizes)
        except FileNotFoundError as error:
            print(f"no test here ({error}): a tenth of the training pairs is held out", flush=True)
    return Choices(*hold_out(pairs, HELD_OUT), "validation", *sizes)


def hold_out(pairs: Pairs, share: float, seed: int = 0) -> tuple[Pairs, Pairs]:
    """Pairs to learn from, and a random share of each user's, rounded; all but one are held out at most."""
    count = np.bincount(pairs.users)
    order = np.lexsort((np.random.default_rng(seed).random(len(pairs.users)), pairs.users))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - np.repeat(np.cumsum(count) - count, count)  # among the user's own
    held = place < np.minimum((share * count + 0.5).astype(int), count - 1)[pairs.users]
    return pairs[~held], pairs[held]
