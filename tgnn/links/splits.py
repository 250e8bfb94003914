"""The edges of a graph in three parts, so that nothing of a held-out link is left in the graph that messages see."""

from typing import NamedTuple

import jraph
import numpy as np

from tgnn.errors import check_size
from tgnn.graphs import EdgeList, Layout
from tgnn.graphs.host import pair_key
from tgnn.graphs.interop import as_layout, is_bipartite, live_edges
from tgnn.links.negatives import NonEdges, sample_pairs


class Pairs(NamedTuple):
    """Pairs of nodes, int32 [n] each."""

    senders: np.ndarray
    receivers: np.ndarray


class LinkSplit(NamedTuple):
    """A graph to send messages on, and links to learn and to be asked for.

    Attributes:
        graph: the edges of the training links, in the order and directions of the given graph, with their copies, and
            its self-loops; on all of its nodes.
        kept: int64, which of the given graph's edges these are, counted with masked ones in the caller's order:
            `edges[kept]` are their features. Of layouts with more axes of edges it counts their slots, row by row.
        train: links that are edges of `graph`.
        validation: links that are not.
        test: likewise.
        validation_negatives: as many pairs that are no edges of the given graph.
        test_negatives: likewise, others.
    """

    graph: EdgeList
    kept: np.ndarray
    train: Pairs
    validation: Pairs
    test: Pairs
    validation_negatives: Pairs
    test_negatives: Pairs


def split_edges(
    graph: Layout | jraph.GraphsTuple,
    *,
    validation: float = 0.05,
    test: float = 0.1,
    directed: bool = False,
    bipartite: bool | None = None,
    seed: int = 0,
) -> LinkSplit:
    """Divides links at random into three parts. Host side, O(n_edge log n_edge).

    A link is a pair of nodes with all of its copies and, unless the graph is bipartite, the edges of the other
    direction: what is held out in one direction is in no part in the other. A self-loop is no link and stays.

    Args:
        graph: any layout with concrete edges, or a graph.
        validation: share of the links in [0, 1); rounded down.
        test: likewise. The defaults are VGAE's.
        directed: whether an edge and its reverse are two links. They are in one part even so. A bipartite graph
            has no other kind.
        bipartite: whether senders and receivers are two sets of nodes, such as items and users, between which no edge
            is the reverse of another or a self-loop. Default: where their numbers differ; say it where they may be
            equal.
        seed: of the parts and of the negatives.

    Returns:
        A `LinkSplit`. Of undirected links each stands once, the smaller node first.

    Raises:
        ValueError: a share is out of range, both leave nothing to train on, there are fewer pairs without an edge than
            negatives, or `bipartite` is False for numbers that differ.

    Reference: Kipf and Welling, Variational Graph Auto-Encoders, arXiv:1611.07308, section 3: 5 and 10 % of the edges,
        and as many negatives, drawn from the pairs that no part connects.

    >>> ring = EdgeList.from_edges([0, 1, 2, 3, 4, 0], [1, 2, 3, 4, 0, 4], n_receivers=5)
    >>> parts = split_edges(ring, validation=0.2, test=0.2)
    >>> len(parts.train.senders), len(parts.validation.senders), len(parts.test.senders)
    (3, 1, 1)
    """
    layout = as_layout(graph)
    senders, receivers = live_edges(layout)
    bipartite = is_bipartite(layout, bipartite)
    for name, share in (("validation", validation), ("test", test)):
        if not 0.0 <= share < 1.0:
            raise ValueError(f"{name} must be a share in [0, 1), got {share}; 0.1 is usual")
    if validation + test >= 1.0:
        raise ValueError(f"validation and test are {validation + test:g} of the links; leave some to train on")
    ends = (senders, receivers) if bipartite else (np.minimum(senders, receivers), np.maximum(senders, receivers))
    is_link = np.ones(len(senders), bool) if bipartite else senders != receivers
    # Both directions and all copies of a link are one group, and a group is in one part.
    keys, group = np.unique(pair_key(*ends, layout.n_senders)[is_link], return_inverse=True)
    part_of_group = deal(len(keys), (validation, test), seed)
    part = np.zeros(len(senders), np.int8)
    part[is_link] = part_of_group[group]
    ordered = directed or bipartite
    parts = [links(*(x[is_link & (part == i)] for x in ((senders, receivers) if ordered else ends))) for i in range(3)]
    kept = np.flatnonzero(part == 0)
    sizes = {"n_receivers": layout.n_receivers, "n_senders": layout.n_senders}
    train_graph = EdgeList.from_edges(senders[kept], receivers[kept], **sizes)
    numbers = [len(pairs.senders) for pairs in parts[1:]]
    negatives = Pairs(*sample_pairs(non_links(layout, ordered, bipartite), sum(numbers), seed=seed))
    first, second = (Pairs(*(x[rows] for x in negatives)) for rows in (slice(numbers[0]), slice(numbers[0], None)))
    numbers_of_edges = np.flatnonzero(layout.on_edges(layout.live))  # masked ones have numbers too
    return LinkSplit(train_graph, numbers_of_edges[kept], *parts, first, second)


def deal(num: int, shares: tuple[float, float], seed: int) -> np.ndarray:
    """The part of each of `num` links, 0, 1 or 2: int8."""
    part, place = np.zeros(num, np.int8), np.random.default_rng(check_size("seed", seed)).permutation(num)
    first, second = (int(share * num + 1e-9) for share in shares)  # 0.3 of 10 is 3, although 0.3 * 10 may be less
    part[place[:first]], part[place[first : first + second]] = 1, 2
    return part


def links(senders: np.ndarray, receivers: np.ndarray) -> Pairs:
    """Each pair once, sorted by sender."""
    pairs = np.unique(np.stack([senders, receivers], axis=1), axis=0).astype(np.int32)
    return Pairs(pairs[:, 0], pairs[:, 1])


def non_links(layout: Layout, ordered: bool, bipartite: bool) -> NonEdges:
    """What may be a negative: no edge in either direction, and no node with itself."""
    if not ordered:
        return NonEdges.of(layout, unordered=True)
    if bipartite:
        return NonEdges.of(layout)
    (senders, receivers), nodes = live_edges(layout), np.arange(layout.n_receivers)
    both = [np.concatenate(x) for x in ((senders, receivers, nodes), (receivers, senders, nodes))]
    return NonEdges.of(EdgeList.from_edges(*both, n_receivers=layout.n_receivers))
