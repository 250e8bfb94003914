"""EdgeList: a sparse graph given by data, as two index arrays. Every edge counts, duplicates included."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.errors import check_indices, check_mask, check_size, widen_index
from tgnn.graphs.fields import settle
from tgnn.graphs.host import pair_key, stable_order
from tgnn.graphs.layout import Layout, is_traced
from tgnn.pytrees import register
from tgnn.softmax import depth_of, segment_reduce, wide_dtype
from tgnn.typing import Array, ArrayLike

if TYPE_CHECKING:
    import jraph


@register
@dataclass(frozen=True)
class EdgeList(Layout):
    """A multigraph of `n_edge` edges `senders[e] -> receivers[e]`, in the caller's order. O(n_edge) memory.

    An edge is live where `mask` is True and both indices are in range. Executions that want other orders find them as
    permutations: `order` sorts the edges by receiver, `by_sender` by sender; both are None where they are not known, as
    in a graph that comes into jit. `depth` tells how many levels of partial sums the longest neighbourhood needs (see
    `tgnn.softmax.segment_reduce`). Build it with `EdgeList.from_edges` or `EdgeList.from_graph`.

    >>> layout = EdgeList.from_edges([0, 1, 1], [2, 2, 0], n_receivers=3)
    >>> layout.receivers.tolist(), layout.order.tolist()
    ([2, 2, 0], [2, 0, 1])
    """

    senders: Array
    receivers: Array
    n_receivers: int = jax.tree.static()  # pyright: ignore
    n_senders: int = jax.tree.static()  # pyright: ignore
    mask: Array | None = None
    order: Array | None = None
    by_sender: Array | None = None
    depth: int = jax.tree.static(default=0)  # pyright: ignore

    form = "list"
    axes: ClassVar[dict[str, int]] = {"receivers": 1}

    def __post_init__(self) -> None:
        settle(self, "senders", "receivers", "order", "by_sender", alike=("senders", "receivers", "mask"), axes=1)

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
        """Validates edges on the host and finds the orders in which executions read them. O(n_edge log n_edge).

        Args:
          senders: int [n_edge], in [0, n_senders).
          receivers: int [n_edge], in [0, n_receivers).
          n_receivers: number of receivers.
          n_senders: number of senders; default `n_receivers`.
          mask: bool [n_edge], True = keep; indices of masked edges may be anything.
          pad_to: length of the stored arrays; padding edges are dead and stand last, so per-edge arrays (bias, edges,
            edge_value) have `pad_to` rows. Layouts of one bucket share one compiled program.

        Raises:
          ValueError: for float, bool, negative or too large indices, unequal lengths, or a `pad_to` below n_edge.
        """
        n_receivers = check_size("n_receivers", n_receivers)
        n_senders = n_receivers if n_senders is None else check_size("n_senders", n_senders)
        keep = None if mask is None else check_mask("mask", mask, np.shape(receivers))
        receivers = check_indices("receivers", receivers, n_receivers, keep)
        senders = check_indices("senders", senders, n_senders, keep)
        if senders.shape != receivers.shape:
            raise ValueError(
                f"senders has {len(senders)} edges but receivers has {len(receivers)}; each edge needs both"
            )
        n_edge = len(senders)
        size = n_edge if pad_to is None else check_size("pad_to", pad_to)
        if size < n_edge:
            raise ValueError(f"pad_to is {size}, but there are {n_edge} edges; choose a bucket of at least {n_edge}")
        live = np.zeros(size, bool)
        live[:n_edge] = True if keep is None else keep
        # Dead edges point to receiver `n_receivers`, which does not exist: sorted last, dropped by every sum.
        receivers = filled(receivers, live, n_receivers)
        senders = filled(senders, live, 0)
        longest = int(np.bincount(receivers[live], minlength=1).max()) if size > 4096 else size
        orders = (stable_order(x).astype(np.int32) for x in (receivers, senders))
        arrays = (receivers, live, *orders)
        receivers, live, order, by_sender = map(jnp.asarray, arrays)
        return cls(jnp.asarray(senders), receivers, n_receivers, n_senders, live, order, by_sender, depth_of(longest))

    @classmethod
    def from_edge_index(cls, edge_index: ArrayLike, *, n_receivers: int, **options: Any) -> Self:
        """`from_edges` of PyG's `edge_index`, whose rows are the senders and the receivers.

        Args:
          edge_index: int [2, n_edge]; a tensor on the host is taken too.
          n_receivers: number of receivers.
          **options: the others of `from_edges`.

        Raises:
          ValueError: for another shape, and as `from_edges`.

        >>> EdgeList.from_edge_index([[0, 1, 2], [1, 2, 0]], n_receivers=3).receivers.tolist()
        [1, 2, 0]
        """
        shape = np.shape(edge_index)
        if len(shape) != 2 or shape[0] != 2:
            raise ValueError(
                f"edge_index must be [2, n_edge], senders over receivers, got shape {tuple(shape)}; transpose it, or "
                "pass senders and receivers to from_edges"
            )
        senders, receivers = np.asarray(edge_index)
        return cls.from_edges(senders, receivers, n_receivers=n_receivers, **options)

    @classmethod
    def from_graph(cls, graph: "jraph.GraphsTuple", *, n_nodes: int | None = None, mask: Array | None = None) -> Self:
        """The edges of a `jraph.GraphsTuple` as they are: any order, also under jit. Indices out of range are dead.

        Args:
          graph: its features are ignored.
          n_nodes: number of nodes; default the leading size of `graph.nodes`, else the (concrete) sum of `n_node`.
          mask: bool [n_edge], True = keep (see `tgnn.pad`).
        """
        if n_nodes is None:
            leaves = jax.tree.leaves(graph.nodes)
            if not leaves and is_traced(graph.n_node):
                raise ValueError(
                    "n_nodes is unknown: the graph has no node features and n_node is traced; pass n_nodes"
                )
            n_nodes = leaves[0].shape[0] if leaves else int(np.sum(graph.n_node))
        for name, indices in (("senders", graph.senders), ("receivers", graph.receivers)):
            found = getattr(indices, "dtype", type(indices).__name__)
            if isinstance(found, str) or not jnp.issubdtype(found, jnp.integer):
                raise ValueError(f"graph.{name} must be an integer array, got {found}; convert it with np.asarray")
        if np.shape(graph.senders) != np.shape(graph.receivers):
            raise ValueError(
                f"graph.senders has shape {np.shape(graph.senders)} but graph.receivers {np.shape(graph.receivers)}; "
                "each edge needs both"
            )
        senders, receivers = (jnp.asarray(widen_index(x)) for x in (graph.senders, graph.receivers))
        return cls(senders, receivers, n_nodes, n_nodes, mask)

    @property
    def n_edge(self) -> int:
        """Number of stored edges, padding included."""
        return self.senders.shape[-1]

    @property
    def edge_shape(self) -> tuple[int, ...]:
        return (self.n_edge,)

    @property
    def live(self) -> Array:
        senders, receivers = self.sender_index, self.receiver_index
        inside = (receivers >= 0) & (receivers < self.n_receivers) & (senders >= 0) & (senders < self.n_senders)
        return inside if self.mask is None else inside & self.mask

    @property
    def receiver_index(self) -> Array:
        return widen_index(self.receivers)

    @property
    def sender_index(self) -> Array:
        return widen_index(self.senders)

    def sorted(self, *arrays: Array | None) -> tuple["EdgeList", Sequence[Any]]:
        """The same edges sorted by receiver, so that rows are read and added in the order of memory."""
        if self.order is None:
            return self, arrays
        senders, receivers, mask, *others = self.in_order(self.senders, self.receivers, self.mask, *arrays)
        return replace(self, senders=senders, receivers=receivers, mask=mask, order=None, by_sender=None), others

    def in_order(self, *arrays: Array | None) -> Sequence[Any]:
        """Arrays with a row for each edge in the order of the receivers, if it is known; None stays None."""
        if self.order is None:
            return arrays
        return [None if x is None else x.at[self.order].get(mode="promise_in_bounds") for x in arrays]

    def reduce(self, x: Array, op: str = "sum") -> Array:
        if self.depth and self.order is not None:  # long sums are made of parts of sorted edges
            layout, arrays = self.sorted(x)
            return layout.reduce(*arrays, op)
        ids = jnp.where(self.live, self.receiver_index, self.n_receivers)
        return segment_reduce(x, ids, self.n_receivers, op, depth=self.depth)

    def aggregate(self, weights: Array, value: Array) -> Array:
        layout, arrays = self.sorted(weights)
        (weights,) = arrays
        wide = wide_dtype(weights.dtype, value.dtype)
        return layout.reduce(weights.astype(wide)[..., None] * layout.from_senders(value.astype(wide)))

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        senders, receivers, live = self.slots()
        return senders[live], receivers[live]

    def slots(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sender and receiver of every stored edge, int64, and whether it is live. NumPy: nothing is compiled."""
        self.require_concrete()
        senders, receivers = np.asarray(self.senders, np.int64), np.asarray(self.receivers, np.int64)
        live = (receivers >= 0) & (receivers < self.n_receivers) & (senders >= 0) & (senders < self.n_senders)
        return senders, receivers, live if self.mask is None else live & np.asarray(self.mask)

    def temporary_bytes(self, heads: int, head_dim: int, gradients: bool) -> int:
        """Logits of the edges and sums of rows: chunks of edges are read in turn. Compensated sums are kept twice."""
        rows = 4 * heads * head_dim * max(self.n_receivers, self.n_senders)
        halves = 9 if self.depth else 6 if gradients else 1
        return 4 * heads * self.count_slots() + halves * rows // 2

    def data_slots(self) -> int:
        return self.n_edge

    def pad_slots(self, size: int) -> "EdgeList":
        spare = size - self.n_edge
        if not spare:
            return self
        extra = jnp.arange(self.n_edge, size, dtype=jnp.int32)
        longer = [None if x is None else jnp.append(x, extra) for x in (self.order, self.by_sender)]
        mask = None if self.mask is None else jnp.pad(self.mask, (0, spare))
        outside = jnp.pad(self.receiver_index, (0, spare), constant_values=self.n_receivers)
        senders = jnp.pad(self.sender_index, (0, spare))
        return EdgeList(senders, outside, self.n_receivers, self.n_senders, mask, *longer, self.depth)

    def to_edges(self) -> "EdgeList":
        return self


def filled(index: np.ndarray, live: np.ndarray, fill: int) -> np.ndarray:
    """Indices as int32, with `fill` on dead edges and in the padding."""
    if len(index) == len(live) and live.all():
        return index.astype(np.int32)
    result = np.full(len(live), fill, np.int32)
    kept = np.flatnonzero(live)  # the padding is dead
    result[kept] = index[kept]
    return result


def check_simple(edges: EdgeList, name: str) -> None:
    """Raises where a live edge stands twice: a mask cannot count."""
    keys = np.sort(pair_key(*edges.pairs(), edges.n_senders))
    again = keys[1:][keys[1:] == keys[:-1]]
    if len(again):
        receiver, sender = divmod(int(again[0]), max(edges.n_senders, 1))
        raise ValueError(
            f"edge {sender} -> {receiver} stands {int((keys == again[0]).sum())} times, and {name} keeps each edge "
            "once; use EdgeList or Neighbors, which count every copy"
        )
