"""Functions of pairs of nodes, in a part of a graph: they are asked with the numbers that the whole gives them."""

from dataclasses import dataclass
from typing import Any

import jax

from tgnn.attention.dropout import in_whole
from tgnn.pytrees import register
from tgnn.typing import Array


@register
@dataclass(frozen=True)
class Renumbered:
    """A callable bias of a part, from that of the whole.

    Attributes:
      bias: of the whole, `(i, j) -> [heads]`.
      receivers: number of the first receiver of the part, or the numbers of all: int [n_receivers].
      senders: the same of the senders.
    """

    bias: Any
    receivers: Array | int = 0
    senders: Array | int = 0

    def __call__(self, i: Array, j: Array) -> Array:
        """The bias of one pair."""
        return self.bias(in_whole(i, self.receivers), in_whole(j, self.senders))


@register
@dataclass(frozen=True)
class SomeHeads:
    """A callable bias of some heads, from that of all.

    Attributes:
      bias: `(i, j) -> [heads]`, or [1] for all.
      first: number of the first head.
      count: how many.
    """

    bias: Any
    first: Array | int
    count: int = jax.tree.static()  # pyright: ignore

    def __call__(self, i: Array, j: Array) -> Array:
        """The bias of one pair."""
        every = self.bias(i, j)
        return every if every.shape == (1,) else jax.lax.dynamic_slice_in_dim(every, self.first, self.count)


def renumber(bias: Any, receivers: Array | int, senders: Array | int) -> Any:
    """`bias`, of a part; only functions know numbers."""
    return Renumbered(bias, receivers, senders) if callable(bias) else bias
