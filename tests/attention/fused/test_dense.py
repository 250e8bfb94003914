"""Layouts by a rule and Dense in tiles: equal to the definition, without [n, m] arrays, under all transformations."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

import tgnn
from tests.support.cases import CASES, assert_dead_rows_may_hold_anything, assert_equals_definition, inputs, normal
from tests.support.layouts import LAYOUTS, SEGMENTS_N, N
from tgnn.attention.fused import dense, products, rows

FAMILY = tgnn.Complete, tgnn.Causal, tgnn.Prefix, tgnn.Dense
NAMES = [name for name, layout in LAYOUTS.items() if isinstance(layout, FAMILY)]
fused = partial(tgnn.attend, implementation="fused")
define = jax.jit(partial(tgnn.attend, implementation="definition"))


@pytest.fixture
def small_tiles(monkeypatch):
    """Several tiles and several parts, with remainders, even in graphs of a dozen nodes."""
    monkeypatch.setattr(dense, "SIZE", 5)
    monkeypatch.setattr(dense, "WIDTH", 4)
    monkeypatch.setattr(dense, "NARROW", 3)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", CASES)
def test_every_layout_and_argument(name, case, small_tiles):
    assert_equals_definition(LAYOUTS[name], case)


@pytest.mark.parametrize("layout", [tgnn.Complete(5, 0), tgnn.Causal(0), tgnn.Complete(1)])
def test_few_nodes(layout):
    nodes = inputs(layout)
    np.testing.assert_allclose(fused(layout, *nodes), define(layout, *nodes), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("layout", [LAYOUTS["causal segments"], tgnn.Causal(N, offset=-3)], ids=["segments", "offset"])
@pytest.mark.nans
def test_rows_without_edges_are_exactly_zero_and_may_hold_anything(layout, small_tiles):
    assert_dead_rows_may_hold_anything(layout)


@pytest.mark.slow
def test_masked_values_of_any_size_change_nothing(small_tiles):
    layout = tgnn.Causal(N)
    query, key, value = inputs(layout)
    cut = 7

    @jax.jit
    def run(nodes):
        output, pull = jax.vjp(partial(fused, layout), query, *nodes)
        seen = jnp.where(jnp.arange(N)[:, None, None] < cut, 1.0, 0.0) * jnp.ones_like(output)
        return output[:cut], pull(seen)

    huge = [x.at[cut:].set(1e30) for x in (key, value)]
    for a, b in zip(jax.tree.leaves(run((key, value))), jax.tree.leaves(run(huge)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_vmap_and_scan(small_tiles):
    layout = LAYOUTS["causal segments"]
    batch = [jnp.stack([x, 2.0 * x, -x]) for x in inputs(layout)]
    expected = jax.vmap(partial(define, layout))(*batch)
    np.testing.assert_allclose(jax.jit(jax.vmap(partial(fused, layout)))(*batch), expected, atol=1e-6)
    scanned = jax.jit(lambda xs: jax.lax.scan(lambda carry, x: (carry, fused(layout, *x)), None, xs)[1])(batch)
    np.testing.assert_allclose(scanned, expected, atol=1e-6)


@pytest.mark.slow
def test_large_logits_keep_their_digits(small_tiles):
    """The gradient recomputes weights from maximum and sum, which one log-sum-exp of 3e4 would blur."""
    layout = LAYOUTS["causal offset"]
    query, key, value = inputs(layout)
    bias = jnp.full((*layout.edge_shape, 4), 3e4)

    @partial(jax.jit, static_argnums=0)
    def both(run, query, key):
        output, pull = jax.vjp(lambda *x: run(layout, *x, value, bias=bias), query, key)
        return output, *pull(normal(1, *output.shape))

    for a, b in zip(both(define, query, key), both(fused, query, key), strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-4, atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["causal segments", "window dilated", "blocks padded"])
def test_inside_shard_map(name, small_tiles):
    """A mesh of one device carries the same types as a large one: heads sharded, keys shared by all shards."""
    layout = LAYOUTS[name]
    mesh = jax.make_mesh((1,), ("heads",), axis_types=(jax.sharding.AxisType.Auto,))
    query, key, value = inputs(layout)
    spread, shared = PartitionSpec(None, "heads"), PartitionSpec()

    @partial(jax.jit, static_argnums=0)
    def both(run, *nodes):
        local = jax.shard_map(run, mesh=mesh, in_specs=(shared, spread, shared, spread), out_specs=spread)
        output, pull = jax.vjp(partial(local, layout), *nodes)
        return output, *pull(output)

    for a, b in zip(both(define, query, key, value), both(fused, query, key, value), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_derivatives_of_every_kind(small_tiles):
    """grad of grad, jvp, and forward over reverse."""
    layout = LAYOUTS["causal segments"]
    nodes = inputs(layout)

    def energy(run, *nodes):
        return (run(layout, *nodes) ** 2).sum()

    @partial(jax.jit, static_argnums=0)
    def curvature(run, nodes):
        gradient = jax.grad(partial(energy, run), argnums=(0, 1, 2))
        twice = jax.grad(lambda *nodes: sum((x**2).sum() for x in gradient(*nodes)), argnums=(0, 1, 2))
        return twice(*nodes), jax.jvp(gradient, nodes, nodes)[1], jax.jvp(partial(energy, run), nodes, nodes)[1]

    for a, b in zip(*(jax.tree.leaves(curvature(run, nodes)) for run in (define, fused)), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_stacked_layouts(small_tiles):
    """vmap over offsets and segments: the branches of a batch agree on a part that all may read."""
    segments = jnp.stack([jnp.asarray(SEGMENTS_N), jnp.zeros(N, int), -jnp.ones(N, int)])
    layouts = tgnn.stack(
        [tgnn.Causal(N, offset=jnp.asarray(o)).with_segments(s) for o, s in zip((0, -3, 5), segments, strict=True)]
    )
    nodes = inputs(tgnn.Causal(N))

    @partial(jax.jit, static_argnums=0)
    def both(run, layouts):
        energy = jax.value_and_grad(lambda q, layout: (run(layout, q, *nodes[1:]) ** 2).sum())
        return jax.vmap(energy, in_axes=(None, 0))(nodes[0], layouts)

    for a, b in zip(*(jax.tree.leaves(both(run, layouts)) for run in (define, fused)), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)


def test_new_offsets_do_not_retrace(small_tiles):
    traces = []

    @jax.jit
    def run(layout, *nodes):
        traces.append(1)
        return fused(layout, *nodes)

    nodes = inputs(tgnn.Causal(N))
    for offset in (0, -4, 6):
        layout = tgnn.Causal(N, offset=jnp.asarray(offset))
        np.testing.assert_allclose(run(layout, *nodes), define(layout, *nodes), atol=1e-6)
    assert len(traces) == 1


@pytest.mark.slow
def test_a_prefix_may_be_traced_and_of_any_length(small_tiles):
    nodes = [normal(i, N if i == 1 else N + 3, 4, 5) for i in (1, 2, 3)]

    @partial(jax.jit, static_argnums=0)
    def both(run, layout):
        output, pull = jax.vjp(partial(run, layout), *nodes)
        return output, *pull(output)

    for prefix in (-2, 0, 1, N - 4, N, N + 2, N + 9):
        layout = tgnn.Prefix(N, jnp.asarray(prefix), n_senders=N + 3)
        if prefix == N + 2:
            layout = layout.with_segments(SEGMENTS_N, np.append(SEGMENTS_N, [2, -1, 0]))
        for a, b in zip(both(define, layout), both(fused, layout), strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_parts_that_skip_or_spare_their_mask_say_the_truth(seed):
    rng = np.random.default_rng(seed)
    n, m, size, width = 23, 19, 4, 5
    layout = tgnn.Causal(n, n_senders=m, offset=int(rng.integers(-5, 9)))
    if seed % 5 == 2:
        layout = tgnn.Prefix(n, 7, n_senders=m)
    if seed % 2:
        layout = layout.with_segments(np.sort(rng.integers(-1, 4, n)), np.sort(rng.integers(-1, 4, m)))
    steps, parts = -(-n // size), -(-m // width)
    index, segments = dense.receivers(layout, steps, size, parts * width)
    kinds = np.asarray(dense.kinds(layout, index, segments, parts, width))
    padded = np.zeros((steps * size, parts * width), bool)
    padded[:n, :m] = layout.adjacency()
    padded[n:] = padded[n - 1]
    tiles = padded.reshape(steps, size, parts, width).swapaxes(1, 2)
    assert not tiles[kinds == rows.SKIP].any()
    assert tiles[kinds == rows.FREE].all()
    assert (kinds == rows.SKIP).any()


@pytest.mark.parametrize("layout", [tgnn.Complete(64), tgnn.Causal(64)], ids=["complete", "causal"])
def test_bfloat16_is_as_accurate_as_dense_softmax(layout):
    """FlexAttention's rule: at most 1.1 times the error of dense bfloat16 attention against float64."""
    nodes = [normal(i, 64, 2, 16).astype(jnp.bfloat16) for i in range(3)]
    query, key, value = (np.asarray(x, np.float64) for x in nodes)

    def softmax(logits, xp):
        logits = xp.where(np.asarray(layout.adjacency())[None], logits, -xp.inf)
        weights = xp.exp(logits - logits.max(-1, keepdims=True))
        return weights / weights.sum(-1, keepdims=True)

    exact = np.einsum("hnm,mhd->nhd", softmax(np.einsum("nhd,mhd->hnm", query, key) / 4.0, np), value)
    weights = softmax(jnp.einsum("nhd,mhd->hnm", *nodes[:2]) * 0.25, jnp)
    usual = np.abs(np.asarray(jnp.einsum("hnm,mhd->nhd", weights, nodes[2]), np.float64) - exact).mean()
    output = jax.jit(partial(fused, layout))(*nodes)
    assert output.dtype == jnp.bfloat16
    assert np.abs(np.asarray(output, np.float64) - exact).mean() <= 1.1 * usual


