"""Splits of a data set, of which the test split may be kept back."""

from collections.abc import Callable
from typing import TypeVar

Part = TypeVar("Part")


def load_parts(load: Callable[[str], Part]) -> dict[str, Part]:
    """The training and validation splits, and the test split where its file is present.

    Raises:
        FileNotFoundError: one of the first two is missing.
    """
    parts = {"train": load("train"), "validation": load("validation")}
    try:
        return parts | {"test": load("test")}
    except FileNotFoundError:
        return parts
