"""What attention on a layout costs: predicted bytes, floating-point operations and temporary memory."""

import math
from typing import NamedTuple

import numpy as np

from tgnn.graphs import Blocks, Causal, Dense, EdgeList, Layout, Neighbors, Prefix, Window
from tgnn.graphs.dense import DenseLike
from tgnn.graphs.layout import is_traced


class Cost(NamedTuple):
    """Lower bounds of what must be moved and computed, for one call of `attend`.

    Attributes:
      edges: live edges.
      slots: places for an edge that the layout computes, dead ones included.
      bytes: read and written. Sparse layouts read a key and a value row for every edge, contractions every row once.
      flops: of the two products (five more with gradients); a multiplication and an addition are two.
      memory: largest temporaries of the fused execution, without its inputs and outputs.
    """

    edges: int
    slots: int
    bytes: int
    flops: int
    memory: int


def cost(layout: Layout, heads: int = 8, head_dim: int = 64, *, gradients: bool = True, itemsize: int = 4) -> Cost:
    """The cost of `attend`, with equal numbers of heads and sizes of query, key and value.

    Args:
      layout: concrete, or traced, where every slot is counted as an edge.
      heads: of query, key and value.
      head_dim: numbers per head.
      gradients: whether the gradients of query, key and value are computed as well.
      itemsize: bytes of a number.

    >>> from tgnn.graphs import Complete
    >>> cost(Complete(4), heads=1, head_dim=2, gradients=False).flops
    128
    """
    edges, slots = count_edges(layout), count_slots(layout)
    row = heads * head_dim * itemsize
    n, m = layout.n_receivers, layout.n_senders
    # A gradient reads query, output and its gradient, and writes query's; keys, values and theirs likewise.
    nodes = row * ((6 if gradients else 2) * n + (6 if gradients else 2) * m)
    if is_indexed(layout):
        # Each edge reads both rows, again in the backward pass, and there adds to both gradients (read and write).
        moved = slots * (row * (8 if gradients else 2) + 8) + nodes - 2 * row * m
    else:
        moved = nodes
    flops = 2 * slots * heads * head_dim * (7 if gradients else 2)
    return Cost(edges, slots, moved, flops, temporary_bytes(layout, heads, head_dim, slots, gradients))


def is_indexed(layout: Layout) -> bool:
    """True where every edge gathers rows of its own, False for contractions."""
    return isinstance(layout, EdgeList | Neighbors)


def count_slots(layout: Layout) -> int:
    """Slots that are computed. A causal graph skips the tiles above its diagonal, behind its prefix if it has one."""
    return count_edges(layout) if isinstance(layout, Causal | Prefix) else math.prod(layout.edge_shape)


def count_edges(layout: Layout) -> int:
    """Live edges; every slot where their number is only known under jit."""
    if isinstance(layout, Causal) and layout.receiver_segments is None and not is_traced(layout.offset):
        seen = np.arange(layout.n_receivers, dtype=np.int64) + int(layout.offset) + 1
        return int(np.clip(seen, 0, layout.n_senders).sum())
    if isinstance(layout, Prefix) and layout.receiver_segments is None and not is_traced(layout.prefix):
        seen = np.maximum(np.arange(layout.n_receivers, dtype=np.int64) + 1, int(layout.prefix))
        return int(np.clip(seen, 0, layout.n_senders).sum())
    if isinstance(layout, Window) and layout.receiver_segments is None and not is_traced(layout.offset):
        steps = np.arange(-layout.left, layout.right + 1) * layout.dilation + int(layout.offset)
        first, last = np.maximum(0, -steps), np.minimum(layout.n, layout.n_senders - steps)
        return int(np.maximum(last - first, 0).sum())
    live = layout.live
    return math.prod(layout.edge_shape) if live is None or is_traced(live) else int(np.asarray(live).sum())


def temporary_bytes(layout: Layout, heads: int, head_dim: int, slots: int, gradients: bool) -> int:
    """Of the fused execution: logits of edge lists and sums of rows; tiles and sums elsewhere."""
    rows = 4 * heads * head_dim
    if isinstance(layout, EdgeList):
        sums = (3 if gradients else 1) * rows * max(layout.n_receivers, layout.n_senders)
        return 4 * heads * slots + sums
    if isinstance(layout, Neighbors):
        return (3 if gradients else 2) * slots * (rows + 4 * heads)
    tile = 2**20 * 4 if isinstance(layout, DenseLike | Dense) else layout.edge_shape[1] * layout.edge_shape[2] * 4
    padded = rows * 3 * max(layout.n_receivers, layout.n_senders) if isinstance(layout, Blocks | Window) else 0
    return 2 * tile * (heads if isinstance(layout, Blocks) else 1) + padded * (2 if gradients else 1)