@pytest.mark.parametrize("layout", [tgnn.Complete(1024), tgnn.Causal(1024), tgnn.Prefix(1024, 300)], ids=str)
def test_compiled_program_has_no_gather_and_no_square_array(layout):
    nodes = [jnp.zeros((1024, 2, 8))] * 3

    def both(*nodes):
        output, pull = jax.vjp(partial(tgnn.attend, layout), *nodes)  # what implementation=None chooses on CPU
        return output, pull(output)

    compiled = jax.jit(both).lower(*nodes).compile()
    text = compiled.as_text()
    assert not re.search(r"\b(gather|scatter)\(", text)
    assert "1024,1024]" not in text
    assert compiled.memory_analysis().temp_size_in_bytes < 1024 * 1024 * 4


@pytest.mark.parametrize("shape", [(1, 3, 5, 7), (4, 2, 5, 7)])
def test_products_have_each_other_as_derivatives(shape):
    heads, group, n, m = shape
    x, y, w = normal(1, heads, group, n, 6), normal(2, heads, m, 6), normal(3, *shape)
    np.testing.assert_allclose(products.pair(x, y), jnp.einsum("agnd,amd->agnm", x, y), atol=1e-5)
    np.testing.assert_allclose(products.collect(w, y), jnp.einsum("agnm,amd->agnd", w, y), atol=1e-5)
    for product, plain, operands in (
        (products.pair, "agnd,amd->agnm", (x, y)),
        (products.collect, "agnm,amd->agnd", (w, y)),
    ):
        output, pull = jax.vjp(product, *operands)
        _, expected = jax.vjp(partial(jnp.einsum, plain), *operands)
        for a, b in zip(pull(output), expected(output), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-4)


def test_what_cannot_be_fused_says_why():
    class Odd(tgnn.Score):
        def __call__(self, layout, query, key, edges=None):
            return layout.score(query, key)

    jax.tree_util.register_dataclass(Odd, [], [])
    layout = tgnn.Complete(3)
    nodes = inputs(layout)
    with pytest.raises(ValueError, match="Odd defines __call__ itself"):
        fused(layout, *nodes, score=Odd())
    expected = define(layout, *nodes, scale=1.0)
    np.testing.assert_allclose(tgnn.attend(layout, *nodes, score=Odd()), expected, atol=1e-6)
