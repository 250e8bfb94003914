"""Edge features in every score on every layout are the NumPy loop over edges, and any model runs on any graph."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.filled import filled
from tests.support.layouts import LAYOUTS
from tgnn.graphs.interop import edge_slots
from tgnn.models import gat, init_gat
from tgnn.models.graph_transformers.graph_transformer import EdgeProduct
from tgnn.nn.block import TransformerConfig
from tgnn.nn.transformer import encoder, init_encoder

HEADS, DIM = 2, 3
RNG = np.random.default_rng(0)
FIRST, SECOND = RNG.normal(size=(2, HEADS, DIM))
WIDTH = RNG.uniform(0.5, 2.0, (HEADS, DIM))
SCORES = {
    "dot product": tgnn.dot_product,
    "additive": tgnn.Additive(jnp.float32(FIRST), jnp.float32(SECOND)),
    "additive v2": tgnn.AdditiveV2(jnp.float32(FIRST)),
    "gaussian": tgnn.Gaussian(jnp.float32(FIRST), jnp.float32(WIDTH)),
    "edge product": EdgeProduct(),
}


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


# The same from their papers: of query, key and edge features, [n_edge, heads, dim] each.
RULES = {
    "dot product": lambda q, k, e: (q * (k + e)).sum(-1) / np.sqrt(DIM),
    "additive": lambda q, k, e: leaky((q * FIRST).sum(-1) + (k * SECOND).sum(-1) + e[..., 0]),
    "additive v2": lambda q, k, e: (leaky(q + k + e) * FIRST).sum(-1),
    "gaussian": lambda q, k, e: -(((e - FIRST) / WIDTH) ** 2).sum(-1) / 2,
    "edge product": lambda q, k, e: (q * k * e).sum(-1) / np.sqrt(DIM),
}
# Compiled for each layout; `make test-all` takes all of them.
QUICK = {"edges padded", "complete segments", "neighbors"}
EVERY = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in LAYOUTS]
)


def loop(senders, receivers, query, key, value, features):
    """Attention of every score in float64, one receiver after another: {name: [n_receivers, heads, dim]}."""
    output = {name: np.zeros((len(query), HEADS, DIM)) for name in RULES}
    for name, rule in RULES.items():
        logits = rule(query[receivers], key[senders], features)
        for i in np.unique(receivers):
            mine = receivers == i
            weights = np.exp(logits[mine] - logits[mine].max(axis=0))
            output[name][i] = ((weights / weights.sum(axis=0))[..., None] * value[senders[mine]]).sum(axis=0)
    return output


@partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
def attend_all(layout, query, key, value, features, cotangents):
    def run(*operands):
        *nodes, edges = operands
        given = {name: edges[..., 0] if name == "additive" else edges for name in SCORES}
        return {name: tgnn.attend(layout, *nodes, score=SCORES[name], edges=given[name]) for name in SCORES}

    output, pull = jax.vjp(run, query, key, value, features)
    return output, pull(cotangents)


@pytest.mark.slow
@EVERY
def test_edge_features_in_every_score_are_the_loop_over_edges(name):
    layout = LAYOUTS[name]
    senders, receivers, live = edge_slots(layout.to_edges())
    senders, receivers = senders[live], receivers[live]
    shapes = layout.n_receivers, layout.n_senders, layout.n_senders, len(senders)
    operands = [np.random.default_rng(1).normal(size=(size, HEADS, DIM)) for size in shapes]
    cotangents = {name: np.random.default_rng(2).normal(size=(layout.n_receivers, HEADS, DIM)) for name in RULES}
    narrow = [np.float32(x) for x in operands]
    places = layout.arrange(jnp.arange(1, len(senders) + 1), senders, receivers)  # 0 where there is no edge
    features = np.append(np.zeros((1, HEADS, DIM), np.float32), narrow[3], axis=0)[np.asarray(places)]
    output, gradients = attend_all(layout, *narrow[:3], features, jax.tree.map(np.float32, cotangents))
    expected = loop(senders, receivers, *operands)
    chex.assert_trees_all_close(output, jax.tree.map(np.float32, expected), rtol=1e-5, atol=1e-5)

    by_edge = np.zeros((len(senders) + 1, HEADS, DIM))
    by_edge[np.asarray(places)] = gradients[3]
    gradients = [*map(np.asarray, gradients[:3]), by_edge[1:]]
    directions = [np.random.default_rng(3).normal(size=x.shape) for x in operands]
    for i, direction in enumerate(directions):
        ahead, behind = (
            loop(senders, receivers, *operands[:i], operands[i] + step * direction, *operands[i + 1 :])
            for step in (1e-6, -1e-6)
        )
        slope = sum((cotangents[name] * (ahead[name] - behind[name])).sum() for name in RULES) / 2e-6
        np.testing.assert_allclose((gradients[i] * direction).sum(), slope, rtol=1e-4, atol=1e-4)


N = 11
MASK = np.random.default_rng(4).random((N, N)) < 0.3
MASK[4] = False  # a node without in-edges
X = np.random.default_rng(5).normal(size=(N, 8)).astype(np.float32)


def edge_list(mask):
    receivers, senders = np.nonzero(mask)
    return tgnn.EdgeList.from_edges(senders, receivers, n_receivers=N)


def test_a_gat_runs_on_a_complete_graph():
    params, model = filled(init_gat, (8, 5, 3), num_heads=2), jax.jit(gat)
    expected = model(params, edge_list(np.ones((N, N))), X)
    chex.assert_trees_all_close(model(params, tgnn.Complete(N), X), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_a_transformer_runs_on_a_sparse_graph():
    params = filled(init_encoder, TransformerConfig(vocab_size=1, model_dim=8, num_heads=2))
    model = jax.jit(encoder)
    output = model(params, edge_list(MASK), X)
    chex.assert_trees_all_close(output, model(params, tgnn.Dense(jnp.asarray(MASK)), X), rtol=1e-5, atol=1e-5)
    assert np.isfinite(output).all() and not np.allclose(output, model(params, tgnn.Dense(MASK | True), X), atol=0.1)
