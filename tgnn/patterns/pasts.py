"""Everything, the past, a prefix, documents, memories: graphs that are rules on whole rows."""

import jax.numpy as jnp

from tgnn.errors import check_segments, check_size
from tgnn.graphs import Causal, Complete, Window
from tgnn.graphs.layout import is_traced
from tgnn.graphs.prefix import Prefix
from tgnn.typing import Array


def complete(n: int, n_senders: int | None = None) -> Complete:
    """Everybody sees everybody: the Transformer encoder. n * n edges, none stored.

    >>> complete(2).adjacency().astype(int).tolist()
    [[1, 1], [1, 1]]
    """
    return Complete(n, n_senders)


def causal(n: int) -> Causal:
    """Everybody sees the past and itself: the language model. n * (n + 1) / 2 edges, none stored.

    >>> causal(2).adjacency().astype(int).tolist()
    [[1, 0], [1, 1]]
    """
    return Causal(n)


def prefix(n: int, length: Array | int) -> Prefix:
    """Everybody sees the first `length` nodes, the past and itself: the prefix language model.

    Args:
        n: number of nodes.
        length: at least 0; may exceed n and may be traced.

    Raises:
        ValueError: for a negative length that is known, or one that is no single integer.

    Reference: Raffel et al., Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer,
    arXiv:1910.10683, figure 4.
    """
    if isinstance(length, Array) and (length.ndim or not jnp.issubdtype(length.dtype, jnp.integer)):
        raise ValueError(
            f"length must be a single integer, got {length.dtype} of shape {length.shape}; cast it, "
            "and use jax.vmap for a batch"
        )
    if not is_traced(length):
        return Prefix(n, check_size("length", length))
    length = jnp.asarray(length)
    most = min(check_size("n", n), int(jnp.iinfo(length.dtype).max))  # more is no more, and may not fit into int32
    return Prefix(n, jnp.minimum(length, jnp.asarray(most, length.dtype)).astype(jnp.int32))


def document(n: int, segments: Array, *, causal: bool = False) -> Complete | Causal:
    """Nodes see each other within a document: packed texts, as one graph.

    Args:
        n: number of nodes.
        segments: int [n], the document of each node, -1 = padding; may be traced.
        causal: whether nodes see only the past of their document.

    Raises:
        ValueError: unless there is one integer per node.

    >>> document(3, [0, 0, 1]).adjacency().astype(int).tolist()
    [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    """
    whole = Causal(n) if causal else Complete(n)
    return whole.with_segments(check_segments("segments", segments, n))


def memory(n: int, n_memory: int) -> Complete:
    """Everybody sees `n_memory` memory slots and everybody: senders are the slots, then the n nodes.

    >>> memory(1, 2).adjacency().astype(int).tolist()
    [[1, 1, 1]]
    """
    return Complete(n, check_size("n_memory", n_memory) + check_size("n", n))


def cached_past(n: int, n_past: int, span: int | None = None) -> Causal | Window:
    """Everybody sees its past, which began `n_past` nodes ago: senders are the cache, then the n nodes.

    Args:
        n: number of nodes.
        n_past: number of cached senders.
        span: how many steps back anybody sees; default all. More than all are cut to all.

    Reference: Dai et al., Transformer-XL, arXiv:1901.02860, section 3.2; `span=n_past` gives each node a past of one
    length.

    >>> cached_past(2, 1).adjacency().astype(int).tolist()
    [[1, 1, 0], [1, 1, 1]]
    """
    n, n_past = check_size("n", n), check_size("n_past", n_past)
    if span is None:
        return Causal(n, n_senders=n_past + n, offset=n_past)
    span = min(check_size("span", span), max(n_past + n - 1, 0))
    return Window(n, span, 0, n_senders=n_past + n, offset=n_past)
