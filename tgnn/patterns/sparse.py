"""Strided and fixed patterns: two steps of sqrt(n) edges instead of one of n.

Reference: Child, Gray, Radford and Sutskever, Generating Long Sequences with Sparse Transformers, arXiv:1904.10509,
section 4.3. Each pattern is the union of two parts; the paper gives them to different heads or layers, or merges them.
The parts have layouts of their own, the union is an edge list.
"""

import jax
import numpy as np

from tgnn.errors import check_size
from tgnn.graphs import Blocks, EdgeList, Layout, Window
from tgnn.patterns.tiles import band_tiles, blocks_where, n_row
from tgnn.patterns.windows import dilated, window


def strided(n: int, stride: int) -> Layout:
    """Everybody sees the last `stride` nodes, and every `stride`-th node of the past. O(n * (stride + n / stride)).

    >>> strided(5, 2).adjacency()[4].astype(int).tolist()
    [1, 0, 1, 1, 1]
    """
    recent, periodic = strided_parts(n, stride)
    return recent | periodic


def strided_parts(n: int, stride: int) -> tuple[Window, Window]:
    """The two parts of `strided`: the last `stride` nodes, and the nodes whose distance is a multiple of `stride`."""
    n, stride = check_size("n", n), check_size("stride", stride, minimum=1)
    return window(n, stride), dilated(n, n // stride, dilation=stride)


@jax.ensure_compile_time_eval()  # static, so that it is known under jit too
def fixed(n: int, stride: int, summary: int = 1) -> Layout:
    """Everybody sees the past of its own stretch of `stride` nodes, and the last `summary` nodes of every stretch.

    O(n * (stride + summary * n / stride)), least at a stride near the square root of n.

    >>> fixed(5, 2).adjacency()[4].astype(int).tolist()
    [0, 1, 0, 1, 1]
    """
    local, summaries = fixed_parts(n, stride, summary)
    return local | summaries


@jax.ensure_compile_time_eval()  # static, so that it is known under jit too
def fixed_parts(n: int, stride: int, summary: int = 1) -> tuple[Blocks, EdgeList]:
    """The two parts of `fixed`: the past within one's stretch, and the past among the summary nodes.

    O(n * stride) and O(n * summary * n / stride), which is n ** 2 / 2 edges at `summary == stride`.

    Args:
        n: number of nodes.
        stride: length of a stretch.
        summary: how many nodes at the end of each stretch everybody later sees.

    Raises:
        ValueError: for a summary longer than the stretch.
    """
    n, stride = check_size("n", n), check_size("stride", stride, minimum=1)
    summary = check_size("summary", summary)
    if summary > stride:
        raise ValueError(f"summary is {summary}, but a stretch has {stride} nodes; choose at most that")
    block = min(stride, max(n, 1))
    local = blocks_where(n, block, band_tiles(n_row(n, block), 0), lambda receivers, senders: senders <= receivers)
    index = np.arange(n)
    seen = index[index % stride >= stride - summary]
    senders = np.repeat(seen, n - seen)  # node s is seen by s, s + 1, ..., n - 1
    receivers = senders + np.arange(len(senders)) - np.repeat(np.cumsum(n - seen) - (n - seen), n - seen)
    return local, EdgeList.from_edges(senders, receivers, n_receivers=n)
