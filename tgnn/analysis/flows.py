"""Attention flow: the most that can flow from an output down to an input, with weights as capacities."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tgnn.analysis.checks import checked_layers, checked_nodes, live_values
from tgnn.graphs import Layout
from tgnn.graphs.interop import live_edges
from tgnn.typing import Array, Graph

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

UNITS = 2**28  # capacities are counted in these: SciPy's flows are int32, and no flow is above one node's total of 1


def flow(
    layouts: Graph | Sequence[Graph],
    weights: Sequence[Array],
    *,
    receivers: Array | None = None,
    senders: Array | None = None,
    residual: float = 0.5,
) -> np.ndarray:
    """The maximum flow from outputs of the last layer to inputs of the first, through the edges of all layers.

    On the host, by SciPy: one problem of `layers * edges` arcs for each pair that is asked for. Weights are rounded to
    2^-28 each.

    Args:
        layouts: as for `rollout`.
        weights: as for `rollout`.
        receivers: ints `[k]` of the last layer; default all.
        senders: ints `[m]` of the first; default all.
        residual: as for `rollout`.

    Returns:
        float64 `[k, m]` in [0, 1]. The paper's figures are divided by the sums of their rows over all senders.

    Raises:
        ValueError: as `rollout`, and for weights that are negative, infinite or NaN.

    >>> from tgnn import EdgeList
    >>> chain = EdgeList.from_edges(senders=[0, 1], receivers=[1, 2], n_receivers=3)
    >>> flow(chain, [np.ones(2), np.ones(2)], receivers=[2]).round(6).tolist()
    [[0.5, 1.0, 0.5]]

    Reference: Abnar and Zuidema, Quantifying Attention Flow in Transformers, arXiv:2005.00928, section 3.2.
    """
    from scipy.sparse.csgraph import maximum_flow

    layers = checked_layers(layouts, weights, residual)
    receivers = checked_nodes("receivers", receivers, layers[-1][0].n_receivers)
    senders = checked_nodes("senders", senders, layers[0][0].n_senders)
    arcs, first = network(layers, residual)
    found = [[maximum_flow(arcs, first + i, j).flow_value for j in np.asarray(senders)] for i in np.asarray(receivers)]
    return np.array(found, np.float64).reshape(len(receivers), len(senders)) / UNITS


def network(layers: Sequence[tuple[Layout, Array]], residual: float) -> "tuple[csr_matrix, int]":
    """Capacities as a SciPy matrix from the nodes of each layer to those below, and the number of the first output."""
    from scipy import sparse

    froms, tos, capacities, below = [], [], [], 0
    for layer, (layout, weights) in enumerate(layers):
        low, high = live_edges(layout)
        values = checked_capacities(live_values(layout, weights), layer)
        above, nodes = below + layout.n_senders, np.arange(layout.n_receivers)
        if residual:  # receivers and senders are the same nodes
            low, high = np.append(low, nodes), np.append(high, nodes)
            values = np.append((1 - residual) * values, np.full(len(nodes), residual))
        total = np.bincount(high, values, minlength=len(nodes))
        froms.append(above + high)
        tos.append(below + low)
        capacities.append(values / np.where(total > 0, total, 1)[high])
        below = above
    size = below + layers[-1][0].n_receivers
    ends = np.concatenate(froms), np.concatenate(tos)
    arcs: Any = sparse.coo_matrix((np.concatenate(capacities), ends), shape=(size, size)).tocsr()  # doubled edges: sums
    arcs.data = (arcs.data * UNITS).round()
    return arcs.astype(np.int32), below


def checked_capacities(values: np.ndarray, layer: int) -> np.ndarray:
    """Weights of live edges as they are, or a ValueError for those that can be no capacity."""
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        raise ValueError(
            f"weights of layer {layer} hold {values[bad][0]}, expected finite numbers of at least 0, for they are "
            "capacities; give what tgnn.attention_weights returns"
        )
    return values
