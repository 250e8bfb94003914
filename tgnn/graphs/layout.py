"""What every layout is: a set of edges, stored the way the hardware likes, with three verbs.

A layout stores which edges exist and offers the primitives `live`, `from_receivers`, `from_senders`, `reduce` and
`score`. This class writes everything else once in terms of them. The laws that hold every layout together are in
`tests/attention/test_laws.py`.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from tgnn.errors import check_edges
from tgnn.softmax import expand, group_softmax, wide_dtype
from tgnn.typing import Array

if TYPE_CHECKING:
    from tgnn.graphs.edge_list import EdgeList


class Layout(ABC):
    """Edges from senders to receivers. Concrete layouts are frozen dataclasses registered as pytrees."""

    n_receivers: int
    n_senders: int

    # -- the primitives that each layout defines -----------------------------------------------------------------

    @property
    @abstractmethod
    def edge_shape(self) -> tuple[int, ...]:
        """Shape of one number per edge slot."""

    @property
    def caller_shape(self) -> tuple[int, ...]:
        """Shape of one number per edge in the caller's order."""
        return self.edge_shape

    @property
    @abstractmethod
    def live(self) -> Array | None:
        """Which slots are edges: bool [*edge_shape], or None where all are."""

    @property
    @abstractmethod
    def receiver_index(self) -> Array:
        """The receiver of each slot: int, broadcastable to `edge_shape`."""

    @property
    @abstractmethod
    def sender_index(self) -> Array:
        """The sender of each slot: int, broadcastable to `edge_shape`."""

    @abstractmethod
    def from_receivers(self, x: Array) -> Array:
        """What each edge sees of its receiver: [n_receivers, ...] -> broadcastable to [*edge_shape, ...]."""

    @abstractmethod
    def from_senders(self, x: Array) -> Array:
        """What each edge sees of its sender: [n_senders, ...] -> broadcastable to [*edge_shape, ...]."""

    @abstractmethod
    def reduce(self, x: Array, op: str = "sum") -> Array:
        """Sum or maximum over the live in-edges of each receiver: [*edge_shape, ...] -> [n_receivers, ...]."""

    @abstractmethod
    def find(self, senders: Array, receivers: Array) -> tuple[Array, ...]:
        """`locate` for pairs of nodes that exist; anything for others."""

    def score(self, query: Array, key: Array) -> Array:
        """Inner products of [n_receivers, heads, dim] and [n_senders, heads, dim]: [*edge_shape, heads]."""
        wide = wide_dtype(query.dtype, key.dtype)
        return (self.from_receivers(query).astype(wide) * self.from_senders(key).astype(wide)).sum(-1)

    # -- what follows from them ----------------------------------------------------------------------------------

    def normalize(self, logits: Array) -> Array:
        """Softmax over the in-edges of each receiver: [*edge_shape, heads], float32 or wider."""
        return group_softmax(logits, self.live, self.reduce, self.from_receivers)

    def aggregate(self, weights: Array, value: Array) -> Array:
        """Weights [*edge_shape, heads] times values [n_senders, heads, dim], summed: [n_receivers, heads, dim]."""
        wide = wide_dtype(weights.dtype, value.dtype)
        return self.reduce(weights.astype(wide)[..., None] * self.from_senders(value).astype(wide))

    def keep(self, x: Array) -> Array:
        """`x`, broadcast to [*edge_shape, ...], with zeros wherever there is no edge (also for gradients)."""
        return x if self.live is None else jnp.where(expand(self.live, x.ndim), x, jnp.zeros((), x.dtype))

    def from_caller(self, x: Array) -> Array:
        """Per-edge values in the caller's order -> in this layout's order; a ValueError for a wrong number of them."""
        check_edges(self, "values of edges", x)
        return x

    def to_caller(self, x: Array) -> Array:
        """Per-edge values in this layout's order -> in the caller's order."""
        return x

    def own_slots(self, slots: tuple[Array, ...]) -> tuple[Array, ...]:
        """Where edges that the caller names by their places stand: an index array for each axis of `edge_shape`."""
        return slots

    def locate(self, senders: Array, receivers: Array) -> tuple[Array, ...]:
        """The slot of each pair, as one index array per axis of `caller_shape`; out of range where there is none.

        Args:
          senders: int [n_pair].
          receivers: int [n_pair].
        """
        with jax.ensure_compile_time_eval():  # what is known before jit is computed before it
            senders, receivers = jnp.asarray(senders), jnp.asarray(receivers)
            exist = (senders >= 0) & (senders < self.n_senders) & (receivers >= 0) & (receivers < self.n_receivers)
            return tuple(jnp.where(exist, slot, -1) for slot in self.find(senders, receivers))

    def arrange(self, values: Array, senders: Array, receivers: Array) -> Array:
        """Puts values given per (sender, receiver) pair into the slots of this layout; 0 elsewhere. Differentiable.

        Args:
          values: [n_pair, ...].
          senders: int [n_pair].
          receivers: int [n_pair]. Pairs that are no edge of this layout are dropped.

        Returns:
          [*edge_shape, ...]: what `attend` takes as bias for this layout.
        """
        slots = self.locate(senders, receivers)
        outside = jnp.iinfo(jnp.int32).max  # negative indices would wrap around; this one is dropped
        slots = tuple(jnp.where(slot < 0, outside, slot) for slot in slots)
        empty = jnp.zeros(self.edge_shape + values.shape[1:], values.dtype)
        placed = empty.at[slots].set(values, mode="drop")
        return self.to_caller(self.keep(self.from_caller(placed)))

    def adjacency(self) -> Array:
        """Bool [n_receivers, n_senders]: True where at least one edge exists. O(n_receivers * n_senders) memory."""
        shape = self.edge_shape
        live = jnp.ones(shape, bool) if self.live is None else jnp.broadcast_to(self.live, shape)
        receivers = jnp.where(live, jnp.broadcast_to(self.receiver_index, shape), self.n_receivers)
        senders = jnp.where(live, jnp.broadcast_to(self.sender_index, shape), 0)
        empty = jnp.zeros((self.n_receivers, self.n_senders), bool)
        return empty.at[receivers.ravel(), senders.ravel()].set(True, mode="drop")

    # Edge sets: each pair once, whatever the operands; see layouts/algebra.py. Imported late: it needs every layout.

    def __or__(self, other: "Layout") -> "Layout":
        from tgnn.graphs.edge_sets import union

        return union(self, other) if isinstance(other, Layout) else NotImplemented

    def __and__(self, other: "Layout") -> "Layout":
        from tgnn.graphs.edge_sets import intersection

        return intersection(self, other) if isinstance(other, Layout) else NotImplemented

    def __sub__(self, other: "Layout") -> "Layout":
        from tgnn.graphs.edge_sets import difference

        return difference(self, other) if isinstance(other, Layout) else NotImplemented

    def to_edges(self) -> "EdgeList":
        """The same edges as an `EdgeList`, in row-major order of this layout's slots.

        Outside jit only live edges are listed. Under jit their number is unknown, so every slot is listed with a mask.
        """
        from tgnn.graphs.edge_list import EdgeList  # the one place where the base needs its child

        shape = self.edge_shape
        with jax.ensure_compile_time_eval():
            receivers = jnp.broadcast_to(self.receiver_index, shape).ravel()
            senders = jnp.broadcast_to(self.sender_index, shape).ravel()
            live = None if self.live is None else jnp.broadcast_to(self.live, shape).ravel()
        if is_traced(receivers) or is_traced(senders) or is_traced(live):
            return EdgeList(senders, receivers, self.n_receivers, self.n_senders, live)
        kept = np.ones(receivers.shape, bool) if live is None else np.asarray(live)
        return EdgeList.from_edges(
            np.asarray(senders)[kept],
            np.asarray(receivers)[kept],
            n_receivers=self.n_receivers,
            n_senders=self.n_senders,
        )


def is_traced(x) -> bool:
    """True for a value that is only known under jit, vmap or grad."""
    return isinstance(x, jax.core.Tracer)
