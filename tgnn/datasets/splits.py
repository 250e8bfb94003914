"""One vocabulary for the parts of a data set: train, validation, test."""

from collections.abc import Sequence


def check_choice(name: str, value: str, choices: Sequence[str]) -> str:
    """`value` if it is one of `choices`.

    Raises:
        ValueError: it is not; the message lists the choices.
    """
    if value not in choices:
        raise ValueError(f"{name} is {value!r}, expected one of {', '.join(map(repr, choices))}")
    return value


def check_split(split: str) -> str:
    """`split` if it is "train", "validation" or "test"."""
    return check_choice("split", split, ("train", "validation", "test"))
