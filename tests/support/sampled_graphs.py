"""A graph with what samplers may meet: hubs, isolated nodes, a loop, edges that stand twice, masked edges."""

import numpy as np

import tgnn
from tgnn.sampling import in_edges_of

N = 41
GENERATOR = np.random.default_rng(0)
SENDERS, RECEIVERS = GENERATOR.integers(0, N - 3, (2, 170))  # nodes 38 to 40 are isolated
RECEIVERS[:20], SENDERS[20], RECEIVERS[20] = 5, 7, 7
SENDERS[30], RECEIVERS[30] = SENDERS[31], RECEIVERS[31]
LIVE = np.arange(170) % 17 != 3
LAYOUT = tgnn.EdgeList.from_edges(SENDERS, RECEIVERS, n_receivers=N, mask=LIVE)
GRAPH = in_edges_of(LAYOUT)
DEGREES = np.bincount(RECEIVERS[LIVE], minlength=N)


def edges_of(layout, nodes, numbers):
    """Sender and receiver, in the graph, and number of every live edge of a sample."""
    live = np.asarray(layout.live)
    nodes = np.asarray(nodes)
    return nodes[np.asarray(layout.senders)[live]], nodes[np.asarray(layout.receivers)[live]], numbers[live]
