"""Prefix: everybody sees the prefix, and beyond it the past."""

from dataclasses import dataclass

import jax

from tgnn.graphs.dense import DenseLike, default_senders, same_segment, with_segments
from tgnn.typing import Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Prefix(DenseLike):
    """Receiver `i` sees senders `j <= i` and all `j < prefix`: the graph of a prefix language model.

    Args:
      n: number of receivers and of senders.
      prefix: length of the part that is read in both directions; may be traced.

    Reference: Raffel et al., Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer,
    arXiv 1910.10683, figure 4.

    >>> Prefix(3, 2).adjacency().astype(int).tolist()
    [[1, 1, 0], [1, 1, 0], [1, 1, 1]]
    """

    n: int = jax.tree.static()  # pyright: ignore
    prefix: Array | int = 0
    n_senders: int = jax.tree.static(default=None)  # pyright: ignore
    receiver_segments: Array | None = None
    sender_segments: Array | None = None

    def __post_init__(self):
        default_senders(self, self.n, "n")

    @property
    def n_receivers(self) -> int:  # pyright: ignore
        return self.n

    @property
    def live(self) -> Array:
        seen = (self.sender_index <= self.receiver_index) | (self.sender_index < self.prefix)
        same = same_segment(self.receiver_segments, self.sender_segments)
        return seen if same is None else seen & same

    with_segments = with_segments
