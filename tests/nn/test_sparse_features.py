"""Sparse features are the dense matrix, for values, gradients and dropout."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tgnn import nn
from tgnn.models import gat, gcn, gin, graph_sage, init_gat, init_gcn, init_gin, init_graph_sage, init_monet, monet

N, WORDS = 11, 17
RNG = np.random.default_rng(0)
DENSE = np.where(RNG.random((N, WORDS)) < 0.3, RNG.normal(size=(N, WORDS)), 0).astype(np.float32)
DENSE[4] = 0  # a node without words
ROWS, COLUMNS = np.nonzero(DENSE)
BAG = tgnn.SparseFeatures.from_rows(np.searchsorted(ROWS, np.arange(N + 1)), COLUMNS, DENSE[ROWS, COLUMNS], (N, WORDS))
LAYOUT = tgnn.self_loops(tgnn.EdgeList.from_edges(*RNG.integers(0, N, (2, 23)), n_receivers=N))
MODELS = {
    "gcn": (gcn, init_gcn),
    "gat": (gat, init_gat),
    "gin": (gin, init_gin),
    "graph_sage": (graph_sage, init_graph_sage),
    "monet": (monet, init_monet),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(x, marks=[] if x == "gat" else pytest.mark.slow) for x in MODELS])
def test_a_model_takes_a_bag_like_the_dense_matrix(name):
    model, init = MODELS[name]
    params = init(jax.random.key(0), (WORDS, 5, 3))

    @jax.jit
    def gradient(x):
        return jax.value_and_grad(lambda params: (model(params, LAYOUT, x) ** 2).sum())(params)

    chex.assert_trees_all_close(gradient(BAG), gradient(jnp.asarray(DENSE)), rtol=1e-4, atol=1e-5)


def test_dropout_drops_entries_and_scales_the_others():
    dropped = nn.dropout(jax.random.key(0), BAG, 0.6).weights
    kept = dropped != 0
    assert 0 < kept.sum() < len(dropped)
    chex.assert_trees_all_close(dropped[kept], BAG.weights[kept] / 0.4, rtol=1e-6)
    chex.assert_trees_all_equal(nn.dropout(None, BAG, 0.0).weights, BAG.weights)


def test_a_kernel_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"x has shape \(11, 17\) but its last 1 axes must be \(5,\)"):
        nn.linear({"kernel": jnp.ones((5, 2))}, BAG)
