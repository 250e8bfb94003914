"""What loaders return: named parts, whose axes and ranges stand in the class, so that one check serves every loader.

A part is annotated with a `Part`; `check` reads these, `Collection` takes items by them. `len(data)` is the number of
items and `data[i]` an item, which the fields of a NamedTuple would have been.
"""

import functools
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, Self, SupportsIndex, get_type_hints

import numpy as np

from tgnn.typing import ArrayLike

ITEM = "item"  # the axis of a collection


@dataclass(frozen=True)
class Part:
    """What is true of a part of a record.

    Attributes:
        axis: what it has a row for: all parts with equal words have equal lengths. The name of another part says that
            its integers are the numbers of rows of each item: the items stand end to end.
        low: the least integer allowed, where `below` is given.
        below: integers are less than this number, or than what this function of the record gives (a number, or an
            array as long as the part).
        ndim: number of axes, where there can be one only.
    """

    axis: str
    low: int = 0
    below: int | Callable[[Any], Any] | None = None
    ndim: int | None = None


@functools.cache
def parts_of(kind: type) -> dict[str, Part]:
    """The parts of a class of records by name."""
    hints = get_type_hints(kind, include_extras=True)
    marks = {name: getattr(hint, "__metadata__", ()) for name, hint in hints.items()}
    return {name: mark for name, found in marks.items() for mark in found if isinstance(mark, Part)}


class Collection:
    """Base of frozen dataclasses that hold many items, as NumPy arrays or tuples with a row for each item."""

    def __len__(self) -> int:
        """Number of items."""
        return len(getattr(self, next(name for name, part in parts_of(type(self)).items() if part.axis == ITEM)))

    def __iter__(self) -> Iterator[Any]:
        """The items in order."""
        return (self._item(i) for i in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        """An item by its number, negative ones from the end; a collection by a slice, integers, or a mask."""
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        if np.ndim(index):
            return self.take(index)
        return self._item(item_number(index, len(self)))

    def take(self, index: ArrayLike) -> Self:
        """The items numbered `index`, in that order, as a new collection: for splits, folds and batches.

        Args:
            index: integers of any type in [0, number of items), or a bool for each item.

        Raises:
            ValueError: a number that no item has, or a mask of another length.
        """
        index = as_index(index, len(self))
        rows = {name: self._rows(part.axis, index) for name, part in parts_of(type(self)).items()}
        return replace(self, **{name: _pick(getattr(self, name), at) for name, at in rows.items()})  # type: ignore

    def _rows(self, axis: str, index: np.ndarray) -> np.ndarray:
        """The rows of the items numbered `index` on an axis."""
        return index if axis == ITEM else spread(getattr(self, axis), index)

    def _item(self, i: int) -> Any:
        """An item as a namespace with the parts' names: its rows, or its one value."""
        found = {}
        for name, part in parts_of(type(self)).items():
            value = getattr(self, name)
            rows = i if part.axis == ITEM else self._rows(part.axis, np.array([i]))
            found[name] = None if value is None else value[rows]
        return SimpleNamespace(**found)


def spread(sizes: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Rows of the items numbered `index`, one after the other, where `sizes` are the numbers of rows of all items."""
    sizes = np.asarray(sizes).astype(np.int64)  # sums of a caller's small integers would overflow, of uint64 be floats
    lengths, starts = sizes[index], (np.cumsum(sizes) - sizes)[index]
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(starts, lengths) + within


def as_index(index: ArrayLike, n: int, what: str = "items") -> np.ndarray:
    """Integers of any type in [0, n), or a bool mask [n], as int64 [k].

    Raises:
        ValueError: of another kind or shape, or outside.
    """
    index = np.asarray(index)
    if index.dtype == bool and index.shape == (n,):
        return np.flatnonzero(index)
    if index.ndim != 1 or (index.dtype.kind not in "iu" and index.size):
        raise ValueError(
            f"index is {index.dtype} of shape {index.shape}, expected integers [k] or a bool mask [{n}]; "
            "pass the numbers of the rows"
        )
    if index.size and not 0 <= int(index.min()) <= int(index.max()) < n:
        raise ValueError(
            f"index has numbers from {index.min()} to {index.max()}, but there are {n} {what}; pass numbers in [0, {n})"
        )
    return index.astype(np.int64)


def item_number(index: SupportsIndex, n: int) -> int:
    """A Python index into n items as a number in [0, n).

    Raises:
        TypeError: not an integer.
        IndexError: there is no such item.
    """
    i = operator.index(index)
    if not -n <= i < n:
        raise IndexError(f"there is no item {i} of {n}")
    return i % n


def _pick(value, rows: np.ndarray):
    return tuple(value[i] for i in rows) if isinstance(value, tuple) else None if value is None else value[rows]
