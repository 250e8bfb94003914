"""Planned: the edges of a list, executed in another layout; per-edge arrays stay in the order of the list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from tgnn.graphs.edge_list import EdgeList
from tgnn.graphs.layout import Layout
from tgnn.pytrees import register
from tgnn.typing import Array

OUTSIDE = np.iinfo(np.int32).max


@register
@dataclass(frozen=True)
class Planned(Layout):
    """What `tgnn.plan` returns for an edge list that runs faster as something else.

    To the caller it is the list: bias, edges, edge_value and weights are [n_edge, ...] in the list's order. `attend`
    runs `chosen`: `slots` holds, for each axis of `chosen.edge_shape`, the index of each of the list's edges, out of
    range where the edge is dead.
    """

    chosen: Layout
    slots: tuple[Array, ...]
    listed: EdgeList

    form = "planned"

    @classmethod
    def of(cls, chosen: Layout, listed: EdgeList) -> "Planned":
        """`chosen` for a caller who lists these edges, each live one of which has a slot in it."""
        live = np.asarray(listed.live)
        senders, receivers = (np.asarray(x)[live] for x in (listed.senders, listed.receivers))
        slots = []
        for found in chosen.locate(senders, receivers):
            slot = np.full(len(live), OUTSIDE, np.int32)
            slot[live] = found
            slots.append(jnp.asarray(slot))
        return cls(chosen, tuple(slots), listed)

    @property
    def n_receivers(self) -> int:  # pyright: ignore
        return self.listed.n_receivers

    @property
    def n_senders(self) -> int:  # pyright: ignore
        return self.listed.n_senders

    @property
    def title(self) -> str:
        return f"{self.chosen.title}, planned from a list of {self.edge_shape[0]:,} edges"

    # To the caller, the list.

    @property
    def edge_shape(self) -> tuple[int, ...]:
        return self.listed.edge_shape

    @property
    def live(self) -> Array | None:
        return self.listed.live

    @property
    def receiver_index(self) -> Array:
        return self.listed.receiver_index

    @property
    def sender_index(self) -> Array:
        return self.listed.sender_index

    def to_edges(self) -> EdgeList:
        return self.listed

    # To the executions, the chosen layout.

    @property
    def stored(self) -> Layout:
        return self.chosen.stored

    def to_slots(self, x: Array) -> Array:
        placed = jnp.zeros(self.chosen.edge_shape + x.shape[1:], x.dtype).at[self.slots].set(x, mode="drop")
        return self.chosen.to_slots(placed)

    def from_slots(self, x: Array) -> Array:
        x = self.chosen.from_slots(x)
        shape = self.chosen.edge_shape
        return jnp.broadcast_to(x, shape + x.shape[len(shape) :]).at[self.slots].get(mode="fill", fill_value=0)

    def sorted(self, *arrays: Array | None) -> tuple[EdgeList, Sequence[Any]]:
        return self.listed.sorted(*arrays)

    def reduce(self, x: Array, op: str = "sum") -> Array:
        return self.listed.reduce(x, op)

    def aggregate(self, weights: Array, value: Array) -> Array:
        return self.chosen.aggregate(self.to_slots(weights), value)

    def count_slots(self) -> int:
        return self.chosen.count_slots()

    def count_all_slots(self) -> int:
        return self.chosen.count_all_slots()

    def temporary_bytes(self, heads: int, head_dim: int, gradients: bool) -> int:
        return self.chosen.temporary_bytes(heads, head_dim, gradients)
