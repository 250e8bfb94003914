"""Blocks tile by tile, and the order of nodes that fills tiles."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.cases import CASES, assert_dead_rows_may_hold_anything, assert_equals_definition, inputs, normal
from tests.support.layouts import LAYOUTS

NAMES = [name for name, layout in LAYOUTS.items() if isinstance(layout, tgnn.Blocks)]
fused = partial(tgnn.attend, implementation="fused")
define = jax.jit(partial(tgnn.attend, implementation="definition"))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", CASES)
def test_every_layout_and_argument(name, case):
    assert_equals_definition(LAYOUTS[name], case)


def test_tiles_may_come_in_any_order():
    layout = LAYOUTS["blocks padded"]
    order = np.random.default_rng(0).permutation(layout.edge_shape[0])
    shuffled = jax.tree.map(lambda x: x[order], layout)
    nodes = inputs(layout)
    run = jax.jit(fused)
    np.testing.assert_allclose(run(shuffled, *nodes), run(layout, *nodes), atol=1e-6)


@pytest.mark.nans
def test_rows_without_edges_are_exactly_zero_and_may_hold_anything():
    assert_dead_rows_may_hold_anything(LAYOUTS["blocks padded"])


@pytest.mark.slow
def test_stacked_layouts():
    layouts = [LAYOUTS["blocks padded"], LAYOUTS["blocks padded"]]
    layouts[1] = tgnn.Blocks(*(jnp.flip(x, 0) for x in jax.tree.leaves(layouts[1])), layouts[0].n_receivers, 11)
    batch = [jnp.stack([x, -x]) for x in inputs(layouts[0])]
    expected = [define(layout, *(x[i] for x in batch)) for i, layout in enumerate(layouts)]
    got = jax.jit(jax.vmap(fused))(tgnn.stack(layouts), *batch)
    np.testing.assert_allclose(got, jnp.stack(expected), atol=1e-6)


@pytest.mark.slow
def test_a_million_edges_in_little_memory():
    """A tenth of the definition's temporary memory, and nothing of the size of all tiles."""
    rng = np.random.default_rng(0)
    n, block, tiles = 4096, 64, 512
    rows, columns = np.divmod(rng.choice((n // block) ** 2, tiles, replace=False), n // block)
    layout = tgnn.Blocks(jnp.asarray(rows), jnp.asarray(columns), jnp.ones((tiles, block, block), bool), n, n)
    nodes = [jax.ShapeDtypeStruct((n, 4, 16), jnp.float32)] * 3

    def memory(implementation):
        def both(layout, *nodes):
            output, pull = jax.vjp(partial(tgnn.attend, layout, implementation=implementation), *nodes)
            return output, pull(output)

        return jax.jit(both).lower(layout, *nodes).compile().memory_analysis().temp_size_in_bytes

    assert memory(None) < memory("definition") / 10  # None: what is chosen on CPU


def scrambled_grid(side: int):
    """A grid graph whose nodes are numbered at random: nothing is near anything."""
    number = np.random.default_rng(0).permutation(side * side).reshape(side, side)
    pairs = [(number[:-1], number[1:]), (number[:, :-1], number[:, 1:])]
    senders, receivers = (np.concatenate([x[i].ravel() for x in pairs]) for i in (0, 1))
    return np.append(senders, receivers), np.append(receivers, senders)


@pytest.mark.slow
def test_reorder_fills_tiles_and_keeps_the_graph():
    senders, receivers = scrambled_grid(23)
    n = 23 * 23
    layout = tgnn.Blocks.from_edges(senders, receivers, 16, n_receivers=n)
    ordered, permutation = tgnn.reorder(layout)
    assert len(ordered.mask) < 0.4 * len(layout.mask)  # as many edges in fewer tiles
    assert sorted(permutation.tolist()) == list(range(n))
    adjacency = np.asarray(layout.adjacency())
    np.testing.assert_array_equal(ordered.adjacency(), adjacency[np.ix_(permutation, permutation)])
    nodes = [normal(i, n, 2, 4) for i in range(3)]
    run = jax.jit(fused)
    output = run(ordered, *(x[permutation] for x in nodes))
    np.testing.assert_allclose(output, run(layout, *nodes)[permutation], atol=1e-5)


def test_reorder_works_for_edge_lists_and_refuses_bipartite_graphs():
    senders, receivers = scrambled_grid(5)
    edges = tgnn.EdgeList.from_edges(senders, receivers, n_receivers=25)
    ordered, permutation = tgnn.reorder(edges)
    assert isinstance(ordered, tgnn.EdgeList)
    np.testing.assert_array_equal(ordered.adjacency(), np.asarray(edges.adjacency())[np.ix_(permutation, permutation)])
    with pytest.raises(ValueError, match="5 receivers and 7 senders"):
        tgnn.reorder(tgnn.Blocks.from_edges([0], [1], 2, n_receivers=5, n_senders=7))
    with pytest.raises(ValueError, match="Causal"):
        tgnn.reorder(tgnn.Causal(5))
