"""Neighbors: every receiver lists up to k senders; the layout of graphs whose degrees are nearly equal."""

from dataclasses import dataclass
from typing import ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.errors import check_size, widen_index
from tgnn.graphs.edge_list import EdgeList
from tgnn.graphs.fields import settle
from tgnn.graphs.host import stable_order
from tgnn.graphs.layout import Layout
from tgnn.pytrees import register
from tgnn.softmax import expand, least, least_where_dead, sum_dtype
from tgnn.typing import Array, ArrayLike


@register
@dataclass(frozen=True)
class Neighbors(Layout):
    """A table of neighbours, `senders[i, s] -> i`. O(n_receivers * k) memory; duplicates count.

    An edge is live where `mask` is True and the index is in range.
    """

    senders: Array
    n_senders: int = jax.tree.static()  # pyright: ignore
    mask: Array | None = None

    form = "table"
    axes: ClassVar[dict[str, int]] = {"senders": 2}

    def __post_init__(self) -> None:
        settle(self, "senders", alike=("senders", "mask"), axes=2)

    @classmethod
    def from_edges(
        cls,
        senders: ArrayLike,
        receivers: ArrayLike,
        *,
        n_receivers: int,
        n_senders: int | None = None,
        mask: ArrayLike | None = None,
        pad_to: int | None = None,
    ) -> Self:
        """The table of an edge list. Arguments as in `EdgeList.from_edges`, except `pad_to`.

        Args:
          senders: int [n_edge].
          receivers: int [n_edge].
          n_receivers: number of receivers.
          n_senders: number of senders; default `n_receivers`.
          mask: bool [n_edge], True = keep.
          pad_to: number of slots per receiver; default the largest in-degree.

        >>> Neighbors.from_edges([0, 1, 1], [2, 2, 0], n_receivers=3).senders.tolist()
        [[1, 2], [2, 2], [0, 1]]
        """
        edges = EdgeList.from_edges(senders, receivers, n_receivers=n_receivers, n_senders=n_senders, mask=mask)
        sender, receiver = edges.pairs()
        sender, receiver = (x[stable_order(receiver)] for x in (sender, receiver))
        degree = np.bincount(receiver, minlength=n_receivers)
        widest = int(degree.max(initial=0))
        width = widest if pad_to is None else check_size("pad_to", pad_to)
        if width < widest:
            raise ValueError(
                f"pad_to is {width}, but receiver {degree.argmax()} has {widest} neighbours; choose at least that"
            )
        slot = np.arange(len(receiver)) - (np.cumsum(degree) - degree)[receiver]
        table = np.full((n_receivers, width), max(edges.n_senders - 1, 0), np.int32)
        table[receiver, slot] = sender
        filled = np.zeros(table.shape, bool)
        filled[receiver, slot] = True
        return cls(jnp.asarray(table), edges.n_senders, jnp.asarray(filled))

    @property
    def n_receivers(self) -> int:  # pyright: ignore
        return self.senders.shape[-2]

    @property
    def edge_shape(self) -> tuple[int, ...]:
        return self.senders.shape[-2:]

    @property
    def live(self) -> Array:
        senders = self.sender_index
        inside = (senders >= 0) & (senders < self.n_senders)
        return inside if self.mask is None else inside & self.mask

    @property
    def receiver_index(self) -> Array:
        return jnp.arange(self.n_receivers)[:, None]

    @property
    def sender_index(self) -> Array:
        return widen_index(self.senders)

    def from_receivers(self, x: Array) -> Array:
        return jnp.where(expand(self.live.any(axis=1), x.ndim), x, jnp.zeros((), x.dtype))[:, None]

    def reduce(self, x: Array, op: str = "sum") -> Array:
        if op == "max":
            x = least_where_dead(x, self.live)
            return x.max(axis=1, initial=least(x.dtype))
        return self.zero_dead_edges(x).sum(axis=1, dtype=sum_dtype(x.dtype))

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        self.require_concrete()
        senders = np.asarray(self.senders, np.int64)
        live = (senders >= 0) & (senders < self.n_senders)
        live = live if self.mask is None else live & np.asarray(self.mask)
        return senders[live], np.nonzero(live)[0]

    def data_slots(self) -> int:
        return self.edge_shape[1]

    def pad_slots(self, size: int) -> "Neighbors":
        spare = [(0, 0), (0, size - self.edge_shape[1])]
        mask = jnp.pad(self.live, spare) if spare[1][1] else self.live
        return Neighbors(jnp.pad(self.sender_index, spare), self.n_senders, mask)
