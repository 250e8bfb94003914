"""attend(..., return_lse=True): the log-sum-exp of every layout and execution with its gradients, and merged parts."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import tgnn
from tests.support.calls import close, inputs
from tests.support.layouts import EVERY, LAYOUTS
from tgnn.attention import merge
from tgnn.attention.call import prepare
from tgnn.attention.fused import cudnn, executions, splash
from tgnn.attention.fused.executions import choose

attend = jax.jit(tgnn.attend, static_argnames=("dropout_rate", "implementation", "return_lse"))


def loss_of(layout, implementation, *operands, **options):
    """A number that moves with both outputs; the -inf of a receiver without edges is a constant."""
    output, lse = tgnn.attend(layout, *operands, implementation=implementation, return_lse=True, **options)
    return jnp.cos(output).sum() + jnp.sin(jnp.where(jnp.isfinite(lse), lse, 0.0)).sum(), (output, lse)


@partial(jax.jit, static_argnums=(0, 2))
def differentiate(implementation, layout, options, *operands):
    loss = partial(loss_of, layout, implementation, **dict(options))
    return jax.grad(loss, tuple(range(len(operands))), has_aux=True)(*operands)


def logsumexp64(layout, query, key, bias=None):
    """The same in NumPy's float64, edge by edge."""
    edges = layout.to_edges()
    live = np.asarray(edges.live)
    senders, receivers = np.asarray(edges.senders)[live], np.asarray(edges.receivers)[live]
    query, key = (np.asarray(x, np.float64) for x in (query, key))
    key = np.repeat(key, query.shape[1] // key.shape[1], axis=1)
    logits = (query[receivers] * key[senders]).sum(-1) / np.sqrt(query.shape[-1])
    total = np.zeros(query.shape[:2])
    np.add.at(total, receivers, np.exp(logits))
    with np.errstate(divide="ignore"):
        return np.log(total)


@EVERY
def test_it_is_the_logarithm_of_the_sum_of_all_exponentials(layout):
    query, key, value = inputs(layout)
    output, lse = attend(layout, query, key, value, return_lse=True)
    np.testing.assert_allclose(lse, logsumexp64(layout, query, key), atol=1e-6)  # with -inf where there is no edge
    assert (output[lse == -jnp.inf] == 0).all()


HOW = pytest.mark.parametrize("implementation", [pytest.param("definition", marks=pytest.mark.slow), "fused"])
FUSED = [name for name in LAYOUTS if name not in ("neighbors", "neighbors padded", "buckets")]
QUICK = "edges padded", "causal segments", "blocks padded", "window dilated"


@pytest.mark.slow
@pytest.mark.parametrize("name", [x if x == QUICK[0] else pytest.param(x, marks=pytest.mark.slow) for x in FUSED])
def test_every_execution_has_it_with_its_gradients(name):
    layout = LAYOUTS[name]
    operands = inputs(layout)
    expected, found = (differentiate(x, layout, (), *operands) for x in ("definition", "fused"))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(b, a, atol=4e-6), expected, found)
    np.testing.assert_array_equal(found[1][0], attend(layout, *operands, implementation="fused"))


