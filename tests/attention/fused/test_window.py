"""Window in banded tiles: equal to the definition, with memory that grows with n and not with n squared."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.calls import close
from tests.support.cases import CASES, assert_dead_rows_may_hold_anything, assert_equals_definition, inputs, normal
from tests.support.layouts import LAYOUTS
from tgnn.attention.fused import window

NAMES = [name for name, layout in LAYOUTS.items() if isinstance(layout, tgnn.Window)]
fused = partial(tgnn.attend, implementation="fused")
define = jax.jit(partial(tgnn.attend, implementation="definition"))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", CASES)
def test_every_layout_and_argument(name, case):
    assert_equals_definition(LAYOUTS[name], case)


@pytest.mark.slow
@pytest.mark.parametrize("offset", [0, 7, -101, 1009])
@pytest.mark.parametrize(("left", "right", "dilation"), [(37, 0, 1), (0, 5, 2), (3, 200, 1), (300, 300, 7), (0, 0, 1)])
def test_shapes_of_windows(offset, left, right, dilation):
    """Several tiles in each class, windows wider than the graph, and offsets that leave nothing to see."""
    for n, m in ((211, 211), (211, 97), (5, 211)):
        layout = tgnn.Window(n, left, right, dilation=dilation, n_senders=m, offset=jnp.asarray(offset))
        nodes = inputs(layout)
        np.testing.assert_allclose(fused(layout, *nodes), define(layout, *nodes), atol=1e-5)


@pytest.mark.slow
def test_slots_follow_tiles_that_were_moved_inside(monkeypatch):
    """Per-edge arrays stay with their edges at the border, in several tiles and classes."""
    layout = tgnn.Window(101, 17, 3, dilation=2, n_senders=83, offset=-5)
    assert layout.n_block > 1
    assert_equals_definition(layout, "per edge")


@pytest.mark.slow
@pytest.mark.nans
def test_rows_without_edges_are_exactly_zero_and_may_hold_anything():
    layout = tgnn.Window(41, 2, 1, dilation=3, n_senders=43, offset=jnp.asarray(-9))
    adjacency = np.asarray(layout.adjacency())
    np.testing.assert_array_equal(window.touched(layout), adjacency.any(axis=1))
    np.testing.assert_array_equal(window.touched(window.reverse(layout)), adjacency.any(axis=0))
    assert_dead_rows_may_hold_anything(layout)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_touched_with_segments(seed):
    rng = np.random.default_rng(seed)
    layout = tgnn.Window(29, 3, 1, n_senders=31, offset=2)
    layout = layout.with_segments(rng.integers(-1, 9, 29), rng.integers(-1, 9, 31))
    adjacency = np.asarray(layout.adjacency())
    np.testing.assert_array_equal(window.touched(layout), adjacency.any(axis=1))
    np.testing.assert_array_equal(window.touched(window.reverse(layout)), adjacency.any(axis=0))


def test_new_offsets_do_not_retrace():
    traces = []

    @jax.jit
    def run(layout, *nodes):
        traces.append(1)
        return fused(layout, *nodes)

    nodes = inputs(tgnn.Window(37, 3, 2))
    for offset in (0, -4, 6):
        layout = tgnn.Window(37, 3, 2, offset=jnp.asarray(offset))
        np.testing.assert_allclose(run(layout, *nodes), define(layout, *nodes), atol=1e-6)
    assert len(traces) == 1


@pytest.mark.slow
def test_vmap_over_nodes_and_layouts():
    layouts = tgnn.stack([tgnn.Window(37, 3, 2, offset=jnp.asarray(o)) for o in (0, -30, 4)])
    batch = [jnp.stack([x, 2.0 * x, -x]) for x in inputs(tgnn.Window(37, 3, 2))]
    with jax.enable_x64(True):  # in float32 each is within 1e-6 of the truth, but not always of the other
        expected = jax.vmap(define)(layouts, *(np.asarray(x, np.float64) for x in batch))
    assert expected.dtype == np.float64
    np.testing.assert_allclose(jax.jit(jax.vmap(fused))(layouts, *batch), expected, atol=1e-6)


def test_compiled_program_at_65_536_nodes_has_nothing_square():
    n, heads, dim = 65_536, 2, 8
    layout = tgnn.Window(n, 128, 128)

    def both(*nodes):
        output, pull = jax.vjp(partial(tgnn.attend, layout), *nodes)  # what implementation=None chooses on CPU
        return output, pull(output)

    nodes = [jax.ShapeDtypeStruct((n, heads, dim), jnp.float32)] * 3
    compiled = jax.jit(both).lower(*nodes).compile()
    assert not re.search(rf"{n},{n}", compiled.as_text())
    arrays = n * heads * dim * 4
    assert compiled.memory_analysis().temp_size_in_bytes < 8 * arrays


@pytest.mark.parametrize("n, left", [(1, 500), (200, 700), pytest.param(300, 5, marks=pytest.mark.slow)])
def test_few_receivers_of_a_long_reach_are_a_short_program(n, left):
    """One receiver over a long past, as in decoding: not one slice for each step of the window."""
    m = n + left
    layout = tgnn.Window(n, left, 1, n_senders=m, offset=left)
    value, weights = normal(1, m, 2, 3), normal(2, *layout.edge_shape, 2)
    program = jax.make_jaxpr(layout.aggregate)(weights, value)
    assert str(program).count(" slice[") < 20
    i, j = np.indices((n, m))
    dense = tgnn.Dense(jnp.asarray((j >= i) & (j <= i + left + 1)))
    key = normal(3, m, 2, 3)
    close(
        layout.aggregate(layout.score(value[:n], key), value), dense.aggregate(dense.score(value[:n], key), value), 1e-5
    )
