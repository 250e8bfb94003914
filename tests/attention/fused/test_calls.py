"""Calls at the edge of what `attend` takes: the tiles and chunks answer as the definition does."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.cases import inputs, normal
from tests.support.layouts import LAYOUTS
from tgnn.attention.fused.executions import EXECUTIONS

fused = partial(tgnn.attend, implementation="fused")
define = partial(tgnn.attend, implementation="definition")
TILED = "causal offset", "prefix", "window dilated", "complete segments", "blocks"


@pytest.mark.parametrize(
    "name", [x if x in ("prefix", "blocks") else pytest.param(x, marks=pytest.mark.slow) for x in TILED]
)
def test_a_callable_bias_without_arrays(name):
    """Each head has its own numbers although nothing in the bias is traced: heads must not be taken one by one."""
    layout = LAYOUTS[name]
    bias = jax.tree_util.Partial(lambda i, j: jnp.stack([0.1 * (i - j), 0.5 * j, 0.0 * i, -0.2 * j]))
    run = partial(jax.jit, static_argnums=0)(lambda run, *nodes: run(layout, *nodes, bias=bias))
    np.testing.assert_allclose(run(fused, *inputs(layout)), run(define, *inputs(layout)), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.nans
@pytest.mark.parametrize("name", ["causal segments", pytest.param("window dilated", marks=pytest.mark.slow)])
def test_what_dead_slots_of_edge_arrays_hold_reaches_nothing(name):
    layout = LAYOUTS[name]
    nodes, live = inputs(layout), jnp.broadcast_to(layout.live, layout.edge_shape)[..., None, None]
    both = {"edges": normal(4, *layout.edge_shape, 4, 5), "edge_value": normal(5, *layout.edge_shape, 4, 3)}

    @jax.jit
    def run(arrays):
        output, pull = jax.vjp(lambda nodes, arrays: fused(layout, *nodes, **arrays), nodes, arrays)
        return output, pull(output)

    poisoned = run({name: jnp.where(live, x, jnp.nan) for name, x in both.items()})
    for a, b in zip(jax.tree.leaves(run(both)), jax.tree.leaves(poisoned), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.nans
@pytest.mark.parametrize("run", [fused, define], ids=["fused", "definition"])
def test_second_derivatives_of_a_score_do_not_see_rows_that_no_edge_reads(run):
    query, key, value = normal(1, 6, 2, 4), normal(2, 6, 2, 4), normal(3, 6, 2, 3)
    layout = tgnn.EdgeList.from_edges([0, 1, 2], [0, 0, 1], n_receivers=6)

    @jax.jit
    def twice(key, vectors):
        loss = lambda vectors: (run(layout, query, key, value, score=tgnn.Additive(*vectors)) ** 2).sum()  # noqa: E731
        return jax.grad(lambda vectors: (jax.grad(loss)(vectors) ** 2).sum())(vectors)

    vectors = jnp.ones((2, 2, 4))
    np.testing.assert_array_equal(twice(key.at[5].set(jnp.nan), vectors), twice(key, vectors))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class First(tgnn.Score):
    """Inner products of the first `count` features; a Python number stays one."""

    count: int

    def receiver(self, query):
        return query[..., : self.count]

    def pair(self, receiver, sender, edge=None):
        return (receiver * sender[..., : self.count]).sum(-1)


@pytest.mark.parametrize("layout", [tgnn.Complete(7), LAYOUTS["edges padded"]], ids=["tiles", "chunks"])
def test_a_number_in_a_score_is_known_before_jit(layout):
    nodes = [normal(i, n, 4, 5) for i, n in enumerate((layout.n_receivers, layout.n_senders, layout.n_senders))]
    gradient = jax.jit(jax.grad(lambda nodes, run: (run(layout, *nodes, score=First(2)) ** 2).sum()), static_argnums=1)
    for a, b in zip(gradient(nodes, fused), gradient(nodes, define), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_segments_cost_no_square_array():
    def temporary(n):
        layout = tgnn.Causal(n).with_segments(jnp.zeros(n, int))
        nodes = [jax.ShapeDtypeStruct((n, 2, 8), jnp.float32)] * 3
        run = jax.jit(lambda layout, *nodes: fused(layout, *nodes))
        return run.lower(layout, *nodes).compile().memory_analysis().temp_size_in_bytes

    assert temporary(4096) < 2.5 * temporary(2048) < 2048 * 2048


def test_features_of_size_zero_are_left_to_the_definition():
    layout = tgnn.Causal(200)
    x, none = normal(1, 200, 2, 4), jnp.zeros((200, 2, 0))
    mean = jnp.cumsum(x, axis=0) / jnp.arange(1, 201)[:, None, None]
    np.testing.assert_allclose(tgnn.attend(layout, none, none, x), mean, atol=1e-5)
    assert tgnn.attend(layout, x, x, none).shape == (200, 2, 0)
    with pytest.raises(ValueError, match="head_dim is 0 and value_dim 4; it needs at least 1"):
        fused(layout, none, none, x)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["edges", "causal", "window", "blocks"])
def test_float64_with_other_dtypes(name):
    with jax.enable_x64(True):
        layout = LAYOUTS[name]
        nodes = [normal(i, n, 2, 4) for i, n in enumerate((layout.n_receivers, layout.n_senders, layout.n_senders))]
        vectors = jnp.asarray(np.random.default_rng(0).normal(size=(2, 2, 4)))
        assert (vectors.dtype, nodes[0].dtype) == (jnp.float64, jnp.float32)

        @partial(jax.jit, static_argnums=0)
        def both(run, vectors, nodes):
            attend = lambda vectors, nodes: run(layout, *nodes, score=tgnn.Additive(*vectors), scale=np.float64(0.3))  # noqa: E731
            output, pull = jax.vjp(attend, vectors, nodes)
            return output, pull(output)

        for a, b in zip(*(jax.tree.leaves(both(run, vectors, nodes)) for run in (define, fused)), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "name", ["edges padded", "blocks", "window dilated", "neighbors", "buckets", "dense", "prefix"]
)
def test_pairs_that_do_not_exist_are_dropped(name):
    layout = LAYOUTS[name]
    n, m = layout.n_receivers, layout.n_senders
    senders, receivers = np.array([m, -1, 0, 0, m + 1]), np.array([0, 1, n, -1, n - 2])
    assert not np.asarray(layout.arrange(jnp.ones((5, 1)), senders, receivers)).any()
    assert len(layout.pairs()[0])  # there are others


@pytest.mark.slow
def test_blocks_of_more_than_int32_places():
    n = 2**16
    layout = tgnn.Blocks.from_edges([0, 0], [0, n], 1, n_receivers=n + 1, n_senders=n)
    values = layout.arrange(jnp.array([[1.0], [2.0]]), np.array([0, 0]), np.array([0, n]))
    assert values.ravel().tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="too many for int32; call arrange outside jit"):
        jax.jit(layout.arrange)(jnp.ones((1, 1)), jnp.array([0]), jnp.array([0]))


@pytest.mark.slow
def test_small_integers_as_segments():
    segments = np.full(4, 127, np.int8)
    assert tgnn.Window(4, 1, 1).with_segments(segments).adjacency().sum() == 10


@pytest.mark.parametrize("name", ["causal", "edges", "neighbors"])
def test_a_head_that_does_not_exist_has_weight_zero(name, monkeypatch):
    for execution in EXECUTIONS:
        monkeypatch.setattr(type(execution), "is_faster", lambda self, call: True)
    query, key, _ = inputs(LAYOUTS[name])
    places = tuple(np.zeros(4, int) for _ in LAYOUTS[name].edge_shape)
    weights = tgnn.attention_weights(LAYOUTS[name], query, key, at=(*places, np.array([-1, 0, 3, 4])))
    assert (np.asarray(weights) > 0).tolist() == [False, True, True, False]
