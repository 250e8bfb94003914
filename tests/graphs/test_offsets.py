"""Offsets of causal graphs and windows as pytrees: 0 is a part of the structure, any other is a leaf."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tgnn.graphs.padding import stack

MAKE = {"causal": tgnn.Causal, "window": lambda n, offset=0: tgnn.Window(n, 2, 1, offset=offset)}


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
def test_a_plain_graph_is_known_as_one_under_jit(make):
    seen = []
    jax.jit(lambda layout: seen.append(layout.known_mask()))(make(5))
    assert seen == [make(5).known_mask()] != [None]


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
def test_another_offset_is_a_number_that_changes_without_compiling(make):
    compiled = []

    @jax.jit
    def edges(layout):
        compiled.append(layout)
        return layout.adjacency()

    for offset in (1, 2, jnp.int32(0), jnp.int32(3)):
        np.testing.assert_array_equal(edges(make(5, offset=offset)), make(5, offset=int(offset)).adjacency())
    assert len(compiled) == 2  # Python's numbers and JAX's are of two types


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
@pytest.mark.parametrize("offset", [0, 2, jnp.int32(0)], ids=str)
def test_a_tree_is_rebuilt_whole(make, offset):
    layout = make(5, offset=offset).with_segments(jnp.arange(5) // 2)
    leaves, treedef = jax.tree.flatten(layout)
    assert jax.tree.structure(treedef.unflatten(leaves)) == treedef
    again = jax.tree.map(lambda x: x, layout)
    np.testing.assert_array_equal(again.adjacency(), layout.adjacency())
    names = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_flatten_with_path(layout)[0]]
    assert names == [*[".offset"] * (len(leaves) - 2), ".receiver_segments", ".sender_segments"]


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
def test_layouts_with_several_offsets_are_stacked_as_what_they_are(make):
    layouts = [make(5), make(5, offset=2)]
    for several in (layouts, layouts[:1] * 2, layouts[1:] * 2):
        stacked = stack(several)
        assert type(stacked) is type(several[0])
        found = jax.vmap(lambda layout, _: layout.adjacency())(stacked, jnp.zeros(2))
        np.testing.assert_array_equal(found, [layout.adjacency() for layout in several])
