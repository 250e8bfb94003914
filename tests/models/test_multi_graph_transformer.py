"""Several graphs on the same nodes, and the points of drawings."""

import jax
import numpy as np
import pytest

import tgnn
from tests.support.filled import filled
from tests.support.graph_batches import GRAPHS, batch_of, close
from tests.support.graph_transformers import CASES, graphs_of, stack_graphs
from tgnn import models


@pytest.mark.slow
def test_stacked_graphs_are_the_listed_ones():
    batch, params = stack_graphs(batch_of(GRAPHS)), CASES["multi_graph_transformer"].params
    listed = graphs_of(batch)
    model = jax.jit(models.multi_graph_transformer)
    expected = model(params, batch.more, batch.x)
    close(model(params, listed, batch.x), expected)
    close(model(params, tgnn.stack(listed), batch.x), expected)
    with pytest.raises(ValueError, match="graphs has 2 graphs, but params are for 3"):
        models.multi_graph_transformer(params, listed[:2], batch.x)


def test_a_sketch_s_points_are_embedded_in_three_parts():
    params = filled(models.init_sketch_embedding, 6, max_points=5)
    points, flags, positions = np.ones((2, 2), np.float32), np.array([1, -1]), np.array([4, -1])
    x = jax.jit(models.sketch_embedding)(params, points, flags, positions)
    assert x.shape == (2, 6) and (np.asarray(x)[1, 2:] == 0).all()
    params = jax.tree.map(np.asarray, params)
    parts = params["coordinates"]["kernel"].sum(0), params["flags"]["table"][1], params["positions"]["table"][4]
    close(x[0], np.concatenate(parts))
    with pytest.raises(ValueError, match="multiple of 3"):
        models.init_sketch_embedding(jax.random.key(0), 7)
