"""EdgeList: a sparse graph given by data, as two index arrays. Every edge counts, duplicates included."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.errors import check_bool, check_edges, check_indices, check_mask, check_size
from tgnn.graphs.layout import Layout, is_traced
from tgnn.softmax import expand, segment_reduce
from tgnn.typing import Array

if TYPE_CHECKING:
    import jraph


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class EdgeList(Layout):
    """A multigraph of `n_edge` edges `senders[e] -> receivers[e]`. O(n_edge) memory.

    An edge is live where `mask` is True and both indices are in range. `order[e]` is the caller's position of edge `e`
    (None: the caller's order is kept); `by_sender` lists the edges sorted by sender, so that a backward pass may sum
    over sorted segments instead of scattering. Build it with `EdgeList.from_edges` or `EdgeList.from_graph`.

    >>> layout = EdgeList.from_edges([0, 1, 1], [2, 2, 0], n_receivers=3)
    >>> layout.receivers.tolist(), layout.order.tolist()
    ([0, 2, 2], [2, 0, 1])
    """

    senders: Array
    receivers: Array
    n_receivers: int = jax.tree.static()  # pyright: ignore
    n_senders: int = jax.tree.static()  # pyright: ignore
    mask: Array | None = None
    order: Array | None = None
    by_sender: Array | None = None

    def __post_init__(self):
        check_bool("mask", self.mask)

    @classmethod
    def from_edges(
        cls, senders, receivers, *, n_receivers: int, n_senders: int | None = None, mask=None, pad_to: int | None = None
    ):
        """Validates edges on the host, sorts them by receiver and remembers the caller's order.

        Args:
          senders: int [n_edge], in [0, n_senders).
          receivers: int [n_edge], in [0, n_receivers).
          n_receivers: number of receivers.
          n_senders: number of senders; default `n_receivers`.
          mask: bool [n_edge], True = keep; indices of masked edges may be anything.
          pad_to: length of the stored arrays; padding edges are dead and stand last in the caller's order, so per-edge
            arrays (bias, edges, edge_value) have `pad_to` rows. Layouts of one bucket share one compiled program.

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
        keep = np.ones(n_edge, bool) if keep is None else keep
        # Dead edges point to receiver `n_receivers`, which does not exist: sorted last, dropped by every sum.
        receivers = np.append(np.where(keep, receivers, n_receivers), np.full(size - n_edge, n_receivers)).astype(
            np.int32
        )
        senders = np.append(np.where(keep, senders, 0), np.zeros(size - n_edge)).astype(np.int32)
        order = np.argsort(receivers, kind="stable").astype(np.int32)
        senders, receivers = senders[order], receivers[order]
        return cls(
            jnp.asarray(senders),
            jnp.asarray(receivers),
            n_receivers,
            n_senders,
            jnp.asarray(np.append(keep, np.zeros(size - n_edge, bool))[order]),
            jnp.asarray(order),
            jnp.asarray(np.argsort(senders, kind="stable").astype(np.int32)),
        )

    @classmethod
    def from_graph(cls, graph: "jraph.GraphsTuple", *, n_nodes: int | None = None, mask: Array | None = None):
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
            if indices is None or not jnp.issubdtype(jnp.asarray(indices).dtype, jnp.integer):
                raise ValueError(f"graph.{name} must be an integer array, got {getattr(indices, 'dtype', indices)}")
        if np.shape(graph.senders) != np.shape(graph.receivers):
            raise ValueError(
                f"graph.senders has shape {np.shape(graph.senders)} but graph.receivers {np.shape(graph.receivers)}; "
                "each edge needs both"
            )
        return cls(jnp.asarray(graph.senders), jnp.asarray(graph.receivers), n_nodes, n_nodes, mask)

    @property
    def n_edge(self) -> int:
        """Number of stored edges, padding included."""
        return self.senders.shape[-1]

    @property
    def edge_shape(self) -> tuple[int, ...]:
        return (self.n_edge,)

    @property
    def live(self) -> Array:
        inside = (self.receivers >= 0) & (self.receivers < self.n_receivers)
        inside &= (self.senders >= 0) & (self.senders < self.n_senders)
        return inside if self.mask is None else inside & self.mask

    @property
    def receiver_index(self) -> Array:
        return self.receivers

    @property
    def sender_index(self) -> Array:
        return self.senders

    def from_receivers(self, x: Array) -> Array:
        return self.gather(x, self.receivers)

    def from_senders(self, x: Array) -> Array:
        return self.gather(x, self.senders)

    def gather(self, x: Array, index: Array) -> Array:
        """Rows of `x` for each edge, zeros for dead ones: never a clamped neighbour, and no gradient through it."""
        if x.shape[0] == 0:
            return jnp.zeros((self.n_edge, *x.shape[1:]), x.dtype)
        rows = jnp.asarray(x).at[jnp.clip(index, 0, x.shape[0] - 1)].get(mode="promise_in_bounds")
        return jnp.where(expand(self.live, rows.ndim), rows, jnp.zeros((), x.dtype))

    def reduce(self, x: Array, op: str = "sum") -> Array:
        return segment_reduce(x, jnp.where(self.live, self.receivers, self.n_receivers), self.n_receivers, op)

    def from_caller(self, x: Array) -> Array:
        check_edges(self, "values of edges", x)
        return x if self.order is None else x[self.order]

    def to_caller(self, x: Array) -> Array:
        return x if self.order is None else jnp.zeros_like(x).at[self.order].set(x, unique_indices=True)

    def own_slots(self, slots: tuple[Array, ...]) -> tuple[Array, ...]:
        if self.order is None:
            return slots
        own = jnp.zeros_like(self.order).at[self.order].set(jnp.arange(self.n_edge), unique_indices=True)
        return (own.at[slots].get(mode="fill", fill_value=self.n_edge),)

    def find(self, senders: Array, receivers: Array) -> tuple[Array, ...]:
        if any(map(is_traced, (senders, receivers, self.senders, self.receivers, self.live))):
            raise ValueError("arrange needs concrete edges for an EdgeList; pass values in the caller's order instead")
        own = np.where(self.live, pair_key(self.senders, self.receivers, self.n_senders), -1)
        position = np.arange(self.n_edge) if self.order is None else np.asarray(self.order)
        found = match(own, pair_key(senders, receivers, self.n_senders))
        return (jnp.asarray(np.where(found < 0, -1, position[found])),)

    def to_edges(self) -> "EdgeList":
        return self


def pair_key(senders, receivers, n_senders: int) -> np.ndarray:
    """One int64 per (receiver, sender) pair."""
    return np.asarray(receivers, np.int64) * max(n_senders, 1) + np.asarray(senders, np.int64)


def match(own: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Position in `own` of each entry of `wanted` (the k-th copy to the k-th copy), -1 where there is none."""

    def copies(keys):  # how many equal entries stand before each
        order = np.argsort(keys, kind="stable")
        start = np.r_[True, keys[order][1:] != keys[order][:-1]]
        position = np.arange(len(keys))
        rank = np.empty_like(position)
        rank[order] = position - np.maximum.accumulate(np.where(start, position, 0))
        return rank

    if not len(own) or not len(wanted):
        return np.full(len(wanted), -1)
    table = {
        pair: slot for slot, pair in enumerate(zip(own.tolist(), copies(own).tolist(), strict=True)) if pair[0] >= 0
    }
    return np.array([table.get(pair, -1) for pair in zip(wanted.tolist(), copies(wanted).tolist(), strict=True)])


def check_simple(edges: EdgeList, name: str) -> None:
    """Raises where a live edge stands twice: a mask cannot count."""
    live = np.asarray(edges.live)
    keys = pair_key(edges.senders, edges.receivers, edges.n_senders)[live]
    unique, counts = np.unique(keys, return_counts=True)
    if (counts > 1).any():
        receiver, sender = divmod(int(unique[counts.argmax()]), max(edges.n_senders, 1))
        raise ValueError(
            f"edge {sender} -> {receiver} stands {counts.max()} times, and {name} keeps each edge once; "
            "use EdgeList or Neighbors, which count every copy"
        )
