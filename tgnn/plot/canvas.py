"""What all pictures share: axes to draw on, words as they are written, labels that fit."""

from collections.abc import Sequence
from typing import Any

AS_WRITTEN: dict[str, Any] = {"parse_math": False}  # of every text: without it "$5 to $6" is taken for mathematics
UNKNOWN = "tab:red"  # what is drawn for NaN


def axes_of(ax: Any, title: str) -> Any:
    """`ax`, or those of a new picture, with the title."""
    if ax is None:
        from tgnn.plot.picture import new_axes  # here, because nothing else needs matplotlib

        ax = new_axes()
    if title:
        ax.set_title(title, **AS_WRITTEN)
    return ax


def check_labels(name: str, labels: Sequence[str] | None, size: int) -> list[str] | None:
    """The labels as a list of words, or a ValueError."""
    if labels is None:
        return None
    labels = list(map(str, labels))
    if len(labels) != size:
        raise ValueError(
            f"{name} has {len(labels)} entries but the graph has {size} such nodes; pass one label per node"
        )
    return labels
