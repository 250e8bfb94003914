"""The one check of what loaders return, and casts that never cut a number."""

from typing import TypeVar

import numpy as np

from tgnn.datasets.records import Part, parts_of
from tgnn.typing import ArrayLike

DAMAGED = "it is damaged: get it again"
R = TypeVar("R")


def check(name: str, record: R, remedy: str = DAMAGED) -> R:
    """`record` if what its class says of its parts is true: equal lengths, integers in range, finite numbers.

    Args:
        name: of the file or the argument, for messages.
        record: a dataclass whose parts are annotated with `Part`; a part that is None is left out.
        remedy: the end of the messages.

    Raises:
        ValueError: it is not; the message names the part, what was found and what was expected.
    """
    marks = {part: mark for part, mark in parts_of(type(record)).items() if getattr(record, part) is not None}
    for part, mark in marks.items():
        _check_shape(name, part, getattr(record, part), mark, remedy)
    first: dict[str, str] = {}  # of each axis, a part to compare the others with
    for part, mark in marks.items():
        _check_length(name, record, part, first.setdefault(mark.axis, part), remedy)
    for axis in first:
        if hasattr(record, axis):
            _check_sizes(name, axis, getattr(record, axis), first[axis], len(getattr(record, first[axis])), remedy)
    for part, mark in marks.items():
        value = getattr(record, part)
        if mark.below is not None:
            check_range(name, part, value, mark.low, mark.below(record) if callable(mark.below) else mark.below, remedy)
        if isinstance(value, np.ndarray):
            check_finite(name, part, value, remedy)
    return record


def check_range(
    name: str, part: str, values: ArrayLike, low: int, below: int | np.ndarray, remedy: str = DAMAGED
) -> None:
    """Integers in [low, below), where `below` may be an array of the same length.

    Raises:
        ValueError: not integers, or one is outside; the message shows the first.
    """
    values = np.asarray(values)
    if values.dtype.kind not in "iu" and values.size:
        raise ValueError(f"{name} has {part} of {values.dtype}, expected integers; {remedy}")
    outside = np.flatnonzero((values < low) | (values >= below))
    if len(outside):
        i = int(outside[0])
        limit = int(np.broadcast_to(below, values.shape).reshape(-1)[i])
        found = values.reshape(-1)[i]
        raise ValueError(f"{name} has {part}[{i}] = {found}, outside [{low}, {limit}); {remedy}")


def check_finite(name: str, part: str, values: np.ndarray, remedy: str = DAMAGED) -> np.ndarray:
    """`values` if all are finite.

    Raises:
        ValueError: one is NaN or infinite.
    """
    if values.dtype.kind in "fc" and not np.isfinite(values).all():
        i = int(np.flatnonzero(~np.isfinite(values).reshape(-1))[0])
        raise ValueError(f"{name} has {part}[{i}] = {values.reshape(-1)[i]}, expected finite numbers; {remedy}")
    return values


def as_int32(name: str, part: str, values: ArrayLike, remedy: str = DAMAGED) -> np.ndarray:
    """Integers of any type as int32.

    Raises:
        ValueError: they are not integers, or too large.
    """
    values = np.asarray(values)
    limits = np.iinfo(np.int32)
    check_range(name, part, values, int(limits.min), int(limits.max) + 1, remedy)
    return values.astype(np.int32)


def as_float32(name: str, part: str, values: ArrayLike, remedy: str = DAMAGED) -> np.ndarray:
    """Numbers of any type as float32.

    Raises:
        ValueError: they are not numbers, or not finite as float32.
    """
    values = np.asarray(values)
    if values.dtype.kind not in "biuf" and values.size:
        raise ValueError(f"{name} has {part} of {values.dtype}, expected numbers; {remedy}")
    with np.errstate(over="ignore"):
        return check_finite(name, part, values.astype(np.float32), remedy)


def _check_shape(name: str, part: str, value, mark: Part, remedy: str) -> None:
    ndim = np.ndim(value) if isinstance(value, np.ndarray) else 1 if isinstance(value, (tuple, list)) else 0
    if ndim < 1 or (mark.ndim is not None and ndim != mark.ndim):
        raise ValueError(f"{name} has {part} of shape {np.shape(value)}, expected {mark.ndim or 'some'} axes; {remedy}")


def _check_length(name: str, record, part: str, other: str, remedy: str) -> None:
    n, expected = len(getattr(record, part)), len(getattr(record, other))
    if n != expected:
        raise ValueError(f"{name} has {n} {part} but {expected} {other}, expected equal lengths; {remedy}")


def _check_sizes(name: str, axis: str, sizes: np.ndarray, part: str, n: int, remedy: str) -> None:
    check_range(name, axis, sizes, 0, n + 1, remedy)
    total = int(sizes.sum(dtype=np.int64))
    if total != n:
        raise ValueError(f"{name} has {n} {part} but {axis} of {total} in all, expected the same; {remedy}")
