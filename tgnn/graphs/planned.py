"""Planned: the edges of a list in another layout, with per-edge arrays still in the order of the list."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.errors import check_edges
from tgnn.graphs.edge_list import EdgeList
from tgnn.graphs.layout import Layout
from tgnn.typing import Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Planned(Layout):
    """What `tgnn.plan` returns for an edge list that runs faster as something else.

    Every verb is that of `chosen`; bias, edges and edge_value are [n_edge, ...] in the caller's order, as are the
    weights that `attention_weights` returns. `slots` holds, for each axis of `chosen.edge_shape`, the index of each of
    the caller's edges: out of range where the edge is dead.
    """

    chosen: Layout
    slots: tuple[Array, ...]

    @classmethod
    def of(cls, chosen: Layout, senders: np.ndarray, receivers: np.ndarray, live: np.ndarray) -> "Planned":
        """`chosen` for a caller who lists these edges, each of which has a slot in it."""
        outside = np.iinfo(np.int32).max
        slots = []
        for found in chosen.locate(senders[live], receivers[live]):
            slot = np.full(len(live), outside, np.int32)
            slot[live] = found
            slots.append(jnp.asarray(slot))
        return cls(chosen, tuple(slots))

    @property
    def n_receivers(self) -> int:  # pyright: ignore
        return self.chosen.n_receivers

    @property
    def n_senders(self) -> int:  # pyright: ignore
        return self.chosen.n_senders

    @property
    def edge_shape(self) -> tuple[int, ...]:
        return self.chosen.edge_shape

    @property
    def caller_shape(self) -> tuple[int, ...]:
        return (self.slots[0].shape[-1],)

    @property
    def live(self) -> Array | None:
        return self.chosen.live

    @property
    def receiver_index(self) -> Array:
        return self.chosen.receiver_index

    @property
    def sender_index(self) -> Array:
        return self.chosen.sender_index

    def from_receivers(self, x: Array) -> Array:
        return self.chosen.from_receivers(x)

    def from_senders(self, x: Array) -> Array:
        return self.chosen.from_senders(x)

    def reduce(self, x: Array, op: str = "sum") -> Array:
        return self.chosen.reduce(x, op)

    def score(self, query: Array, key: Array) -> Array:
        return self.chosen.score(query, key)

    def normalize(self, logits: Array) -> Array:
        return self.chosen.normalize(logits)

    def aggregate(self, weights: Array, value: Array) -> Array:
        return self.chosen.aggregate(weights, value)

    def from_caller(self, x: Array) -> Array:
        check_edges(self, "values of edges", x)
        return jnp.zeros(self.edge_shape + x.shape[1:], x.dtype).at[self.slots].set(x, mode="drop")

    def to_caller(self, x: Array) -> Array:
        x = jnp.broadcast_to(x, self.edge_shape + x.shape[len(self.edge_shape) :])
        return x.at[self.slots].get(mode="fill", fill_value=0)

    def own_slots(self, slots: tuple[Array, ...]) -> tuple[Array, ...]:
        outside = np.iinfo(np.int32).max
        return tuple(slot.at[slots].get(mode="fill", fill_value=outside) for slot in self.slots)

    def arrange(self, values: Array, senders: Array, receivers: Array) -> Array:
        return self.to_caller(self.chosen.arrange(values, senders, receivers))

    def find(self, senders: Array, receivers: Array) -> tuple[Array, ...]:
        return self.to_edges().locate(senders, receivers)

    def adjacency(self) -> Array:
        return self.chosen.adjacency()

    def to_edges(self) -> EdgeList:
        live = np.asarray(self.to_caller(jnp.ones(self.edge_shape, bool)))
        index = (jnp.broadcast_to(x, self.edge_shape) for x in (self.sender_index, self.receiver_index))
        senders, receivers = (np.asarray(self.to_caller(x)) for x in index)
        return EdgeList.from_edges(
            senders, receivers, n_receivers=self.n_receivers, n_senders=self.n_senders, mask=live
        )
