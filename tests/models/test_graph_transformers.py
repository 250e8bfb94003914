"""Graph Transformers equal their dense masked form, values and gradients, whatever stands beside a graph in its batch.

Every batch of a model has the shapes of the others, so that each model compiles twice: once as it is, once in its dense
form.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.support.graph_batches import DIM, GRAPHS, N, batch_of, close, permuted
from tests.support.graph_transformers import CASES
from tgnn import models

# Compiling is what costs: `make test` compares the shorter ones with their dense form, `make test-all` all of them.
QUICK = {"graph_transformer", "gps gine"}
EVERY_MODEL = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "gps gated" else ()) for name in CASES]
)
EVERY_DENSE_FORM = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in CASES]
)


@partial(jax.jit, static_argnames="name")
def values_and_gradients(name, params, batch, weight):
    """The nodes, and the gradient of their weighted sum by parameters, nodes and edges."""

    def loss(params, x, edges):
        output = CASES[name].run(params, batch._replace(x=x, edges=edges))
        return (output * weight).sum(), output

    (_, output), gradients = jax.value_and_grad(loss, (0, 1, 2), has_aux=True)(params, batch.x, batch.edges)
    return output, gradients


def weight_of(batch, seed=3):
    """Random on real nodes, 0 on padding."""
    weight = np.random.default_rng(seed).normal(size=(N, DIM)).astype(np.float32)
    return np.where(batch.segments[:, None] >= 0, weight, 0)


def run(name, graphs):
    batch = batch_of(graphs)
    return values_and_gradients(name, CASES[name].params, CASES[name].prepare(batch), weight_of(batch))


@pytest.mark.slow
@EVERY_DENSE_FORM
def test_a_model_is_its_dense_masked_form(name):
    case, batch = CASES[name], batch_of(GRAPHS)
    prepared, weight = case.prepare(batch), weight_of(batch)

    @jax.jit
    def reference(params, x, edges):
        def loss(params, x, edges):
            output = case.dense(params, prepared._replace(x=x, edges=edges))
            return (output * weight).sum(), output

        (_, output), gradients = jax.value_and_grad(loss, (0, 1, 2), has_aux=True)(params, x, edges)
        return output, gradients

    expected, expected_gradients = reference(case.params, batch.x, batch.edges)
    output, gradients = run(name, GRAPHS)
    real = batch.segments >= 0
    close(output[real], expected[real])
    scale = max(1.0, max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(expected_gradients)))
    close(gradients, expected_gradients, {"rtol": 1e-5, "atol": 1e-5 * scale})
    assert np.isfinite(output).all() and all(jnp.abs(leaf).max() > 0 for leaf in gradients[1:])


@pytest.mark.slow
@EVERY_MODEL
def test_a_graph_is_the_same_alone_padded_and_in_every_batch(name):
    together, (_, x_gradient, edge_gradient) = run(name, GRAPHS)
    batch = batch_of(GRAPHS)
    weight = weight_of(batch)
    first = first_edge = 0
    for graph in GRAPHS:
        rows, slots = slice(first, first + len(graph[2])), slice(first_edge, first_edge + len(graph[3]))
        alone = batch_of([graph])
        own = np.zeros_like(weight)
        own[: len(graph[2])] = weight[rows]
        case = CASES[name]
        output, (_, x_alone, edge_alone) = values_and_gradients(name, case.params, case.prepare(alone), own)
        close(output[: len(graph[2])], together[rows])
        close(x_alone[: len(graph[2])], x_gradient[rows], {"rtol": 1e-5, "atol": 2e-5})
        close(edge_alone[: len(graph[3])], edge_gradient[slots], {"rtol": 1e-5, "atol": 2e-5})
        first, first_edge = rows.stop, slots.stop
    assert (x_gradient[first:] == 0).all() and (edge_gradient[first_edge:] == 0).all()


@pytest.mark.slow
@EVERY_MODEL
def test_output_follows_a_permutation_of_the_nodes(name):
    case, weight = CASES[name], np.ones((N, DIM), np.float32)
    graph, order, shuffle = permuted(GRAPHS[0])
    moved = case.prepare(batch_of([graph, *GRAPHS[1:]]))
    if case.permute:
        moved = moved._replace(more=case.permute(case.prepare(batch_of(GRAPHS)).more, order, shuffle))
    expected, _ = run(name, GRAPHS)
    output, _ = values_and_gradients(name, case.params, moved, weight)
    close(output[: len(order)], expected[order])
    assert not np.allclose(output[: len(order)], expected[: len(order)])


@pytest.mark.parametrize("name", CASES)
def test_bfloat16_stays_bfloat16(name):
    case = CASES[name]
    batch = case.prepare(batch_of(GRAPHS))
    half = batch._replace(x=jnp.bfloat16(batch.x), edges=jnp.bfloat16(batch.edges))
    output = jax.eval_shape(case.run, case.params, half)
    assert output.dtype == jnp.bfloat16 and output.shape == (N, DIM)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_dropout_follows_its_key(name):
    case = CASES[name]
    batch = case.prepare(batch_of(GRAPHS))
    model = jax.jit(partial(case.run, dropout_rate=0.5))
    plain = run(name, GRAPHS)[0]
    first, again, second = (model(case.params, batch, rng=jax.random.key(seed)) for seed in (1, 1, 2))
    assert (first == again).all() and not np.allclose(first, plain) and not np.allclose(first, second)
    assert np.isfinite(first).all()


@pytest.mark.slow
def test_a_directed_graph_stays_directed():
    """On a chain without a global branch no message goes against an edge."""
    chain = [np.arange(3), np.arange(1, 4), *(np.ones((size, DIM)) for size in (4, 3))]
    changed = [*chain[:2], chain[2].copy(), chain[3]]
    changed[2][2] *= np.arange(DIM)
    for name in ("graph_transformer",):
        output, other = (run(name, [graph])[0] for graph in (chain, changed))
        assert (output[:2] == other[:2]).all() and (output[2:4] != other[2:4]).any(axis=1).all(), name


@pytest.mark.parametrize("init", [models.init_graph_transformer, models.init_exphormer])
def test_heads_share_the_features_evenly(init):
    with pytest.raises(ValueError, match="num_heads must divide model_dim 5, got 2"):
        init(jax.random.key(0), num_layers=1, model_dim=5, num_heads=2)
