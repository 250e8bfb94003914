"""Neighbourhoods on the line: windows, dilated windows, learned spans, the chain."""

import math

import jax
import numpy as np

from tgnn.errors import check_segments, check_size
from tgnn.graphs import EdgeList, Window
from tgnn.graphs.layout import is_traced
from tgnn.typing import ArrayLike


def window(n: int, left: int, right: int = 0) -> Window:
    """Everybody sees `left` nodes before and `right` nodes after it, and itself. O(n * (left + right)).

    >>> window(3, 1).adjacency().astype(int).tolist()
    [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    """
    return Window(n, *clip_steps(n, left, right))


def dilated(n: int, left: int, right: int = 0, dilation: int = 2) -> Window:
    """A window that steps by `dilation`: i sees i + dilation * t for -left <= t <= right.

    Reference: Beltagy, Peters and Cohan, Longformer, arXiv:2004.05150, figure 2c.

    >>> dilated(4, 1).adjacency().astype(int).tolist()
    [[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1]]
    """
    dilation = check_size("dilation", dilation, minimum=1)
    return Window(n, *clip_steps(-(-check_size("n", n) // dilation), left, right), dilation=dilation)


def clip_steps(n: int, left: int, right: int) -> tuple[int, int]:
    """No more steps than there are nodes: a window longer than the line costs no more than the line."""
    most = max(check_size("n", n) - 1, 0)
    return min(check_size("left", left), most), min(check_size("right", right), most)


def adaptive_span(n: int, spans: ArrayLike, *, ramp: float = 0.0, multiple: int = 1) -> Window:
    """The causal window that holds the learned span of every head.

    The soft mask min(max((ramp + span - distance) / ramp, 0), 1) is the model's; it is positive for distances below
    `span + ramp`, and those are the edges.

    Args:
        n: number of nodes.
        spans: float, one per head or a single one, at least 0; concrete.
        ramp: width of the soft edge of the mask, at least 0.
        multiple: the number of steps is rounded up to a multiple of it, so that training recompiles rarely.

    Raises:
        ValueError: for negative or non-finite numbers, or no span at all.

    Reference: Sukhbaatar, Grave, Bojanowski and Joulin, Adaptive Attention Span in Transformers, arXiv:1905.07799,
    equations 5 and 6.

    >>> adaptive_span(9, [1.5, 2.0], ramp=2.0).left
    3
    """
    if is_traced(spans) or is_traced(ramp):
        raise ValueError("spans is traced, but it decides how many steps a window has; build the window outside jit")
    reach = np.ravel(np.asarray(spans, float)) + ramp
    if reach.size == 0 or ramp < 0 or not np.isfinite(reach).all() or (reach < ramp).any():
        raise ValueError(f"spans and ramp must be finite and at least 0, got {spans!r} and {ramp!r}; clip them")
    multiple = check_size("multiple", multiple, minimum=1)
    steps = max(math.ceil(reach.max()) - 1, 0)
    return window(n, -(-steps // multiple) * multiple)


@jax.ensure_compile_time_eval()  # static, so that it is known under jit too
def chain(n: int, segments: ArrayLike | None = None, *, reverse: bool = False, n_past: int = 0) -> EdgeList:
    """Each node sees the node before it: the graph of a recurrent network.

    Args:
        n: number of nodes.
        segments: int [n], the sequence of each node, -1 = padding; sequences are not joined. Default one sequence.
            Concrete: they decide how many edges there are.
        reverse: each node sees the node after it.
        n_past: 1 adds a sender `n`, the given state that the chain starts from.

    Raises:
        ValueError: for `n_past` above 1, or with segments, where no single start exists; for segments that are traced
            or not one integer per node.

    >>> chain(3).senders.tolist(), chain(3, reverse=True).senders.tolist()
    ([0, 1], [1, 2])
    """
    n, n_past = check_size("n", n), check_size("n_past", n_past)
    if n_past > 1 or (n_past and segments is not None):
        raise ValueError(f"n_past is {n_past}, but only one chain without segments has one start; pass 0 or one chain")
    keep = np.ones(max(n - 1, 0), bool)
    if segments is not None:
        if is_traced(segments):
            raise ValueError(
                "segments is traced, but it decides how many edges a chain has; build the chain outside jit"
            )
        segments = np.asarray(check_segments("segments", segments, n))
        keep = (segments[1:] == segments[:-1]) & (segments[1:] >= 0)
    before, after = np.flatnonzero(keep), np.flatnonzero(keep) + 1
    senders, receivers = (after, before) if reverse else (before, after)
    if n_past and n:
        senders, receivers = np.append(senders, n), np.append(receivers, n - 1 if reverse else 0)
    return EdgeList.from_edges(senders, receivers, n_receivers=n, n_senders=n + n_past)