def choose_for(layout, query, key, value):
    operands = tgnn.dot_product, None, None, None, None, 0.0, None, (0, 0, 0)
    return choose(prepare(layout, query, key, value, *operands), with_lse=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_dropout_leaves_it_alone(name):
    layout = LAYOUTS[name]
    query, key, value = inputs(layout)
    run = partial(attend, return_lse=True)
    for implementation in ("definition", "fused"):
        whole = run(layout, query, key, value, implementation=implementation)
        some = run(layout, query, key, value, implementation=implementation, dropout_rate=0.5, rng=jax.random.key(0))
        np.testing.assert_array_equal(whole[1], some[1])
        assert (whole[0] != some[0]).any()


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_biases_scores_and_features_of_edges_learn_from_it(name):
    layout = LAYOUTS[name]
    query, key, value = inputs(layout, 2, 2)
    rng = np.random.default_rng(1)
    bias = jnp.asarray(rng.normal(size=(*layout.edge_shape, 2)), jnp.float32)
    vectors = jnp.asarray(rng.normal(size=(2, 2, 5)), jnp.float32)
    slope = jnp.asarray([0.1, -0.2])

    @partial(jax.jit, static_argnums=0)
    def run(implementation, *operands):
        def loss(vectors, bias, slope, *nodes):
            distance = jax.tree_util.Partial(lambda slope, i, j: slope * jnp.abs(i - j), slope)
            first = loss_of(layout, implementation, *nodes, score=tgnn.Additive(*vectors), bias=bias)[0]
            return first + loss_of(layout, implementation, *nodes, bias=distance, scale=slope)[0]

        return jax.grad(loss, range(len(operands)))(*operands)

    expected, found = (run(x, vectors, bias, slope, query, key, value) for x in ("definition", "fused"))
    jax.tree.map(lambda a, b: close(b, a, 1e-5), expected, found)


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_its_second_derivatives_and_tangents(name):
    layout = LAYOUTS[name]
    operands = inputs(layout)

    @partial(jax.jit, static_argnums=0)
    def run(implementation, *operands):
        loss = lambda *x: loss_of(layout, implementation, *x)[0]  # noqa: E731
        slope = lambda *x: sum(jnp.sin(g).sum() for g in jax.grad(loss, (0, 1, 2))(*x))  # noqa: E731
        return jax.grad(slope, (0, 1, 2))(*operands), jax.jvp(loss, operands, operands)[1]

    expected, found = (run(x, *operands) for x in ("definition", "fused"))
    jax.tree.map(lambda a, b: close(b, a, 1e-5), expected, found)


@pytest.mark.slow
def test_its_gradients_are_finite_differences_in_float64():
    layout = LAYOUTS["causal segments"]
    with jax.enable_x64(True):
        operands = [np.asarray(x, np.float64) for x in inputs(layout)]
        for implementation in ("definition", "fused"):
            loss = jax.jit(lambda *x, how=implementation: loss_of(layout, how, *x)[0])
            check_grads(loss, operands, order=2, modes=("rev",), atol=1e-4, rtol=1e-4)
        output, lse = tgnn.attend(layout, *operands, return_lse=True)
        assert output.dtype == lse.dtype == jnp.float64


@pytest.mark.slow
@pytest.mark.parametrize("name", ["edges padded", "causal segments"])
def test_under_vmap(name):
    layout = LAYOUTS[name]
    query, key, value = inputs(layout)
    batch = jnp.stack([query, 2 * query])
    each = [differentiate("fused", layout, (), x, key, value) for x in batch]
    together = jax.vmap(lambda x: differentiate("fused", layout, (), x, key, value))(batch)
    jax.tree.map(lambda a, *b: close(a, jnp.stack(b), 2e-6), together[0], *(x[0] for x in each))
    for found, *expected in zip(together[1], *(x[1] for x in each), strict=True):
        np.testing.assert_allclose(found, np.stack(expected), atol=1e-6)


@HOW
def test_half_precision_keeps_it_wide(implementation):
    layout = LAYOUTS["causal segments"]
    query, key, value = inputs(layout, dtype="bfloat16")
    output, lse = tgnn.attend(layout, query, key, value, implementation=implementation, return_lse=True)
    assert output.dtype == jnp.bfloat16 and lse.dtype == jnp.float32
    np.testing.assert_allclose(lse, logsumexp64(layout, query, key), atol=1e-6)


@pytest.mark.slow
def test_it_is_the_residual_of_jax_nn():
    rng = np.random.default_rng(0)
    query, key, value = (jnp.asarray(rng.normal(size=(7, 4, 6)), jnp.float32) for _ in range(3))
    theirs = jax.nn.dot_product_attention(query, key, value, is_causal=True, return_residual=True)
    mine = tgnn.attend(tgnn.Causal(7), query, key, value, return_lse=True)
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.slow
@pytest.mark.nans
@HOW
def test_nothing_infinite_and_nan(implementation):
    """No edge: -inf, with no gradient, whatever is made of it. A +inf or NaN logit is loud in its own row."""
    layout = tgnn.EdgeList.from_edges([0, 1, 0, 1], [0, 0, 1, 3], n_receivers=4, n_senders=2)
    bias = jnp.asarray([0.0, 1.0, jnp.inf, jnp.nan])[:, None]
    nodes = jnp.zeros((4, 1, 2)), jnp.zeros((2, 1, 2)), jnp.ones((2, 1, 1))

    def run(bias, *nodes):
        return tgnn.attend(layout, *nodes, bias=bias, implementation=implementation, return_lse=True)

    output, lse = run(bias, *nodes)
    np.testing.assert_allclose(lse[:, 0], [np.log1p(np.e), np.inf, -np.inf, np.nan], rtol=1e-6)
    assert jnp.isnan(output[1]).all() and jnp.isnan(output[3]).all() and (output[2] == 0).all()
    pull = jax.vjp(lambda *x: run(bias[:2].repeat(2, 0), *x), *nodes)[1]
    assert all(jnp.isfinite(x).all() for x in pull((jnp.ones((4, 1, 1)), jnp.array([[1.0], [1], [jnp.nan], [1]]))))
    empty = tgnn.attend(tgnn.Complete(3, 0), *(jnp.ones((n, 2, 1)) for n in (3, 0, 0)), return_lse=True)
    assert empty[0].shape == (3, 2, 1) and (empty[1] == -jnp.inf).all()


@pytest.mark.nans
def test_tiles_give_minus_infinity_and_no_gradient_where_no_edge_counts():
    """Of a receiver whose biases are all -inf: its pairs are edges for a tile, unlike those of a mask."""
    nodes, bias = [jnp.ones((2, 1, 1))] * 3, jnp.array([[0.0, 0.0], [-jnp.inf, -jnp.inf]])[..., None]

    @jax.jit
    def run(*operands):
        def attend(bias, *nodes):
            return tgnn.attend(tgnn.Complete(2), *nodes, bias=bias, implementation="fused", return_lse=True)

        (output, lse), pull = jax.vjp(attend, *operands)
        return lse, pull((output, jnp.array([[1.0], [jnp.nan]])))

    lse, slopes = run(bias, *nodes)
    np.testing.assert_allclose(lse.ravel(), [1 + np.log(2), -np.inf], rtol=1e-6)
    assert all(jnp.isfinite(x).all() for x in slopes)


def test_a_kernel_without_it_is_passed_by(monkeypatch):
    monkeypatch.setattr(splash, "on_tpu", lambda: True)
    monkeypatch.setattr(cudnn, "on_gpu", lambda: True)
    operands = [jnp.zeros((128, 1, 64), jnp.bfloat16)] * 3
    layout = tgnn.Complete(128)
    for vendor in (cudnn.CuDNN, splash.Splash):
        monkeypatch.setattr(executions, "EXECUTIONS", [vendor()])
        with pytest.raises(ValueError, match="it gives no log-sum-exp"):
            tgnn.attend(layout, *operands, implementation="fused", return_lse=True)
        assert choose_for(layout, *operands) is None


# -- merging ----------------------------------------------------------------------------------------------------------


def split(parts, seed=0):
    """Edges dealt out among parts, the last of which has none."""
    layout = LAYOUTS["edges"]
    owner = np.random.default_rng(seed).integers(0, parts - 1, layout.n_edge)
    sizes = {"n_receivers": layout.n_receivers, "n_senders": layout.n_senders}
    lists = [np.asarray(x) for x in (layout.senders, layout.receivers)]
    return layout, [tgnn.EdgeList.from_edges(*lists, mask=owner == part, **sizes) for part in range(parts)]


@pytest.mark.slow
def test_merged_parts_are_the_whole_with_gradients():
    layout, parts = split(4)
    nodes = inputs(layout)

    @jax.jit
    def both(*nodes):
        attend = lambda layout, *nodes: tgnn.attend(layout, *nodes, return_lse=True)  # noqa: E731
        merged = lambda *nodes: merge(*zip(*(attend(x, *nodes) for x in parts), strict=True))  # noqa: E731
        (found, pull), (expected, known) = jax.vjp(merged, *nodes), jax.vjp(partial(attend, layout), *nodes)
        to = jnp.cos(expected[0]), jnp.where(jnp.isfinite(expected[1]), 0.3, 0.0)
        return found, expected, pull(to), known(to)

    found, expected, slopes, known = both(*nodes)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=5e-7)
    for a, b in zip(slopes, known, strict=True):
        close(a, b, 2e-6)


