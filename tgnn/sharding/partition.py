"""A graph in parts: each has some nodes and all edges into them, and lists what its neighbours need of it.

Built on the host once. All shapes are those of the largest part, so that one program runs on every device.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.errors import check_size, is_integer
from tgnn.graphs.edge_list import EdgeList
from tgnn.graphs.host import stable_order
from tgnn.graphs.interop import as_layout
from tgnn.graphs.padding import stack
from tgnn.printing import one_line
from tgnn.pytrees import register
from tgnn.typing import Array, ArrayLike, Graph


@register
@dataclass(frozen=True)
class Partition:
    """What `partition_nodes` makes; the first axis of its arrays is that of the parts.

    A device of the axis sends rows to those that are `hops` further, and reads its own rows followed by what came in.

    Attributes:
      layout: the edges into each part, its senders renumbered: own rows first, then those of every hop.
      nodes: int [parts, n_local], the caller's number of each row; `n_nodes` where there is none.
      senders: int [parts, n_senders], the caller's number of each row that the edges may read.
      sends: for each hop the rows that are sent, int [parts, rows].
      edges: int [parts, n_edge of a part], the caller's number of each edge; out of range where there is none.
      place: int [n_nodes], the row of each of the caller's nodes among those of all parts.
      hops: how far each hop goes.
      n_cut: rows that edges read on another device than their own.
    """

    layout: EdgeList
    nodes: Array
    senders: Array
    sends: tuple[Array, ...]
    edges: Array
    place: Array
    hops: tuple[int, ...] = jax.tree.static()  # pyright: ignore
    n_cut: int = jax.tree.static()  # pyright: ignore

    __repr__ = one_line

    @property
    def n_sent(self) -> int:
        """Rows that all devices send to others: `n_cut`, and what fills the lists of the other devices up."""
        return sum(x.size for x in self.sends)

    def pack(self, x: Array) -> Array:
        """Rows of nodes in the caller's order, [n_nodes, ...], part by part: [parts * n_local, ...], 0 for none."""
        return jnp.asarray(x).at[self.nodes.reshape(-1)].get(mode="fill", fill_value=0)

    def unpack(self, x: Array) -> Array:
        """The inverse of `pack`."""
        return jnp.asarray(x)[self.place]

    def pack_edges(self, x: Array) -> Array:
        """Rows of edges in the caller's order, [n_edge, ...], part by part: [parts, n_edge of a part, ...]."""
        return jnp.asarray(x).at[self.edges].get(mode="fill", fill_value=0)


def partition_nodes(layout: Graph, parts: int, owner: ArrayLike | None = None) -> Partition:
    """Cuts a graph on one set of nodes into parts, one for each device of an axis.

    Args:
      layout: any layout with as many receivers as senders, or a GraphsTuple, outside of jit. Edges are numbered as
        those of `layout.to_edges()`.
      parts: how many.
      owner: int [n_nodes], the part of each node; default equal shares of neighbouring numbers, for which
        `tgnn.reorder` finds a good order.

    Raises:
      ValueError: for traced or bipartite layouts, and owners out of range.

    >>> from tgnn import Window
    >>> ring = partition_nodes(Window(12, 1, 1), 4)
    >>> ring.hops, ring.n_cut, ring.layout.n_senders
    ((1, 3), 6, 5)
    """
    edges = as_layout(layout).to_edges()
    edges.require_concrete()
    n, parts = edges.n_receivers, check_size("parts", parts)
    if n != edges.n_senders or not parts:
        raise ValueError(
            f"layout must be on one set of nodes, got {n} receivers and {edges.n_senders} senders for {parts} parts; "
            "use attend_edges for other graphs"
        )
    owner = np.arange(n) // max(-(-n // parts), 1) if owner is None else np.asarray(owner)
    if owner.shape != (n,) or ((owner < 0) | (owner >= parts)).any() or not is_integer(owner.dtype):
        raise ValueError(f"owner must be [{n}] parts in [0, {parts}), got {owner.dtype} of shape {owner.shape}")
    owner = owner.astype(np.int64)  # a caller's small type could not hold numbers of nodes
    most, local = rank(owner, parts)
    nodes = np.full((parts, most), n)
    nodes[owner, local] = np.arange(n)

    live = np.flatnonzero(np.asarray(edges.live))
    senders, receivers = (np.asarray(x, np.int64)[live] for x in (edges.senders, edges.receivers))
    reader = owner[receivers]  # the part of each edge
    cut = reader != owner[senders]
    wanted, which = np.unique(reader[cut] * n + senders[cut], return_inverse=True)  # rows to send, each once a reader
    to, node = np.divmod(wanted, max(n, 1))
    hop = (to - owner[node]) % parts
    hops, column, sends, tables = [], np.zeros(len(wanted), np.int64), [], [nodes]
    first = most
    for step in np.unique(hop):
        mine = np.flatnonzero(hop == step)
        rows, slot = rank(to[mine], parts)
        column[mine] = first + slot
        table, sent = np.full((parts, rows), n), np.zeros((parts, rows), np.int32)
        table[to[mine], slot] = node[mine]
        sent[owner[node[mine]], slot] = local[node[mine]]
        hops.append(int(step))
        sends.append(jnp.asarray(sent))
        tables.append(table)
        first += rows
    column_of_edge = local[senders]
    column_of_edge[cut] = column[which]

    size, slot = rank(reader, parts)
    numbers = np.full((parts, size), edges.n_edge)
    numbers[reader, slot] = live
    filled = np.zeros((3, parts, size), np.int64)
    filled[:, reader, slot] = column_of_edge, local[receivers], np.ones(len(live))
    sizes = {"n_receivers": most, "n_senders": first}
    lists = [EdgeList.from_edges(s, r, mask=x > 0, **sizes) for s, r, x in zip(*filled, strict=True)]
    index = (jnp.asarray(x, jnp.int32) for x in (nodes, np.concatenate(tables, axis=1)))
    place = jnp.asarray(owner * most + local, jnp.int32)
    numbers = jnp.asarray(numbers, jnp.int32)
    return Partition(stack(lists), *index, tuple(sends), numbers, place, tuple(hops), len(wanted))  # pyright: ignore


def rank(group: np.ndarray, count: int) -> tuple[int, np.ndarray]:
    """The size of the largest group, and the place of each entry within its own, in their order."""
    order, sizes = stable_order(group), np.bincount(group, minlength=count)
    place = np.empty(len(group), np.int64)
    place[order] = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return int(sizes.max(initial=0)), place
