"""What attention on a layout costs: predicted bytes, floating-point operations and temporary memory."""

from typing import NamedTuple

from tgnn.graphs.layout import Layout


class Cost(NamedTuple):
    """Lower bounds of what must be moved and computed, for one call of `attend`.

    Attributes:
      edges: live edges.
      slots: places for an edge that the layout computes, dead ones included.
      bytes: read and written. Sparse layouts read a key and a value row for every edge, contractions every row once.
      flops: of the two products (five more with gradients); a multiplication and an addition are two.
      memory: largest temporaries of the execution, without its inputs and outputs.
    """

    edges: int
    slots: int
    bytes: int
    flops: int
    memory: int


def cost(layout: Layout, heads: int = 8, head_dim: int = 64, *, gradients: bool = True, itemsize: int = 4) -> Cost:
    """The cost of `attend`, with equal numbers of heads and sizes of query, key and value. The layout tells the facts.

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
    edges, slots = layout.count_edges(), layout.count_slots()
    row = heads * head_dim * itemsize
    n, m = layout.n_receivers, layout.n_senders
    # A gradient reads query, output and its gradient, and writes query's; keys, values and theirs likewise.
    nodes = row * ((6 if gradients else 2) * n + (6 if gradients else 2) * m)
    if layout.stored.reads_rows:
        # Each edge reads both rows, again in the backward pass, and there adds to both gradients (read and write).
        moved = slots * (row * (8 if gradients else 2) + 8) + nodes - 2 * row * m
    else:
        moved = nodes
    flops = 2 * slots * heads * head_dim * (7 if gradients else 2)
    return Cost(edges, slots, moved, flops, layout.temporary_bytes(heads, head_dim, gradients))
