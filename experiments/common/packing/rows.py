"""Short sequences side by side in rows of slots, so that hardly a slot is padding, and one shape serves all batches."""

import functools
from collections.abc import Iterator

import numpy as np

CHUNK = 1024  # sequences that are packed together: enough to fit well, few enough to stay shuffled


def pack(sizes: np.ndarray, slots: int) -> list[list[int]]:
    """First-fit decreasing in several dimensions: which sequences share a row.

    Args:
        sizes: ints `[n, sides]`, the slots that a sequence takes on each side (a word: its letters, its phonemes).
        slots: of a row, on each side.

    Returns:
        Lists of row numbers of `sizes`, each of which fits.

    Raises:
        ValueError: a sequence is longer than a row.
    """
    if sizes.size and sizes.max() > slots:
        raise ValueError(f"a word takes {sizes.max()} slots but a row has {slots}; raise slots")
    room = np.full(sizes.shape, slots)  # never more rows than sequences
    rows: list[list[int]] = []
    for i in np.argsort(-sizes.max(axis=1), kind="stable"):
        first = int(np.argmax((room[: len(rows) + 1] >= sizes[i][None]).all(axis=1)))
        if first == len(rows):
            rows.append([])
        rows[first].append(int(i))
        room[first] -= sizes[i]
    return rows


class Packing:
    """Which sequences share a row.

    Args:
        sizes: ints `[n]` or `[n, sides]`, as for `pack`.
        slots: of a row.
    """

    def __init__(self, sizes: np.ndarray, slots: int):
        self.sizes, self.slots = np.asarray(sizes).reshape(len(sizes), -1), slots

    def fill(self, order: np.ndarray) -> list[list[int]]:
        """All sequences in rows, those that stand near each other in the order together."""
        rows = []
        for start in range(0, len(order), CHUNK):
            chunk = order[start : start + CHUNK]
            rows += [chunk[members].tolist() for members in pack(self.sizes[chunk], self.slots)]
        return rows

    def in_turn(self, num_rows: int) -> Iterator[list[list[int]]]:
        """Every sequence once, at most so many rows at a time."""
        rows = self.fill(np.arange(len(self.sizes)))
        for start in range(0, len(rows), num_rows):
            yield rows[start : start + num_rows]


class Shuffled:
    """The rows of a step: `shuffled(step)` is a function of the step alone, so that a run can be resumed anywhere."""

    def __init__(self, packing: Packing, num_rows: int, seed: int):
        self.packing, self.num_rows, self.seed = packing, num_rows, seed
        self.epoch = functools.lru_cache(maxsize=2)(self._epoch)
        # Epochs have about as many rows as this one; a fixed number makes the step tell the epoch.
        self.per_epoch = max(1, len(self.epoch(0)) // num_rows)

    def __call__(self, step: int) -> list[list[int]]:
        epoch, index = divmod(step, self.per_epoch)
        rows = self.epoch(epoch)
        return [rows[i % len(rows)] for i in range(index * self.num_rows, (index + 1) * self.num_rows)]

    def _epoch(self, epoch: int) -> list[list[int]]:
        """All sequences in rows, both shuffled."""
        rng = np.random.default_rng([self.seed, epoch])
        rows = self.packing.fill(rng.permutation(len(self.packing.sizes)))
        return [rows[i] for i in rng.permutation(len(rows))]
