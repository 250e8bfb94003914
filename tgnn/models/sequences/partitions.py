"""Binary partitions of several sequences side by side: the graphs of the BP-Transformer."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.errors import check_size
from tgnn.graphs import EdgeList
from tgnn.patterns.partition import partition_edges, spans
from tgnn.printing import one_line
from tgnn.pytrees import register
from tgnn.typing import Array, Params


@register
@dataclass(frozen=True)
class Partition:
    """Binary trees over sequences, side by side.

    Attributes:
        layout: edges between tokens and spans.
        relation: int `[n_edge]`, the place of the sender in the receiver's tree; see `tgnn.patterns.relations`.
        tokens: int `[n_token]`, the node of each token, sequence after sequence; `n_node` in the padding.
        roots: int `[n_sequence]`, the node that spans each sequence.
        n_relation: how many places the trees may have; the parameters need a vector for each.
    """

    layout: EdgeList
    relation: Array
    tokens: Array
    roots: Array
    n_relation: int = jax.tree.static()  # pyright: ignore

    __repr__ = one_line


@jax.ensure_compile_time_eval()  # static, so that it is known under jit too
def partition(
    lengths: Sequence[int],
    k: int = 4,
    *,
    causal: bool = False,
    n_token: int | None = None,
    n_node: int | None = None,
    n_edge: int | None = None,
    max_length: int | None = None,
) -> Partition:
    """The disjoint union of the binary partitions of sequences. Host side, O(n k log n).

    Args:
        lengths: of the sequences, at least 1 each.
        k: see `tgnn.patterns.binary_partition`.
        causal: a token sees only the past.
        n_token: padded number of tokens; default as many as there are.
        n_node: padded number of nodes.
        n_edge: padded number of edges.
        max_length: that of the parameters; default the longest of these sequences. With all four, the partitions of a
            bucket share one compiled program.

    Raises:
        ValueError: for an empty sequence, or a number that is too small.

    >>> graph = partition([2, 1], k=1)
    >>> graph.tokens.tolist(), graph.roots.tolist()
    ([0, 1, 3], [2, 3])
    """
    if any(length < 1 for length in lengths):
        raise ValueError(f"lengths must be at least 1, got {min(lengths)}; leave empty sequences out")
    longest = max(lengths, default=1)
    max_length = check_size("max_length", longest if max_length is None else max_length, minimum=longest)
    parts = [(short if length <= 256 else edges_of)(length, k, causal) for length in lengths]
    starts = np.cumsum([0] + [part[3] for part in parts])
    empty = np.zeros(0, np.int64)
    senders, receivers = (
        np.concatenate([empty, *(part[i] + start for part, start in zip(parts, starts, strict=False))]) for i in (0, 1)
    )
    relation = np.concatenate([empty, *(part[2] for part in parts)])
    tokens = np.concatenate([empty, *(start + np.arange(n) for n, start in zip(lengths, starts, strict=False))])
    n_node = int(starts[-1]) if n_node is None else n_node
    n_token = len(tokens) if n_token is None else n_token
    if n_node < starts[-1] or n_token < len(tokens):
        raise ValueError(
            f"the sequences have {len(tokens)} tokens and {starts[-1]} nodes, more than n_token {n_token} or n_node "
            f"{n_node}; raise them"
        )
    layout = EdgeList.from_edges(senders, receivers, n_receivers=n_node, pad_to=n_edge)
    relation = np.append(relation, np.zeros(layout.n_edge - len(relation), int))
    return Partition(
        layout,
        jnp.asarray(relation.astype(np.int32)),
        jnp.asarray(np.append(tokens, np.full(n_token - len(tokens), n_node)).astype(np.int32)),
        jnp.asarray((starts[1:] - 1).astype(np.int32)),
        count_relations(max_length, k),
    )


def count_relations(max_length: int, k: int) -> int:
    """Places in the tree of the longest sequence."""
    return (2 * k + 1) * ((max_length - 1).bit_length() + 1)


def edges_of(length: int, k: int, causal: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Senders, receivers, relations and the number of nodes of one sequence."""
    return *partition_edges(length, k, causal), len(spans(length))


short = functools.lru_cache(maxsize=256)(edges_of)  # batches of sentences have the same few lengths again and again


def check_relations(blocks: Params | list[Params], graph: Partition) -> None:
    """A vector for each place in the trees: those beyond the table would have none."""
    if not isinstance(graph, Partition):
        raise ValueError(f"graph must be a Partition, got {type(graph).__name__}; make it with partition(lengths, k)")
    stacked = isinstance(blocks, dict)
    table = (blocks if stacked else blocks[0])["attention"]["relation"]
    n_relation = table.shape[1 if stacked else 0]
    if graph.n_relation > n_relation:
        raise ValueError(
            f"graph tells {graph.n_relation} places apart, but params have vectors for {n_relation}; initialise them "
            "with the k of the partition and with max_length the longest sequence"
        )