@pytest.mark.slow
def test_merging_is_exact_in_any_grouping():
    """To 2e-7 of NumPy's float64, where the sums of the parts are exact themselves."""
    rng = np.random.default_rng(0)
    outputs, lses = rng.normal(size=(5, 6, 2, 3)), rng.normal(size=(5, 6, 2)) * 9
    lses[1, 2], lses[:, 4] = -np.inf, -np.inf
    outputs, lses = (np.float64(np.float32(x)) for x in (outputs, lses))
    weights = np.exp(lses - np.where(np.isfinite(lses.max(0)), lses.max(0), 0))
    total = np.where(weights.sum(0) == 0, 1, weights.sum(0))
    expected = (weights[..., None] * outputs).sum(0) / total[..., None]
    parts = jnp.asarray(outputs, jnp.float32), jnp.asarray(lses, jnp.float32)
    found = merge(*parts)
    np.testing.assert_allclose(found[0], expected, rtol=2e-7, atol=2e-7)
    first, rest = (merge(*(x[part] for x in parts)) for part in (slice(0, 2), slice(2, 5)))
    again = merge(*zip(first, rest, strict=True))
    np.testing.assert_allclose(again[0], found[0], atol=1e-6)  # a log-sum-exp of 20 has seven digits
    np.testing.assert_allclose(again[1], found[1], rtol=2e-7)
    assert (again[1][4] == -jnp.inf).all() and (again[0][4] == 0).all()


def test_merging_refuses_what_attend_does_not_return():
    with pytest.raises(ValueError, match=r"outputs must have shape \[parts"):
        merge(jnp.zeros((3, 2, 1)), jnp.zeros((3, 2)))
