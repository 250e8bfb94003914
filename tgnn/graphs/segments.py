"""Segments: an edge exists only within one. Padding, packing, documents and disjoint unions of rules are all this."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from tgnn.errors import check_segments, check_size
from tgnn.graphs.fields import settle
from tgnn.typing import Array, ArrayLike

if TYPE_CHECKING:
    pass


class Segmented:
    """What layouts by a rule share: segments of receivers and senders, both or neither."""

    n_receivers: int
    n_senders: int
    receiver_segments: Array | None
    sender_segments: Array | None

    axes: ClassVar[dict[str, int]] = {"receiver_segments": 1}

    @property
    def segments(self) -> tuple[Array, Array] | None:
        """The segments of receivers and senders, or None where there are none."""
        if self.receiver_segments is None or self.sender_segments is None:
            return None
        return self.receiver_segments, self.sender_segments

    @property
    def same_segment(self) -> Array | None:
        """Bool [n_receivers, n_senders]: equal and >= 0; None where there are no segments."""
        if self.segments is None:
            return None
        mine, theirs = self.segments
        return (mine[:, None] == theirs[None, :]) & (mine[:, None] >= 0)

    def in_segment(self, senders: np.ndarray, receivers: np.ndarray) -> np.ndarray:
        """Whether each pair lies in one segment, on the host."""
        if self.segments is None:
            return np.ones(np.broadcast(senders, receivers).shape, bool)
        mine, theirs = (np.asarray(x) for x in self.segments)
        return (mine[receivers] == theirs[senders]) & (mine[receivers] >= 0)

    def with_segments(self, receiver_segments: ArrayLike, sender_segments: ArrayLike | None = None) -> Self:
        """The layout with edges only where `receiver_segments[i] == sender_segments[j] >= 0`.

        One device for padding (-1), packing, document boundaries and disjoint unions of graphs.

        Args:
          receiver_segments: int [n_receivers], -1 = padding.
          sender_segments: int [n_senders]; default `receiver_segments` where the sizes agree.

        Raises:
          ValueError: for wrong lengths or dtypes.
        """
        if sender_segments is None:
            if self.n_receivers != self.n_senders:
                raise ValueError(
                    f"sender_segments is missing, and the {self.n_senders} senders are not the {self.n_receivers} "
                    "receivers; pass one segment id per sender"
                )
            sender_segments = receiver_segments
        return replace(
            self,
            receiver_segments=check_segments("receiver_segments", receiver_segments, self.n_receivers),
            sender_segments=check_segments("sender_segments", sender_segments, self.n_senders),
        )


def default_senders(layout: Any, n_receivers: int, name: str) -> None:
    """Checks the static sizes and fills the default: they are Python ints even under jit, so this is safe there."""
    n_receivers = check_size(name, n_receivers)
    n_senders = n_receivers if layout.n_senders is None else check_size("n_senders", layout.n_senders)
    object.__setattr__(layout, "n_senders", n_senders)
    given = [x is not None for x in (layout.receiver_segments, layout.sender_segments)]
    if given[0] != given[1] and any(hasattr(x, "dtype") for x in (layout.receiver_segments, layout.sender_segments)):
        missing = "sender_segments" if given[0] else "receiver_segments"
        raise ValueError(f"{missing} is missing; pass both, or use with_segments, which takes one for both")
    settle(layout, "receiver_segments", "sender_segments")
