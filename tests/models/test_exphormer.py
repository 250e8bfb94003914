"""The edges that Exphormer adds."""

import numpy as np
import pytest

from tests.support.graph_batches import DIM, GRAPHS, SLOTS, N, batch_of
from tests.support.graph_transformers import CASES
from tgnn import models


def test_interactions_are_the_given_edges_an_expander_and_virtual_nodes_within_each_graph():
    layout, segments = batch_of(GRAPHS).layout, batch_of(GRAPHS).segments
    graph = models.interactions(layout, segments=segments, degree=4, num_virtual=2)
    edges, kinds = graph.layout, graph.kinds
    senders, receivers = (np.asarray(edges.to_caller(ends)) for ends in (edges.senders, edges.receivers))
    assert edges.n_receivers == N + 6
    for kind, count in enumerate((29, None, 2 * 14, 2 * 14)):
        assert count is None or (kinds == kind).sum() == count
    owner = np.append(segments, np.repeat([0, 1, 2], 2))
    live = kinds >= 0
    assert (owner[senders[live]] == owner[receivers[live]]).all() and (owner[senders[live]] >= 0).all()
    random = kinds == 1
    degrees = np.bincount(receivers[random], minlength=N)
    assert degrees[:7].max() == 4 and (degrees[:7] >= 2).all() and (senders[random] != receivers[random]).all()
    backwards = set(zip(receivers[random], senders[random], strict=True))
    assert backwards == set(zip(senders[random], receivers[random], strict=True))
    single = models.interactions(layout, segments=segments, num_virtual=1)
    with pytest.raises(ValueError, match="graph has 3 virtual nodes, but params are for 2"):
        models.exphormer(CASES["exphormer"].params, single, np.ones((N, DIM)))
    plain = models.interactions(layout, segments=segments, degree=0, num_virtual=0)
    assert plain.layout.n_receivers == N and plain.layout.n_edge == SLOTS
