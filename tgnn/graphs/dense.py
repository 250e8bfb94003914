"""Complete, Causal and Dense: one slot per (receiver, sender) pair, contracted by matrix products."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp

from tgnn.errors import check_bool, check_segments, check_size
from tgnn.graphs.layout import Layout
from tgnn.softmax import expand, wide_dtype
from tgnn.typing import Array


class DenseLike(Layout):
    """The verbs of every layout whose edges are the live entries of a [n_receivers, n_senders] matrix."""

    @property
    def edge_shape(self) -> tuple[int, int]:
        return (self.n_receivers, self.n_senders)

    @property
    def receiver_index(self) -> Array:
        return jnp.arange(self.n_receivers)[:, None]

    @property
    def sender_index(self) -> Array:
        return jnp.arange(self.n_senders)[None, :]

    def from_receivers(self, x: Array) -> Array:
        return self.clean(x, sender_axis=1)[:, None]

    def from_senders(self, x: Array) -> Array:
        return self.clean(x, sender_axis=0)[None, :]

    def clean(self, x: Array, sender_axis: int) -> Array:
        """Zeros the rows of nodes without any live edge, so that their NaN and inf reach no matrix product."""
        if self.live is None:
            return x
        return jnp.where(expand(self.live.any(axis=sender_axis), x.ndim), x, jnp.zeros((), x.dtype))

    def reduce(self, x: Array, op: str = "sum") -> Array:
        if op == "max":
            if self.live is not None:
                x = jnp.where(expand(self.live, x.ndim), x, -jnp.inf)
            return x.max(axis=1, initial=-jnp.inf)
        return self.keep(x).sum(axis=1, dtype=wide_dtype(x.dtype))

    def score(self, query: Array, key: Array) -> Array:
        query, key = self.clean(query, sender_axis=1), self.clean(key, sender_axis=0)
        wide = wide_dtype(query.dtype, key.dtype)
        return jnp.einsum("nhd,mhd->nmh", query, key, preferred_element_type=wide)

    def aggregate(self, weights: Array, value: Array) -> Array:
        wide = wide_dtype(weights.dtype, value.dtype)
        value = self.clean(value, sender_axis=0)
        return jnp.einsum("nmh,mhd->nhd", self.keep(weights), value.astype(wide), preferred_element_type=wide)

    def find(self, senders: Array, receivers: Array) -> tuple[Array, ...]:
        return receivers, senders


def same_segment(receiver_segments: Array | None, sender_segments: Array | None) -> Array | None:
    """Bool [n_receivers, n_senders]: equal and >= 0; None where there are no segments."""
    if receiver_segments is None or sender_segments is None:
        return None
    return (receiver_segments[:, None] == sender_segments[None, :]) & (receiver_segments[:, None] >= 0)


def with_segments(layout, receiver_segments, sender_segments=None):
    """`layout` with edges only where `receiver_segments[i] == sender_segments[j] >= 0`.

    One device for padding (-1), packing, document boundaries and disjoint unions of graphs.

    Args:
      layout: Complete, Causal or Window.
      receiver_segments: int [n_receivers], -1 = padding.
      sender_segments: int [n_senders]; default `receiver_segments` where the sizes agree.

    Raises:
      ValueError: for wrong lengths or dtypes.
    """
    if sender_segments is None:
        if layout.n_receivers != layout.n_senders:
            raise ValueError(
                f"sender_segments is missing, and the {layout.n_senders} senders are not the {layout.n_receivers} "
                "receivers; pass one segment id per sender"
            )
        sender_segments = receiver_segments
    return replace(
        layout,
        receiver_segments=check_segments("receiver_segments", receiver_segments, layout.n_receivers),
        sender_segments=check_segments("sender_segments", sender_segments, layout.n_senders),
    )


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Complete(DenseLike):
    """Every sender is a neighbour of every receiver: the graph of a Transformer. Stores nothing but its segments.

    Args:
      n_receivers: number of receivers.
      n_senders: number of senders; default `n_receivers`.

    >>> Complete(2, 3).adjacency().shape
    (2, 3)
    """

    n_receivers: int = jax.tree.static()  # pyright: ignore
    n_senders: int = jax.tree.static(default=None)  # pyright: ignore
    receiver_segments: Array | None = None
    sender_segments: Array | None = None

    def __post_init__(self):
        default_senders(self, self.n_receivers, "n_receivers")

    @property
    def live(self) -> Array | None:
        return same_segment(self.receiver_segments, self.sender_segments)

    with_segments = with_segments


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Causal(DenseLike):
    """Receiver `i` sees senders `j <= i + offset`: the graph of a language model.

    Args:
      n: number of receivers.
      n_senders: number of senders; default `n`.
      offset: how many senders precede the first receiver: the length of the past in cached decoding. May be traced, so
        that decoding never recompiles.

    >>> Causal(1, n_senders=4, offset=2).adjacency().astype(int).tolist()
    [[1, 1, 1, 0]]
    """

    n: int = jax.tree.static()  # pyright: ignore
    n_senders: int = jax.tree.static(default=None)  # pyright: ignore
    offset: Array | int = 0
    receiver_segments: Array | None = None
    sender_segments: Array | None = None

    def __post_init__(self):
        default_senders(self, self.n, "n")

    @property
    def n_receivers(self) -> int:  # pyright: ignore
        return self.n

    @property
    def live(self) -> Array:
        past = self.sender_index <= self.receiver_index + self.offset
        same = same_segment(self.receiver_segments, self.sender_segments)
        return past if same is None else past & same

    with_segments = with_segments


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Dense(DenseLike):
    """Any graph without duplicate edges, as a matrix.

    Args:
      mask: bool [n_receivers, n_senders], True = edge.

    >>> Dense(jnp.array([[True, False]])).n_senders
    2
    """

    mask: Array

    def __post_init__(self):
        check_bool("mask", self.mask)

    @classmethod
    def from_edges(cls, senders, receivers, *, n_receivers: int, n_senders: int | None = None, mask=None) -> "Dense":
        """The matrix of an edge list; raises where an edge stands twice. Arguments as in `EdgeList.from_edges`."""
        from tgnn.graphs.edge_list import EdgeList, check_simple

        edges = EdgeList.from_edges(senders, receivers, n_receivers=n_receivers, n_senders=n_senders, mask=mask)
        check_simple(edges, "Dense")
        return cls(edges.adjacency())

    @property
    def n_receivers(self) -> int:  # pyright: ignore
        return self.mask.shape[-2]

    @property
    def n_senders(self) -> int:  # pyright: ignore
        return self.mask.shape[-1]

    @property
    def live(self) -> Array:
        return self.mask


def default_senders(layout, n_receivers: int, name: str) -> None:
    """Checks the static sizes and fills the default: they are Python ints even under jit, so this is safe there."""
    n_receivers = check_size(name, n_receivers)
    n_senders = n_receivers if layout.n_senders is None else check_size("n_senders", layout.n_senders)
    object.__setattr__(layout, "n_senders", n_senders)
    given = [x is not None for x in (layout.receiver_segments, layout.sender_segments)]
    if given[0] != given[1] and any(hasattr(x, "dtype") for x in (layout.receiver_segments, layout.sender_segments)):
        missing = "sender_segments" if given[0] else "receiver_segments"
        raise ValueError(f"{missing} is missing; pass both, or use with_segments, which takes one for both")
