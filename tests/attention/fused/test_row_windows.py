"""RowWindows tile by tile: every argument of `attend`, in any order of tiles, and in little memory."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.cases import CASES, assert_dead_rows_may_hold_anything, assert_equals_definition, inputs
from tests.support.layouts import LAYOUTS
from tgnn.patterns import icosahedral_mesh, k_hop

NAMES = [name for name, layout in LAYOUTS.items() if isinstance(layout, tgnn.RowWindows)]
fused = partial(tgnn.attend, implementation="fused")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", CASES)
def test_every_layout_and_argument(name, case):
    assert_equals_definition(LAYOUTS[name], case)


def test_tiles_may_come_in_any_order():
    layout = LAYOUTS["row windows padded"]
    order = np.random.default_rng(0).permutation(layout.edge_shape[0])
    windows, senders, mask = (x[order] for x in (layout.windows, layout.senders, layout.mask))
    shuffled = tgnn.RowWindows(layout.receivers, layout.places, windows, senders, mask, layout.n_senders)
    nodes = inputs(layout)
    run = jax.jit(fused)
    np.testing.assert_allclose(run(shuffled, *nodes), run(layout, *nodes), atol=1e-6)


@pytest.mark.nans
def test_rows_without_edges_are_exactly_zero_and_may_hold_anything():
    assert_dead_rows_may_hold_anything(LAYOUTS["row windows padded"])


@pytest.mark.slow
def test_stacked_layouts():
    layout = LAYOUTS["row windows padded"]
    turned = (jnp.flip(x, 0) for x in (layout.windows, layout.senders, layout.mask))
    layouts = [layout, tgnn.RowWindows(layout.receivers, layout.places, *turned, layout.n_senders)]
    batch = [jnp.stack([x, -x]) for x in inputs(layout)]
    expected = [tgnn.attend(x, *(y[i] for y in batch), implementation="definition") for i, x in enumerate(layouts)]
    got = jax.jit(jax.vmap(fused))(tgnn.stack(layouts), *batch)
    np.testing.assert_allclose(got, jnp.stack(expected), atol=1e-6)


@pytest.mark.slow
def test_a_mesh_in_little_memory():
    """A tenth of the definition's temporary memory, and nothing of the size of all tiles."""
    layout = tgnn.RowWindows.from_edges(*k_hop(icosahedral_mesh(4).layout, 8).pairs(), n_receivers=2562)
    nodes = [jax.ShapeDtypeStruct((2562, 4, 16), jnp.float32)] * 3

    def memory(implementation):
        def both(layout, *nodes):
            output, pull = jax.vjp(partial(tgnn.attend, layout, implementation=implementation), *nodes)
            return output, pull(output)

        return jax.jit(both).lower(layout, *nodes).compile().memory_analysis().temp_size_in_bytes

    assert memory(None) < memory("definition") / 10  # None: what is chosen on CPU
