"""Indices of every integer type, at the sizes where they wrap around."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest

import tgnn
from tests.support.calls import attend, close

# The type, and a number of nodes that it cannot hold, or that is its own limit.
TYPES = [("uint8", 256)]
TYPES += [
    pytest.param(*x, marks=pytest.mark.slow)
    for x in (("int8", 200), ("uint16", 65_536), ("uint32", 300), ("int64", 300))
]


def nodes(n):
    rng = np.random.default_rng(n)
    return [jnp.asarray(rng.normal(size=(n, 2, 3)), jnp.float32) for _ in range(3)]


@pytest.mark.slow
@pytest.mark.parametrize("dtype, n", TYPES)
def test_edges_of_small_integers_are_those_of_int32(dtype, n):
    most = min(n - 1, np.iinfo(dtype).max)
    senders, receivers = np.array([0, 1, most, 5], dtype), np.array([1, 0, 2, most], dtype)
    wide = [x.astype(np.int32) for x in (senders, receivers)]
    listed = tgnn.EdgeList.from_edges(*wide, n_receivers=n)
    operands = nodes(n)
    expected, summed = attend(listed, *operands), tgnn.aggregate(listed, operands[2])
    graph = jraph.GraphsTuple(None, None, receivers, senders, None, np.array([n]), np.array([4]))
    on_device = graph._replace(senders=jnp.asarray(senders), receivers=jnp.asarray(receivers))
    for layout in (
        graph,
        on_device,
        tgnn.EdgeList(on_device.senders, on_device.receivers, n, n),
        tgnn.EdgeList.from_edges(senders, receivers, n_receivers=n),
        tgnn.Blocks.from_edges(senders, receivers, 4, n_receivers=n),
        tgnn.Neighbors.from_edges(senders, receivers, n_receivers=n),
        tgnn.RowWindows.from_edges(senders, receivers, 4, n_receivers=n),
    ):
        close(tgnn.attend(layout, *operands), expected, 1e-6)
        close(tgnn.aggregate(layout, operands[2]), summed, 1e-6)
    assert float(tgnn.aggregate(on_device, jnp.ones((n, 1))).sum()) == 4
    assert float(tgnn.degrees(tgnn.batch([graph, graph]).layout).sum()) == 8
    assert listed.locate(senders, receivers)[0].tolist() == [0, 1, 2, 3]
    assert tgnn.Causal(n).locate(on_device.senders, on_device.receivers)[0].tolist() == wide[1].tolist()
    for kind in (tgnn.Blocks, tgnn.RowWindows):
        tiles = kind.from_edges(senders, receivers, 4, n_receivers=n)
        assert float(tiles.arrange(jnp.ones(4), senders, receivers).sum()) == 4
    weights = tgnn.attention_weights(listed, *operands[:2])
    found = tgnn.attention_weights(listed, *operands[:2], at=(np.arange(4).astype(dtype), np.ones(4, dtype)))
    close(found, weights[:, 1], 1e-6)
    assert tgnn.segment_softmax(jnp.zeros(4), receivers, n).tolist() == [1, 1, 1, 1]


def test_fields_are_of_a_type_that_holds_every_size_and_an_edge_beyond_it_is_dead():
    layout = tgnn.EdgeList(np.array([0, 2**32 + 1]), np.zeros(2, np.uint8), 2, 2)  # whose lower half is 1
    assert layout.senders.dtype == layout.receivers.dtype == np.int32
    assert layout.live.tolist() == [True, False]


@pytest.mark.parametrize("dtype, n", TYPES[:2])
def test_segments_offsets_and_prefixes_of_small_integers_are_those_of_int32(dtype, n):
    segments = (np.arange(n) // 2).astype(dtype)
    last = np.asarray(np.iinfo(dtype).max, dtype)
    for make in (
        lambda x: tgnn.Complete(n, receiver_segments=x(segments), sender_segments=x(segments)),
        lambda x: tgnn.Window(n, 3, 3, receiver_segments=x(segments), sender_segments=x(segments)),
        lambda x: tgnn.Causal(n, offset=x(last)),
        lambda x: tgnn.Window(n, 50, 0, offset=x(last)),
        lambda x: tgnn.Prefix(n, x(0 * last)),
    ):
        small, wide = make(jnp.asarray), make(lambda x: jnp.asarray(x, jnp.int32))
        np.testing.assert_array_equal(small.adjacency(), wide.adjacency())
        np.testing.assert_array_equal(np.stack(small.pairs()), np.stack(wide.pairs()))


@pytest.mark.slow
def test_tables_tiles_and_chunks_of_small_integers_are_those_of_int32():
    rng = np.random.default_rng(0)
    table = tgnn.Neighbors(jnp.asarray(rng.integers(0, 256, (256, 2))), 256)
    steps = np.arange(600)
    tiles = tgnn.Blocks.from_edges(steps, steps[::-1], 2, n_receivers=600)  # 300 blocks, of which uint8 holds 256
    low = tiles.block_receivers < 256
    tiles = replace(tiles, mask=tiles.mask & low[:, None, None] & (tiles.block_senders < 256)[:, None, None])
    windows = tgnn.RowWindows.from_edges(steps[:255], steps[:255], 8, n_receivers=255)
    buckets = tgnn.patterns.lsh_buckets(256, rng.integers(0, 9, (2, 256)), chunk=8)
    rows = "receivers", "places", "windows", "senders"
    fields = ("senders",), ("block_receivers", "block_senders"), rows, ("nodes", "places")
    for layout, names in zip((table, tiles, windows, buckets), fields, strict=True):
        types = {"places": jnp.uint16}
        small = replace(layout, **{name: getattr(layout, name).astype(types.get(name, jnp.uint8)) for name in names})
        np.testing.assert_array_equal(small.adjacency(), layout.adjacency())
    assert jax.tree.leaves(small)[0].dtype == jnp.int32
