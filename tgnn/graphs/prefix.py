"""Prefix: everybody sees the prefix, and beyond it the past."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.graphs.dense import DenseLike
from tgnn.graphs.fields import settle
from tgnn.graphs.layout import is_traced
from tgnn.graphs.segments import Segmented, default_senders
from tgnn.pytrees import register
from tgnn.typing import Array


@register
@dataclass(frozen=True)
class Prefix(Segmented, DenseLike):
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

    is_rule = True

    def __post_init__(self) -> None:
        default_senders(self, self.n, "n")
        settle(self, "prefix")

    @property
    def n_receivers(self) -> int:  # pyright: ignore
        return self.n

    @property
    def live(self) -> Array:
        seen = (self.sender_index <= self.receiver_index) | (self.sender_index < self.prefix)
        same = self.same_segment
        return seen if same is None else seen & same

    def contains(self, senders: np.ndarray, receivers: np.ndarray) -> np.ndarray:
        return ((senders <= receivers) | (senders < int(self.prefix))) & self.in_segment(senders, receivers)

    def count_edges(self) -> int:
        if self.segments is not None or is_traced(self.prefix):
            return super().count_edges()
        seen = np.maximum(np.arange(self.n, dtype=np.int64) + 1, int(self.prefix))
        return int(np.clip(seen, 0, self.n_senders).sum())

    def count_slots(self) -> int:
        """Tiles above the diagonal and behind the prefix are skipped."""
        return self.count_edges()

    def last_sender(self, receivers: Array) -> Array:
        return jnp.maximum(receivers, self.prefix - 1)

    def seen(self) -> tuple[None, Array | None]:  # every receiver sees sender 0
        n, m = self.n, self.n_senders
        return None, None if n >= m else jnp.arange(m) < jnp.maximum(n, self.prefix)
