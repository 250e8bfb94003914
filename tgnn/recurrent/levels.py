"""Schedules: the nodes of a directed acyclic graph on levels, so that a level needs only earlier ones. Host side."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.errors import as_index, check_mask, check_size, widen_index
from tgnn.graphs import Layout
from tgnn.graphs.host import stable_order
from tgnn.graphs.interop import as_layout, live_edges
from tgnn.printing import one_line
from tgnn.pytrees import register
from tgnn.typing import Array, ArrayLike, Graph

ROWS_OF_A_STEP = 32  # a step of the scan costs about as much as this many more rows in each: it weighs width and steps


@register
@dataclass(frozen=True)
class Levels:
    """Which nodes each step computes and from which senders. Indices out of range are slots without a node.

    Attributes:
        nodes: int32 [n_step, width].
        senders: int32 [n_step, width, arity]; `n_node` and above are given states.
        n_node: number of nodes.
        n_given: number of given states.
        columns: int32 [n_step, width, arity], where nodes have one sender at most and each sender is a node of the step
            before: its column there, `width` and above are given states. Then the scan carries one step, not all nodes,
            and a chain of n nodes costs O(n) in the backward pass too.
    """

    nodes: Array
    senders: Array
    n_node: int = jax.tree.static()  # pyright: ignore
    n_given: int = jax.tree.static(default=0)  # pyright: ignore
    columns: Array | None = None

    __repr__ = one_line


def schedule(
    layout: Graph,
    *,
    mask: np.ndarray | None = None,
    slots: np.ndarray | None = None,
    n_step: int | None = None,
    width: int | None = None,
    arity: int | None = None,
) -> Levels:
    """Puts the nodes of a directed acyclic graph on levels. Host side, O(n_node + n_edge).

    Args:
        layout: concrete. Its receivers are the nodes; senders from `n_receivers` on are states that are given. It may
            not list an edge that closes a cycle.
        mask: bool [n_node], False = padding, which is not computed and keeps a state of zeros.
        slots: int [n_edge], in the caller's order of the edges: which of its receiver's `arity` senders each one is;
            for cells that tell them apart. Default: in the caller's order.
        n_step: number of steps, padded; default as many as needed. With `width` and `arity` too, all schedules of a
            bucket share one compiled program.
        width: most nodes of a step; default what promises to run fastest. Wider levels take several steps.
        arity: most senders of a node, padded; default as many as needed.

    Raises:
        ValueError: for a cycle, a masked sender, two edges in one slot, or sizes that are too small.

    >>> from tgnn.graphs import EdgeList
    >>> schedule(EdgeList.from_edges([0, 1], [2, 2], n_receivers=3), width=2).nodes.tolist()
    [[0, 1], [2, 6]]
    """
    layout = as_layout(layout)
    n_node = layout.n_receivers
    senders, receivers = live_edges(layout)  # [n_edge] each
    mask = np.ones(n_node, bool) if mask is None else check_mask("mask", mask, (n_node,))
    senders, receivers = widen_index(senders), widen_index(receivers)
    check_real(senders, receivers, mask)
    levels = [level[mask[level]] for level in find_levels(senders, receivers, n_node)]
    levels = [level for level in levels if len(level)]
    sizes = np.array([len(level) for level in levels], int)
    width = best_width(sizes) if width is None else check_size("width", width, minimum=1)
    steps = [level[start : start + width] for level in levels for start in range(0, len(level), width)]
    n_step = len(steps) if n_step is None else check_size("n_step", n_step)
    if n_step < len(steps):
        raise ValueError(f"n_step is {n_step}, but this graph needs {len(steps)} steps of width {width}; raise one")
    table = sender_table(senders, receivers, slots, arity, layout)
    nodes = n_node + np.arange(n_step * width, dtype=np.int32).reshape(n_step, width)  # out of range, all different
    for row, step in zip(nodes, steps, strict=False):
        row[: len(step)] = step
    by_slot = table[np.minimum(nodes, n_node)]  # the last row of the table has no senders
    columns = find_columns(nodes, by_slot, n_node, layout.n_senders)
    return Levels(jnp.asarray(nodes), jnp.asarray(by_slot), n_node, layout.n_senders - n_node, columns)


def find_columns(nodes: np.ndarray, senders: np.ndarray, n_node: int, n_senders: int) -> Array | None:
    """The columns of the senders in the step before, or None where some stand elsewhere."""
    n_step, width = nodes.shape
    if senders.shape[-1] > 1:
        return None
    step, column = np.full(n_senders + 1, -1), np.full(n_senders + 1, width + n_senders)  # the last one is nobody
    real = nodes < n_node
    step[nodes[real]], column[nodes[real]] = np.nonzero(real)
    column[n_node:n_senders] = width + np.arange(n_senders - n_node)
    inner = senders < n_node
    if (inner & (step[senders] != np.arange(n_step)[:, None, None] - 1)).any():
        return None
    return jnp.asarray(column[senders].astype(np.int32))


def check_real(senders: np.ndarray, receivers: np.ndarray, mask: np.ndarray) -> None:
    """A ValueError where a real node would need a padding node."""
    inner = senders < len(mask)
    lost = inner & ~mask[np.where(inner, senders, 0)] & mask[receivers] if len(mask) else inner
    if lost.any():
        raise ValueError(
            f"node {receivers[lost.argmax()]} needs the state of node {senders[lost.argmax()]}, which mask leaves out; "
            "mask whole graphs, or remove the edge"
        )


def find_levels(senders: np.ndarray, receivers: np.ndarray, n_node: int) -> list[np.ndarray]:
    """Nodes by the length of the longest path to them."""
    inner = senders < n_node
    senders, receivers = senders[inner], receivers[inner]
    order = stable_order(senders)
    targets, first = receivers[order].tolist(), np.searchsorted(senders[order], np.arange(n_node + 1)).tolist()
    waiting = np.bincount(receivers, minlength=n_node)
    level = np.flatnonzero(waiting == 0).tolist()
    waiting, levels, done = waiting.tolist(), [], 0
    while level:
        levels.append(np.array(level))
        done += len(level)
        following = []
        for node in level:
            for target in targets[first[node] : first[node + 1]]:
                waiting[target] -= 1
                if waiting[target] == 0:
                    following.append(target)
        level = following
    if done < n_node:
        stuck = next(node for node in range(n_node) if waiting[node] > 0)
        raise ValueError(f"layout has a cycle on the way to node {stuck}, but propagation needs none; remove an edge")
    return levels


def best_width(sizes: np.ndarray) -> int:
    """The width with the least steps * (width + ROWS_OF_A_STEP)."""
    widths = np.unique(sizes)
    costs = [np.ceil(sizes / width).sum() * (width + ROWS_OF_A_STEP) for width in widths]
    return int(widths[np.argmin(costs)]) if len(widths) else 1


def sender_table(
    senders: np.ndarray, receivers: np.ndarray, slots: ArrayLike | None, arity: int | None, layout: Layout
) -> np.ndarray:
    """The senders of each node: int32 [n_node + 1, arity], a number out of range where there is none."""
    order = stable_order(receivers)
    senders, receivers = senders[order], receivers[order]
    if slots is None:
        slots = np.arange(len(receivers)) - np.searchsorted(receivers, receivers)
    else:
        slots = np.asarray(as_index("slots", slots))
        if slots.shape != senders.shape:
            raise ValueError(
                f"slots must be integers of shape {senders.shape}, one per live edge, got {slots.shape}; "
                "number the senders of each node from 0"
            )
        slots = slots[order]
    most = int(slots.max(initial=-1)) + 1
    arity = most if arity is None else check_size("arity", arity)
    if most > arity or slots.min(initial=0) < 0:
        raise ValueError(f"arity is {arity}, but senders stand in slots {slots.min()} to {slots.max()}; raise it")
    nobody = layout.n_senders
    table = np.full((layout.n_receivers + 1, arity), nobody, np.int32)
    table[receivers, slots] = senders
    if (table != nobody).sum() < len(senders):
        raise ValueError("slots puts two senders of one node into one slot; number them from 0")
    return table


def as_levels(graph: Graph | Levels) -> Levels:
    """A schedule as it is, or that of a concrete layout."""
    return graph if isinstance(graph, Levels) else schedule(graph)
