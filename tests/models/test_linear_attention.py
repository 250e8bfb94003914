"""Performer, SGFormer and Polynormer against dense forms that multiply n * n weights, values and gradients."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.dense_layers import affine, merge, standardise
from tests.support.filled import filled
from tests.support.graph_batches import DIM, GRAPHS, N, batch_of, places
from tests.support.sequence_models import CONFIG, check_equal, close, tokens_of
from tgnn import models
from tgnn.attention.kernels import ReluFeatures
from tgnn.models.sequences.performer import redraw
from tgnn.nn.positions import sinusoidal
from tgnn.nn.stack import run_blocks
from tgnn.nn.tokens import embed, unembed

BATCH = batch_of(GRAPHS)
LAYOUT = tgnn.self_loops(BATCH.layout)
SEGMENTS = np.asarray(BATCH.segments)
SAME = (SEGMENTS[:, None] == SEGMENTS[None]) & (SEGMENTS[:, None] >= 0)
EDGES = places(BATCH.layout)[0] | np.eye(N, dtype=bool)
REAL = SEGMENTS >= 0


def softmax_features(part, x):
    x = x * x.shape[-1] ** -0.25
    return jnp.exp(jnp.einsum("nhd,fd->nhf", x, part["projection"]) - (x**2).sum(-1, keepdims=True) / 2)


def relu_features(part, x):
    return jnp.maximum(jnp.einsum("nhd,fd->nhf", x, part["projection"]), 0) + 1e-3


def dense_performer(params, graph, tokens, features=softmax_features):
    mask = graph.adjacency()

    def layer(x, block):
        p = block[0]
        rows = standardise(p["attention"]["norm_before"], x)
        query, key, value = (affine(p["attention"][name], rows) for name in ("query", "key", "value"))
        part = jax.lax.stop_gradient(p["attention"])
        weights = jnp.einsum("nhf,mhf->nmh", features(part, query), features(part, key)) * mask[..., None]
        weights = weights / weights.sum(1, keepdims=True)
        x = x + merge(p["attention"]["output"], jnp.einsum("nmh,mhd->nhd", weights, value))
        rows = standardise(p["mlp"]["norm_before"], x)
        return x + affine(p["mlp"]["down"], jax.nn.relu(affine(p["mlp"]["up"], rows))), None

    x, _ = run_blocks(layer, params["decoder"]["blocks"], embed(params, tokens, encoding=sinusoidal))
    return unembed(params, standardise(params["decoder"]["norm"], x))


@pytest.mark.slow
@pytest.mark.parametrize("graph", [tgnn.Causal(13), tgnn.Complete(13)], ids=["causal", "complete"])
def test_performer_is_its_dense_form(graph):
    params = filled(models.init_performer, CONFIG, num_features=7)
    gradients = check_equal(models.performer, dense_performer, params, graph, tokens_of(13))
    assert not gradients["decoder"]["blocks"]["attention"]["projection"].any()


def test_performer_with_the_other_kernel():
    params = filled(models.init_performer, CONFIG, num_features=7)
    run = jax.jit(partial(models.performer, kernel=ReluFeatures))
    expected = jax.jit(partial(dense_performer, features=relu_features))(params, tgnn.Causal(13), tokens_of(13))
    close(run(params, tgnn.Causal(13), tokens_of(13)), expected)


@pytest.mark.slow
def test_projections_are_drawn_again_and_nothing_else():
    for stacked in (True, False):
        config = tgnn.nn.transformer.TransformerConfig(7, model_dim=8, num_heads=2, hidden_dim=8, stacked=stacked)
        params = models.init_performer(jax.random.key(0), config)
        moved = redraw(jax.random.key(1), params)
        changed = jax.tree.map(lambda a, b: bool((a != b).all()), params, moved)
        paths = [jax.tree_util.keystr(path) for path, x in jax.tree_util.tree_leaves_with_path(changed) if x]
        assert len(paths) == (1 if stacked else 2) and all("projection" in path for path in paths)
        blocks = moved["decoder"]["blocks"]
        first, second = blocks["attention"]["projection"] if stacked else (x["attention"]["projection"] for x in blocks)
        assert first.shape == (6, 4) and (first != second).all()


def unit(x):
    return x / jnp.sqrt((x**2).sum(-1, keepdims=True))


def convolve(p, x):
    degree = EDGES.sum(1)
    return (EDGES / np.sqrt(degree[:, None] * degree)) @ affine({"kernel": p["kernel"]}, x) + p["bias"][None]


def layers_of(stacked):
    return [jax.tree.map(lambda x, i=i: x[i], stacked) for i in range(len(jax.tree.leaves(stacked)[0]))]


def dense_sgformer(params, x):
    def begin(p):
        return jax.nn.relu(standardise(p["norm"], affine(p["input"], x)))

    everyone = begin(params["global"])
    for p in layers_of(params["global"]["layers"]):
        query, key, value = (affine(p[name], everyone) for name in ("query", "key", "value"))
        weights = jnp.einsum("nhd,mhd->nmh", unit(query), unit(key)) * SAME[..., None]
        weights = weights + (SAME.sum(1)[:, None] * np.eye(N))[..., None]
        total = jnp.where(REAL[:, None, None], weights.sum(1, keepdims=True), 1)
        heard = jnp.einsum("nmh,mhd->nd", weights / total, value) / value.shape[1]
        everyone = jax.nn.relu(standardise(p["norm"], (everyone + heard) / 2))
    neighbours = first = begin(params["local"])
    for p in layers_of(params["local"]["layers"]):
        neighbours = first + jax.nn.relu(standardise(p["norm"], convolve(p, neighbours)))
    return affine(params["output"], 0.3 * neighbours + 0.7 * everyone)


def dense_polynormer(params, x, local=False):
    total = 0
    for p in params["local"]:
        x = standardise(p["norm_before"], x) if "norm_before" in p else x
        gate = jax.nn.relu(affine(p["gate"], x))
        if "gcn" in p:
            heard = convolve(p["gcn"], x)
        else:
            value = affine(p["gat"]["linear"], x)
            mine, theirs = ((value * p["gat"][f"{end}_vector"][None]).sum(-1) for end in ("receiver", "sender"))
            logits = jax.nn.leaky_relu(mine[:, None] + theirs[None], 0.2)
            weights = jnp.where(EDGES[..., None], jnp.exp(logits), 0)
            weights = weights / weights.sum(1, keepdims=True)
            heard = (jnp.einsum("nmh,mhd->nhd", weights, value) + p["gat"]["bias"][None]).reshape(N, -1)
        x = jax.nn.relu(heard + affine(p["linear"], x))
        x = 0.1 * standardise(p["norm"], gate * x) + 0.9 * x
        total = total + x
    if local:
        return affine(params["local_output"], total)
    x = standardise(params["norm"], total)
    for p in layers_of(params["global"]):
        query, key, value = (affine(p[name], x) for name in ("query", "key", "value"))
        weights = jnp.einsum("nhd,mhd->nmh", jax.nn.sigmoid(query), jax.nn.sigmoid(key)) * SAME[..., None]
        weights = weights / jnp.where(REAL[:, None, None], weights.sum(1, keepdims=True), 1)
        heard = jnp.einsum("nmh,mhd->nhd", weights, value).reshape(N, -1)
        x = jax.nn.relu(affine(p["output"], standardise(p["norm"], heard) * (affine(p["gate"], x) + 0.9)))
    return affine(params["output"], x)


EVERYWHERE = tgnn.Complete(N).with_segments(SEGMENTS)
CASES = {
    "sgformer": (
        filled(models.init_sgformer, (DIM, 8, 3), num_global_layers=2, num_heads=2),
        partial(models.sgformer, attention_layout=EVERYWHERE, local_weight=0.3),
        dense_sgformer,
    ),
    "polynormer": (
        filled(models.init_polynormer, (DIM, 8, 3), num_local_layers=2, num_heads=2),
        partial(models.polynormer, attention_layout=EVERYWHERE),
        dense_polynormer,
    ),
    "polynormer on gcn": (
        filled(models.init_polynormer, (DIM, 8, 3), num_local_layers=2, local="gcn", norm_before=True),
        partial(models.polynormer, attention_layout=EVERYWHERE),
        dense_polynormer,
    ),
    "local stage": (
        filled(models.init_polynormer, (DIM, 8, 3), num_local_layers=2, num_heads=2),
        partial(models.polynormer, stage="local"),
        partial(dense_polynormer, local=True),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [x if x == "sgformer" else pytest.param(x, marks=pytest.mark.slow) for x in CASES])
def test_a_model_is_its_dense_form(name):
    params, run, dense = CASES[name]

    @jax.jit
    def both(params, x):
        def loss(params, x, model):
            output = model(params, x)[REAL]
            return (output * jnp.sin(jnp.arange(output.size).reshape(output.shape))).sum(), output

        models = partial(run, graph=LAYOUT), dense
        mine = lambda params, x: models[0](params, x=x)  # noqa: E731
        return [jax.grad(partial(loss, model=m), (0, 1), has_aux=True)(params, x) for m in (mine, dense)]

    found, expected = both(params, jnp.asarray(BATCH.x))
    scale = max(1.0, max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(expected)))
    close(found, expected, rtol=1e-5, atol=1e-5 * scale)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_dropout_follows_its_key(name):
    params, run, _ = CASES[name]
    run = jax.jit(partial(run, dropout_rate=0.5))
    first, again, second = (run(params, LAYOUT, BATCH.x, rng=jax.random.key(seed)) for seed in (1, 1, 2))
    assert (first == again).all() and not np.allclose(first, second) and np.isfinite(first).all()


def test_bad_arguments():
    rng, x = jax.random.key(0), jnp.ones((N, DIM))
    for init in (models.init_sgformer, models.init_polynormer):
        with pytest.raises(ValueError, match=r"dims must be three sizes, \(in_dim, model_dim, out_dim\), got \(6, 8\)"):
            init(rng, (6, 8))
    with pytest.raises(ValueError, match="num_heads must be an integer of at least 1, got 0"):
        models.init_sgformer(rng, (6, 8, 3), num_heads=0)
    with pytest.raises(ValueError, match="num_heads must divide model_dim 8, got 3"):
        models.init_polynormer(rng, (6, 8, 3), num_heads=3)
    with pytest.raises(ValueError, match='local must be "gat" or "gcn", got "gin"'.replace('"gin"', "'gin'")):
        models.init_polynormer(rng, (6, 8, 3), local="gin")
    with pytest.raises(ValueError, match='stage must be "global" or "local"'):
        models.polynormer(CASES["polynormer"][0], LAYOUT, x, stage="both")
    with pytest.raises(ValueError, match=r"local_weight must be in \[0, 1\], got 2"):
        models.sgformer(CASES["sgformer"][0], LAYOUT, x, local_weight=2)
    with pytest.raises(ValueError, match="x has shape"):
        models.sgformer(CASES["sgformer"][0], LAYOUT, x, attention_layout=tgnn.Complete(3))
    with pytest.raises(ValueError, match="projection must have shape"):
        params = models.init_performer(rng, CONFIG)
        params["decoder"]["blocks"]["attention"]["projection"] = jnp.ones((2, 7, 5))
        models.performer(params, tgnn.Causal(3), tokens_of(3))
