"""A score of one's own that is an inner product, beside the dot product of nodes that were mapped by hand: 8 heads."""

from dataclasses import dataclass
from functools import partial

import tgnn
from experiments.speed import graphs
from experiments.speed.cases.case import Case, arrays
from experiments.speed.cases.dense import HEAD_DIM, HEADS
from experiments.speed.cases.edges import HEAD_DIMS
from experiments.speed.cases.sparse import REACH
from experiments.speed.contestant import from_jax
from tgnn.planning.cost import cost
from tgnn.typing import Array


@tgnn.pytrees.register
@dataclass(frozen=True)
class Weighted(tgnn.scores.InnerProduct):
    """`<weight * query_i, key_j>`, as a user writes it."""

    weight: Array  # [heads, head_dim]

    def receiver(self, query: Array) -> Array:
        return query * self.weight[None]


def cases(family, size, config, data_dir) -> list[Case]:
    """By layout and graph, such as score-window-4096."""
    kind, _, which = size.partition("-")
    layout = layouts(kind, which, data_dir)
    head_dim = HEAD_DIMS.get(which, 8) if kind == "edges" else HEAD_DIM
    *inputs, cotangent, (weight,) = arrays(1, *[(layout.n_receivers, HEADS, head_dim)] * 4, (1, HEADS, head_dim))
    side = partial(from_jax, graph=layout, inputs=(*inputs, weight), cotangent=cotangent)
    sides = {"dot product": lambda: side(by_hand), "tgnn": lambda: side(by_class)}
    costs = (cost(layout, HEADS, head_dim, gradients=yes) for yes in (False, True))
    return [Case(f"{family}-{size}", "dot product", sides, *costs)]


def layouts(kind: str, which: str, data_dir) -> tgnn.Layout:
    """Complete or a window by the number of nodes, edges by the graph's name."""
    if kind == "edges":
        graph = graphs.make(which, data_dir)
        return tgnn.EdgeList.from_edges(graph.senders, graph.receivers, n_receivers=graph.n)
    n = int(which)
    return tgnn.Complete(n) if kind == "complete" else tgnn.Window(n, REACH * n // 4096, REACH * n // 4096)


def by_class(layout, query, key, value, weight):
    """The score maps the nodes."""
    return tgnn.attend(layout, query, key, value, score=Weighted(weight), scale=query.shape[-1] ** -0.5)


def by_hand(layout, query, key, value, weight):
    """Mapped before."""
    return tgnn.attend(layout, query * weight[None], key, value)
