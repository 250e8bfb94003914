"""SortedChunks: nodes in some order, cut into chunks; a chunk sees itself and the one before. In one or several rounds.

What a hash or a sort brings together becomes contiguous, so that a sparse graph which is only known under jit is
contracted by small matrix products: no table of neighbours, and nothing of size n * n.
"""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from tgnn.errors import check_size
from tgnn.graphs.fields import settle
from tgnn.graphs.layout import Layout, rows_at
from tgnn.pytrees import register
from tgnn.softmax import expand, least_where_dead, sum_dtype, wide_dtype
from tgnn.typing import Array


@register
@dataclass(frozen=True)
class SortedChunks(Layout):
    """The pairs of nodes that meet in a chunk or in neighbouring ones, where `mask` keeps them.

    O(rounds * n * chunk) memory. A pair that is live in several rounds counts as often.

    Args:
      nodes: int [rounds, n_chunk, chunk], the node in each slot; `n` in slots without one.
      places: int [rounds, n], the slot of each node.
      mask: bool [rounds, n_chunk, chunk, width], False in slots without a node; width is `2 * chunk`, the chunk before
        first, or `chunk` where there is one chunk only.
    """

    nodes: Array
    places: Array
    mask: Array

    form = "chunks"
    axes: ClassVar[dict[str, int]] = {"mask": 4}
    reads_rows = False

    def __post_init__(self) -> None:
        settle(self, "nodes", "places")

    @property
    def n_receivers(self) -> int:  # pyright: ignore
        return self.places.shape[-1]

    @property
    def n_senders(self) -> int:  # pyright: ignore
        return self.places.shape[-1]

    @property
    def edge_shape(self) -> tuple[int, ...]:
        return self.mask.shape[-4:]

    @property
    def live(self) -> Array:
        return self.mask

    @property
    def receiver_index(self) -> Array:
        return self.nodes[..., None]

    @property
    def sender_index(self) -> Array:
        return band(self.nodes, self.n_senders)[..., None, :]

    def from_receivers(self, x: Array) -> Array:
        rows = take(x, self.nodes)
        return jnp.where(expand(self.live.any(axis=3), rows.ndim), rows, jnp.zeros((), x.dtype))[:, :, :, None]

    def from_senders(self, x: Array) -> Array:
        columns = band(take(x, self.nodes), 0)
        return jnp.where(expand(self.live.any(axis=2), columns.ndim), columns, jnp.zeros((), x.dtype))[:, :, None]

    def reduce(self, x: Array, op: str = "sum") -> Array:
        if op == "max":
            rows = least_where_dead(x, self.live).max(axis=3)
        else:
            rows = self.zero_dead_edges(x).sum(axis=3, dtype=sum_dtype(x.dtype))
        return self.join(rows, op)

    def join(self, rows: Array, op: str = "sum") -> Array:
        """[rounds, n_chunk, chunk, ...] -> [n, ...]: back into the order of the nodes, and over the rounds."""
        rows = jax.vmap(lambda rows, places: take(rows.reshape(-1, *rows.shape[2:]), places))(rows, self.places)
        return rows.max(axis=0) if op == "max" else rows.sum(axis=0)

    def score(self, query: Array, key: Array) -> Array:
        rows, columns = self.from_receivers(query)[:, :, :, 0], self.from_senders(key)[:, :, 0]
        wide = wide_dtype(query.dtype, key.dtype)
        return jnp.einsum("rcnhd,rcmhd->rcnmh", rows, columns, preferred_element_type=wide)

    def aggregate(self, weights: Array, value: Array) -> Array:
        wide = wide_dtype(weights.dtype, value.dtype)
        columns = self.from_senders(value)[:, :, 0].astype(wide)
        messages = jnp.einsum("rcnmh,rcmhd->rcnhd", self.zero_dead_edges(weights), columns, preferred_element_type=wide)
        return self.join(messages)

    def find(self, senders: Array, receivers: Array) -> tuple[Array, ...]:
        rounds, _, chunk, width = self.edge_shape
        mine, theirs = take(self.places.T, receivers), take(self.places.T, senders)  # [n_pair, rounds]
        row = mine % chunk
        column = theirs - (mine // chunk) * chunk + width - chunk  # where the band of the receiver's chunk begins
        inside = (column >= 0) & (column < width)
        number = jnp.arange(rounds)[None, :]
        live = self.mask[number, mine // chunk, row, jnp.clip(column, 0, width - 1)] & inside
        first = jnp.argmax(live, axis=1)
        place, row, column = (jnp.take_along_axis(x, first[:, None], axis=1)[:, 0] for x in (mine, row, column))
        return first, place // chunk, row, jnp.where(live.any(axis=1), column, -1)

    def temporary_bytes(self, heads: int, head_dim: int, gradients: bool) -> int:
        """Logits of all slots, several times, and rows of all chunks."""
        rounds, chunks, chunk, width = self.edge_shape
        logits = rounds * chunks * chunk * width * heads * 4
        rows = rounds * chunks * (chunk + 2 * width) * heads * head_dim * 4
        return (4 if gradients else 3) * logits + (2 if gradients else 1) * rows


def cut(order: Array, chunk: int) -> tuple[Array, Array]:
    """`nodes` and `places` of nodes in an order, int [rounds, n], with chunks of this size. O(rounds * n).

    >>> nodes, places = cut(jnp.array([[2, 0, 1]]), 2)
    >>> nodes.tolist(), places.tolist()
    ([[[2, 0], [1, 3]]], [[1, 2, 0]])
    """
    rounds, n = order.shape
    chunk = check_size("chunk", chunk, minimum=1)
    spare = -n % chunk
    nodes = jnp.pad(order.astype(jnp.int32), ((0, 0), (0, spare)), constant_values=n).reshape(rounds, -1, chunk)
    slots = jnp.arange(n, dtype=jnp.int32)
    places = jax.vmap(lambda order: jnp.zeros(n, jnp.int32).at[order].set(slots, unique_indices=True))(order)
    return nodes, places


def band(slots: Array, fill: bool | int) -> Array:
    """What each chunk sees, the chunk before first: [rounds, n_chunk, chunk, ...] -> [rounds, n_chunk, width, ...]."""
    if slots.shape[1] <= 1:
        return slots
    before = jnp.pad(slots[:, :-1], [(0, 0), (1, 0)] + [(0, 0)] * (slots.ndim - 2), constant_values=fill)
    return jnp.concatenate([before, slots], axis=2)


def take(x: Array, index: Array) -> Array:
    """Rows of `x`, zeros where the index is out of range."""
    inside = (index >= 0) & (index < x.shape[0])
    rows = rows_at(x, index)
    return jnp.where(expand(inside, rows.ndim), rows, jnp.zeros((), x.dtype))
