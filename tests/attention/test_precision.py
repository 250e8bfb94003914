"""Numbers of every type: integers stay exact, sums are wide, nothing passes through a narrower type."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.calls import SCORES, close
from tests.support.layouts import COUNTS, EVERY, LAYOUTS
from tgnn.attention.aggregation import principal_neighbourhood, row_weights, symmetric_weights

FORMS = "edges", "window segments", "complete segments", "blocks", "neighbors", "buckets"
FORM = pytest.mark.parametrize("name", [FORMS[0], *(pytest.param(x, marks=pytest.mark.slow) for x in FORMS[1:])])


@EVERY
def test_integers_are_reduced_as_integers(layout):
    counts = COUNTS[next(name for name, x in LAYOUTS.items() if x is layout)]
    x = np.arange(layout.n_senders) + 2**24 + 1  # float32 has the even ones only
    pick = lambda op: np.array([op(x[row > 0]) if row.any() else 0 for row in counts])  # noqa: E731
    for reduction, expected in (("sum", counts @ x), ("max", pick(np.max)), ("min", pick(np.min))):
        found = tgnn.aggregate(layout, jnp.asarray(x, jnp.int32), reduction)
        assert found.dtype == jnp.int32
        np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
def test_small_integers_and_the_least_one():
    assert tgnn.aggregate(tgnn.Complete(1, 300), jnp.ones(300, jnp.uint8)).tolist() == [300]
    assert tgnn.aggregate(tgnn.Complete(1, 2), jnp.array([1, 2]), "mean").tolist() == [1.5]
    assert tgnn.aggregate(tgnn.Complete(1, 3), jnp.ones(3, bool)).tolist() == [3]
    assert tgnn.aggregate(tgnn.Complete(1, 2), jnp.array([1, 2]), edges=jnp.full((1, 2), 0.25)).tolist() == [3.5]
    assert tgnn.aggregate(tgnn.Complete(1, 2), jnp.array([3 * 10**9, 1], jnp.uint32)).tolist() == [3 * 10**9 + 1]
    assert tgnn.aggregate(tgnn.Complete(1, 2), jnp.array([3 * 10**9, 1], jnp.uint32), "max").tolist() == [3 * 10**9]
    least = np.iinfo(np.int32).min
    listed = tgnn.EdgeList.from_edges([0], [0], n_receivers=2)
    for reduction in ("max", "min"):
        assert tgnn.aggregate(listed, jnp.full(2, least), reduction).tolist() == [least, 0]


@pytest.mark.slow
@FORM
def test_verbs_of_half_precision_sum_in_float32(name):
    """4,096 ones: bfloat16 stops at 256, float16 at 2,048."""
    n = 4096
    index = np.arange(n)
    layout = {
        "edges": lambda: tgnn.EdgeList(jnp.arange(n), jnp.zeros(n, int), 1, n),
        "window segments": lambda: tgnn.Window(1, 0, n, n_senders=n),
        "complete segments": lambda: tgnn.Complete(1, n),
        "blocks": lambda: tgnn.Blocks.from_edges(index, 0 * index, 64, n_receivers=1, n_senders=n),
        "neighbors": lambda: tgnn.Neighbors(jnp.arange(n)[None], n),
        "buckets": lambda: tgnn.patterns.lsh_buckets(n, np.zeros(n, int), chunk=n, causal=False, keep_self=True),
    }[name]()
    for dtype in (jnp.bfloat16, jnp.float16):
        ones = jnp.ones((n, 1, 1), dtype)
        weights = jnp.ones((*layout.edge_shape, 1), dtype)
        near = 1 + 2**-7  # whose square has too many bits for either

        @jax.jit
        def verbs(layout, weights, ones, near=near):
            product = layout.aggregate(near * weights, near * ones.at[1:].set(0))
            return layout.reduce(weights), layout.aggregate(weights, ones)[..., 0], product[..., 0]

        *totals, product = verbs(layout, weights, ones)
        for total in totals:
            assert total.dtype == jnp.float32 and float(total[0, 0]) == n
        assert float(product[0, 0]) == near**2


@pytest.mark.slow
@pytest.mark.parametrize("dtype, expected", [("bfloat16", 9984), ("float16", 10_000)])
def test_gradients_of_ten_thousand_edges_are_added_in_float32(dtype, expected):
    n = 10_000  # rounded once, to the nearest number of the type
    one, index = jnp.ones((1, 1, 1), dtype), np.arange(n)
    for layout in (
        tgnn.EdgeList.from_edges(0 * index, index, n_receivers=n, n_senders=1),
        tgnn.Neighbors(jnp.zeros((n, 1), int), 1),
    ):
        weights, query = jnp.ones((n, *(1,) * len(layout.edge_shape)), dtype), jnp.ones((n, 1, 1), dtype)
        for run in (
            lambda x, layout=layout: tgnn.aggregate(layout, x),
            lambda x, layout=layout: layout.from_senders(x),
            lambda x, layout=layout, weights=weights: layout.aggregate(weights, x),
            lambda x, layout=layout, query=query: tgnn.attend(layout, query, one, x, implementation="definition"),
        ):
            slope = jax.grad(lambda x, run=run: run(x).astype(jnp.float32).sum())(one)
            assert float(slope[0, 0, 0]) == expected


@pytest.mark.slow
@EVERY
def test_weighted_degrees_in_float64_are_those_of_numpy(layout):
    with jax.enable_x64(True):
        weight = np.random.default_rng(0).random(layout.edge_shape)
        edges = layout.to_edges()
        live = np.asarray(edges.live)
        senders, receivers = np.asarray(edges.senders)[live], np.asarray(edges.receivers)[live]
        kept = weight[np.broadcast_to(True if layout.live is None else np.asarray(layout.live), layout.edge_shape)]
        degree = np.bincount(receivers, kept, layout.n_receivers)

        @jax.jit
        def weighted(layout, x):
            return tgnn.degrees(layout, edge_weight=x), symmetric_weights(layout, x).sum()

        found = weighted(layout, weight)
        close(found[0], degree, 1e-14)
        square = layout.n_receivers == layout.n_senders
        outer = degree if square else np.bincount(senders, kept, layout.n_senders)
        expected = (kept / np.sqrt(degree[receivers] * outer[senders])).sum()
        close(found[1], expected, 1e-13)


def mixed(layout, *dtypes):
    rng = np.random.default_rng(0)
    shapes = (layout.n_receivers, 2, 3), (layout.n_senders, 2, 3), (layout.n_senders, 2, 2)
    return [jnp.asarray(rng.normal(size=x), dtype) for x, dtype in zip(shapes, dtypes, strict=True)]


@pytest.mark.slow
@FORM
@pytest.mark.parametrize("score", [None, *(pytest.param(x, marks=pytest.mark.slow) for x in SCORES)])
def test_the_narrower_of_two_types_does_not_decide(name, score):
    """float16 beside float32 as in float32, and float32 beside float64 as in float64."""
    layout = LAYOUTS[name]
    score = tgnn.dot_product if score is None else SCORES[score](np.random.default_rng(1), 2, 3)
    with jax.enable_x64(True):
        for dtypes, tolerance in (
            (("float16", "float32", "float32"), 2e-6),
            (("float32", "bfloat16", "float64"), 1e-12),
        ):
            operands = mixed(layout, *dtypes)
            exact = [x.astype(jnp.float64) for x in operands]
            expected = tgnn.attend(layout.to_edges(), *exact, score=score, implementation="definition")
            for implementation in ("definition", "fused") if name not in ("neighbors", "buckets") else (None,):
                output = tgnn.attend(layout, *operands, score=score, implementation=implementation)
                assert output.dtype == dtypes[2]
                close(output, expected, tolerance)


@pytest.mark.parametrize("narrow", ["query", "key"])
def test_features_of_edges_beside_one_narrow_end_are_scored_in_the_wider_type(narrow):
    """float32 query and edges beside a float64 key were multiplied in float32."""
    layout = LAYOUTS["edges padded"]
    with jax.enable_x64(True):
        types = ("float32", "float64", "float32") if narrow == "query" else ("float64", "float32", "float32")
        operands = mixed(layout, *types)
        heads, dim = operands[0].shape[1:]
        edges = jnp.asarray(np.random.default_rng(5).normal(size=(*layout.edge_shape, heads, dim)), jnp.float32)
        exact = [x.astype(jnp.float64) for x in (*operands, edges)]
        options = {"return_lse": True}  # the output has the type of the values, the log-sum-exp the wider one
        _, expected = tgnn.attend(layout, *exact[:3], edges=exact[3], implementation="definition", **options)
        for implementation in ("definition", "fused"):
            _, found = tgnn.attend(layout, *operands, edges=edges, implementation=implementation, **options)
            assert found.dtype == jnp.float64
            close(*(np.where(np.isfinite(x), x, 0) for x in (found, expected)), 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMS)
def test_half_precision_under_strict_promotion(name):
    layout = LAYOUTS[name]
    operands, shape = mixed(layout, "bfloat16", "float32", "float16"), layout.edge_shape
    full = lambda *sizes, dtype="bfloat16": jnp.ones((*shape, *sizes), dtype)  # noqa: E731
    extra = {"bias": full(2, dtype="float16"), "edge_value": full(2, 2), "scale": jnp.ones(2, "float16")}
    scores = {key: jax.tree.map(lambda x: jnp.asarray(x, "bfloat16"), f(np.random, 2, 3)) for key, f in SCORES.items()}
    with jax.numpy_dtype_promotion("strict"):
        for key, score in {"dot product": tgnn.dot_product, **scores}.items():
            edges = full(2) if key == "additive" else full(2, 3)
            drop = {"dropout_rate": 0.5, "rng": jax.random.key(0)}
            for way in ("definition", "fused") if name not in ("neighbors", "buckets") else (None,):
                run = lambda *x, **more: tgnn.attend(layout, *x, **more).astype("float32").sum()  # noqa: E731
                options = {"score": score, "edges": edges, "implementation": way, **extra, **drop}
                gradient = lambda *x, run=run, o=options: jax.grad(run)(*x, **o)  # noqa: E731
                assert jax.eval_shape(gradient, *operands).dtype == operands[0].dtype  # promotions raise in tracing
                if key == "dot product":
                    assert jnp.isfinite(jax.jit(gradient)(*operands)).all()
        x = jnp.ones((layout.n_senders, 2), "bfloat16")
        edges = full(2, dtype="float16")
        for reduction in ("sum", "mean", "max", "min", "std", "softmax"):
            reduce = partial(tgnn.aggregate, layout, reduction=reduction)
            assert jax.eval_shape(lambda x, edges, f=reduce: f(x, edges=edges), x, edges).dtype == x.dtype
        assert jax.eval_shape(partial(principal_neighbourhood, layout), x, 1.0).dtype == x.dtype
        weights = jax.jit(lambda layout, x: (symmetric_weights(layout, x), row_weights(layout)))(layout, full())
        assert all(jnp.isfinite(x).all() for x in weights)


@pytest.mark.slow
@pytest.mark.parametrize("implementation", ["definition", "fused"])
@pytest.mark.parametrize("scale", [0.5, pytest.param([0.5, 0.7], marks=pytest.mark.slow)])
@pytest.mark.nans
def test_the_gradient_of_a_scale_does_not_see_rows_without_an_edge(implementation, scale):
    rng = np.random.default_rng(0)
    nodes = [jnp.asarray(rng.normal(size=(4, 2, 3)), jnp.float32) for _ in range(3)]
    rule = tgnn.Complete(4).with_segments([0, 0, 0, -1])
    for layout in (rule, rule.to_edges(), tgnn.Window(4, 3, 3).with_segments([0, 0, 0, -1])):

        @jax.jit
        @partial(jax.grad, argnums=1)
        def slope(nodes, scale, layout=layout):
            return (tgnn.attend(layout, *nodes, scale=scale, implementation=implementation) ** 2).sum()

        poisoned = [x.at[3].set(jnp.nan) for x in nodes]
        close(slope(poisoned, jnp.asarray(scale)), slope(nodes, jnp.asarray(scale)), 1e-6)
