"""DropEdge: a graph without some of its edges, others in every step."""

import dataclasses
from typing import Any

import jax.numpy as jnp

from tgnn.attention.dropout import Draw, is_kept
from tgnn.errors import check_dropout
from tgnn.graphs import EdgeList
from tgnn.graphs.interop import as_layout
from tgnn.typing import Array, Graph


def drop_edges(rng: Array | None, layout: Graph, rate: float, *, symmetric: bool = False) -> EdgeList:
    """The layout without each edge with probability `rate`; also under jit.

    Args:
        rng: a key; None only where the rate is 0.
        layout: a list of edges (others are listed first, which needs known indices).
        rate: in `[0, 1)`.
        symmetric: whether an edge and its reverse share their fate.

    Returns:
        An `EdgeList` of the same edges in the same order, the dropped ones masked: arrays with one row per edge fit as
        they are. Copies of an edge share their fate. Nothing is rescaled.

    Raises:
        ValueError: for a rate outside `[0, 1)`, or above 0 without a key.

    Reference: Rong et al., DropEdge: Towards Deep Graph Convolutional Networks on Node Classification, arXiv:1907.10903
        (which also normalises the adjacency again: so does `symmetric_weights` of what this returns).

    >>> import jax
    >>> from tgnn.graphs import EdgeList
    >>> layout = EdgeList.from_edges([0, 1, 2], [1, 2, 0], n_receivers=3)
    >>> drop_edges(jax.random.key(0), layout, 0.0) is layout
    True
    """
    check_dropout(rate, rng, "rate")
    layout = as_layout(layout)
    edges: Any = layout if layout.form == "list" else layout.to_edges()
    if rng is None or rate == 0:
        return edges
    senders, receivers = jnp.asarray(edges.senders), jnp.asarray(edges.receivers)
    ends = (jnp.minimum(senders, receivers), jnp.maximum(senders, receivers)) if symmetric else (receivers, senders)
    return dataclasses.replace(edges, mask=edges.live & is_kept(Draw(rng), rate, *ends, jnp.zeros((), jnp.int32)))
