"""Complete, Causal and Dense: one slot per (receiver, sender) pair, contracted by matrix products."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.graphs.edge_list import EdgeList, check_simple
from tgnn.graphs.fields import settle
from tgnn.graphs.layout import Layout, is_traced
from tgnn.graphs.segments import Segmented, default_senders
from tgnn.pytrees import register
from tgnn.softmax import expand, least, least_where_dead, sum_dtype, wide_dtype
from tgnn.typing import Array, ArrayLike, Span


class DenseLike(Layout):
    """The verbs of every layout whose edges are the live entries of a [n_receivers, n_senders] matrix."""

    form = "matrix"
    reads_rows = False

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
        """`cleaned` rows of receivers, where senders stand on axis 1, or of senders, where these stand on axis 0."""
        return cleaned(x, self.has_edge(sender_axis))

    def has_edge(self, axis: int) -> Array | None:
        """Whether each receiver (over axis 1) or sender (over axis 0) has a live edge; None where all have."""
        return None if self.live is None else self.live.any(axis=axis)

    def reduce(self, x: Array, op: str = "sum") -> Array:
        if op == "max":
            x = least_where_dead(x, self.live)
            return x.max(axis=1, initial=least(x.dtype))
        return self.zero_dead_edges(x).sum(axis=1, dtype=sum_dtype(x.dtype))

    def score(self, query: Array, key: Array) -> Array:
        return products(query, key, (self.has_edge(1), self.has_edge(0)))

    def aggregate(self, weights: Array, value: Array) -> Array:
        wide = wide_dtype(weights.dtype, value.dtype)
        value = self.clean(value, sender_axis=0)
        return jnp.einsum(
            "nmh,mhd->nhd", self.zero_dead_edges(weights), value.astype(wide), preferred_element_type=wide
        )

    def find(self, senders: Array, receivers: Array) -> tuple[Array, ...]:
        return receivers, senders

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        self.require_concrete()
        every = np.arange(self.n_senders)[None, :], np.arange(self.n_receivers)[:, None]
        receivers, senders = np.nonzero(np.broadcast_to(self.contains(*every), self.edge_shape))
        return senders, receivers

    def contains(self, senders: np.ndarray, receivers: np.ndarray) -> np.ndarray:
        return self.on_edges(self.live)[receivers, senders]

    def temporary_bytes(self, heads: int, head_dim: int, gradients: bool) -> int:
        """A tile of logits, small where the layout lets parts be skipped, and sums of rows."""
        skips = self.is_rule and self.live is not None
        tile = 4 * (2**16 if skips else min(2**20, heads * self.count_all_slots()))
        rows = 4 * heads * head_dim * max(self.n_receivers, self.n_senders)
        return 3 * tile // 2 + 5 * rows // 2 if gradients else tile + rows // 2

    # What the tiled execution asks: a row of the matrix is all senders up to one, or is stored.

    def last_sender(self, receivers: Array) -> Array | int | None:
        """The last sender of each receiver, which sees all before it as well, segments apart; an int is that of all.

        None where the edges are not like that, and `live` tells.
        """
        return None

    def seen(self) -> tuple[Array | None, Array | None]:
        """Which receivers and which senders have an edge, segments apart: bool [n] each, None where all have."""
        return (None, None) if self.live is None else (self.live.any(axis=1), self.live.any(axis=0))


def cleaned(x: Array, has_edge: Array | None) -> Array:
    """Zeros in the rows of nodes without any live edge, so that their NaN and inf reach no matrix product."""
    return x if has_edge is None else jnp.where(expand(has_edge, x.ndim), x, jnp.zeros((), x.dtype))


@jax.custom_jvp
def products(query: Array, key: Array, has_edge: tuple[Array | None, Array | None]) -> Array:
    """`<query_i, key_j>` of all pairs, [n_receivers, n_senders, heads]; anything where there is no edge.

    Rows of nodes without any edge are cleaned for the derivative alone: whoever drops dead edges drops what these rows
    made of them, and no copy of the keys is made where nothing is differentiated, as in decoding.

    Args:
      query: [n_receivers, heads, head_dim].
      key: [n_senders, heads, head_dim].
      has_edge: whether a receiver has one, bool [n_receivers], and a sender; None where all have.
    """
    return jnp.einsum("nhd,mhd->nmh", query, key, preferred_element_type=wide_dtype(query.dtype, key.dtype))


@products.defjvp
def _(primals, tangents):
    (query, key, has_edge), (to_query, to_key, _) = primals, tangents
    clean_query, clean_key = (cleaned(x, rows) for x, rows in zip((query, key), has_edge, strict=True))
    slope = products(to_query, clean_key, has_edge) + products(clean_query, to_key, has_edge)
    return products(query, key, has_edge), slope


@register
@dataclass(frozen=True)
class Complete(Segmented, DenseLike):
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

    def __post_init__(self) -> None:
        default_senders(self, self.n_receivers, "n_receivers")

    is_rule = True

    @property
    def live(self) -> Array | None:
        return self.same_segment

    def contains(self, senders: np.ndarray, receivers: np.ndarray) -> np.ndarray:
        return self.in_segment(senders, receivers)

    def last_sender(self, receivers: Array) -> int:
        return self.n_senders - 1

    def seen(self) -> tuple[None, None]:
        return None, None

    def part(self, receivers: Span, senders: Span, segments: tuple[Array, Array] | None = None) -> "Complete":
        return Complete(receivers[1], senders[1], *segments or (None, None))

    def known_mask(self) -> tuple[str | int, ...] | None:
        return ("full",) if self.segments is None else None


@register
@dataclass(frozen=True)
class Causal(Segmented, DenseLike):
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

    def __post_init__(self) -> None:
        default_senders(self, self.n, "n")
        settle(self, "offset")

    @property
    def n_receivers(self) -> int:  # pyright: ignore
        return self.n

    @property
    def live(self) -> Array:
        past = self.sender_index <= self.receiver_index + self.offset
        same = self.same_segment
        return past if same is None else past & same

    is_rule = True

    def contains(self, senders: np.ndarray, receivers: np.ndarray) -> np.ndarray:
        return (senders <= receivers + int(self.offset)) & self.in_segment(senders, receivers)

    def count_edges(self) -> int:
        if self.segments is not None or is_traced(self.offset):
            return super().count_edges()
        seen = np.arange(self.n, dtype=np.int64) + int(self.offset) + 1
        return int(np.clip(seen, 0, self.n_senders).sum())

    def count_slots(self) -> int:
        """Tiles above the diagonal are skipped."""
        return self.count_edges()

    def last_sender(self, receivers: Array) -> Array:
        return receivers + self.offset

    def part(self, receivers: Span, senders: Span, segments: tuple[Array, Array] | None = None) -> "Causal":
        offset = self.offset + receivers[0] - senders[0]
        return Causal(receivers[1], senders[1], offset, *segments or (None, None))

    def seen(self) -> tuple[Array | None, Array | None]:
        offset, n, m = self.offset, self.n, self.n_senders
        known = isinstance(offset, int)
        receivers = None if known and offset >= 0 else jnp.arange(n) + offset >= 0
        return receivers, None if known and offset >= m - n else jnp.arange(m) <= n - 1 + offset

    def known_mask(self) -> tuple[str | int, ...] | None:
        plain = isinstance(self.offset, int) and self.offset == 0 and self.n == self.n_senders
        return ("causal",) if plain and self.segments is None else None


@register
@dataclass(frozen=True)
class Dense(DenseLike):
    """Any graph without duplicate edges, as a matrix.

    Args:
      mask: bool [n_receivers, n_senders], True = edge.

    >>> Dense(jnp.array([[True, False]])).n_senders
    2
    """

    mask: Array

    axes: ClassVar[dict[str, int]] = {"mask": 2}

    def __post_init__(self) -> None:
        settle(self)

    @classmethod
    def from_edges(
        cls,
        senders: ArrayLike,
        receivers: ArrayLike,
        *,
        n_receivers: int,
        n_senders: int | None = None,
        mask: ArrayLike | None = None,
    ) -> "Dense":
        """The matrix of an edge list; raises where an edge stands twice. Arguments as in `EdgeList.from_edges`."""
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
