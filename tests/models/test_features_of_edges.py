"""Features of edges: as many as there are edges, of the size that the parameters are for, of any type."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.graph_batches import DIM, GRAPHS, SIZES, batch_of
from tests.support.graph_transformers import CASES, measure
from tgnn import models


def test_edges_are_given_exactly_where_parameters_expect_them():
    batch = batch_of(GRAPHS)
    with pytest.raises(ValueError, match="edges given is False"):
        models.graph_transformer(CASES["graph_transformer"].params, batch.layout, batch.x)
    with pytest.raises(ValueError, match="edges given is False"):
        models.gps(CASES["gps gated"].params, batch.layout, batch.x)
    with pytest.raises(ValueError, match="edges given is False"):
        models.graphormer(CASES["graphormer"].params, measure(batch).more, batch.x)
    with pytest.raises(ValueError, match="edges given is True"):
        models.gated_gcn(models.init_gated_gcn(jax.random.key(0), (DIM, 3)), batch.layout, batch.x, edges=batch.edges)
    with pytest.raises(ValueError, match="'gat'"):
        models.init_gps(jax.random.key(0), local="gat", **SIZES)


@pytest.mark.parametrize(
    "name", ["gat", "gatv2", "transformer_conv", "gated_gcn", "graph_transformer", "gps", "exphormer"]
)
def test_features_of_another_number_of_edges(name):
    """A row more or less would be another edge's, without a word."""
    senders, receivers, x, edges = GRAPHS[0]
    layout, x = tgnn.EdgeList.from_edges(senders, receivers, n_receivers=len(x)), jnp.asarray(x, jnp.float32)
    model, init = getattr(models, name), getattr(models, f"init_{name}")
    if name in ("gat", "gatv2", "transformer_conv", "gated_gcn"):
        params = init(jax.random.key(0), (DIM, 3), edge_dim=DIM)
        with pytest.raises(ValueError, match="edges given is False"):
            model(params, layout, x)
    else:
        more = {"graph_transformer": {"edge_dim": DIM}, "gps": {"local": "gated", "edge_dim": DIM}, "exphormer": {}}
        params = init(jax.random.key(0), **more[name], **SIZES)
    graph = models.interactions(layout) if name == "exphormer" else layout
    for wrong in (edges[:2], np.concatenate([edges, edges[:1]])):
        with pytest.raises(ValueError, match=r"must have shape \[17|must have 17 rows"):
            model(params, graph, x, edges=jnp.asarray(wrong, jnp.float32))
