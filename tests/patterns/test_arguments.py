"""Impossible arguments are said in one sentence, and any integer type is as good as int32."""

import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.support.pairs import adjacency, equal
from tgnn import patterns

MOST = 10**9

IMPOSSIBLE = {
    "negative n": (lambda: patterns.causal(-1), "n must be an integer of at least 0, got -1"),
    "float n": (lambda: patterns.window(3.0, 1), "n must be an integer known before jit, got 3.0"),
    "left": (lambda: patterns.window(3, -1), "left must be .* at least 0, got -1"),
    "dilation": (lambda: patterns.dilated(3, 1, 1, 0), "dilation must be .* at least 1, got 0"),
    "length": (lambda: patterns.prefix(3, -1), "length must be .* at least 0"),
    "length of an array": (lambda: patterns.prefix(3, jnp.array(-1)), "length must be .* at least 0"),
    "float length": (lambda: patterns.prefix(5, jnp.array(1.5)), "length must be a single integer, got float32"),
    "lengths": (lambda: patterns.prefix(5, jnp.array([1, 2])), r"length must be .* of shape \(2,\).* use jax.vmap"),
    "traced length": (lambda: jax.jit(lambda x: patterns.prefix(5, x))(1.5), "length must be a single integer"),
    "rows of chains": (lambda: patterns.chain(3, np.zeros((1, 3), int)), r"shape \[3\] .* shape \(1, 3\); .*jax.vmap"),
    "traced chain": (lambda: jax.jit(lambda s: patterns.chain(3, s))(np.zeros(3, int)), "build the chain outside jit"),
    "rows of documents": (lambda: patterns.document(3, np.zeros((2, 3), int)), r"shape \[3\] .* shape \(2, 3\)"),
    "wide segments": (
        lambda: patterns.document(2, np.array([2**32, 0])),
        "segments must fit into int32, got 0 to 4294",
    ),
    "low segments": (lambda: patterns.document(2, np.array([0, -(2**32)])), r"renumber them, .* np.unique\(segments"),
    "global of none": (lambda: patterns.longformer(0, 1, [3]), r"global_nodes\[0\] is 3, expected"),
    "seed": (lambda: patterns.expander(5, 2, seed=1.5), "seed must be an integer known before jit, got 1.5"),  # pyright: ignore
    "negative seed": (lambda: patterns.bigbird(5, 2, seed=-1), "seed must be .* at least 0, got -1"),
    "huge k": (lambda: patterns.relations(3, MOST), "k is 1000000000, too large .* choose at most n, 3"),
    "unsigned hashes": (
        lambda: jax.jit(lambda x: patterns.lsh_buckets(1, x))(np.zeros(1, np.uint32)),
        "hashes must be signed under jit, got uint32; cast them",
    ),
    "stride": (lambda: patterns.strided(3, 0), "stride must be .* at least 1"),
    "summary": (lambda: patterns.fixed(3, 2, 3), "summary is 3, but a stretch has 2 nodes"),
    "global": (lambda: patterns.longformer(3, 1, [3]), r"global_nodes\[0\] is 3, expected an index in \[0, 3\)"),
    "even window": (lambda: patterns.bigbird(3, n_window=2), "n_window is 2, but .* odd"),
    "block": (lambda: patterns.bigbird(3, 0), "block must be .* at least 1"),
    "odd degree": (lambda: patterns.expander(3, 3), "degree is 3, but .* even"),
    "segments": (lambda: patterns.document(3, [0, 1]), r"segments must be integers of shape \[3\]"),
    "memory": (lambda: patterns.memory(3, -1), "n_memory must be .* at least 0"),
    "past": (lambda: patterns.cached_past(3, 1, span=-2), "span must be .* at least 0"),
    "spans": (lambda: patterns.adaptive_span(3, [-1.0]), "spans and ramp must be finite and at least 0"),
    "no spans": (lambda: patterns.adaptive_span(3, []), "spans and ramp must be finite"),
    "traced spans": (lambda: jax.jit(lambda x: patterns.adaptive_span(3, x))(np.ones(2)), "spans is traced"),
    "max_nodes": (lambda: patterns.statistics(patterns.causal(3), max_nodes=-1), "max_nodes must be .* at least 0"),
    "chain": (lambda: patterns.chain(3, [0, 0, 1], n_past=1), "n_past is 1, but only one chain"),
    "hashes": (lambda: patterns.lsh_buckets(3, [0, 1]), r"hashes must be integers of shape \[3\] or \[rounds, 3\]"),
    "float hashes": (lambda: patterns.lsh_buckets(2, [0.0, 1.0]), "got float64 of shape"),
    "k": (lambda: patterns.binary_partition(3, 0), "k must be .* at least 1"),
    "head": (lambda: patterns.dependency(2, [-1, 2]), r"heads must lie in \[-1, 2\), got -1 to 2"),
    "cycle": (lambda: patterns.dependency(3, [1, 0, -1]), "heads has a cycle through node"),
    "loop": (lambda: patterns.dependency(1, [0]), "heads has a cycle through node 0"),
    "two parents": (lambda: patterns.constituency(3, [[1], [-1], [1]]), "node 1 is a child 2 times"),
    "child": (lambda: patterns.constituency(2, [[2], [-1]]), r"children must lie in \[-1, 2\)"),
    "table": (lambda: patterns.constituency(2, [0, 1]), r"children must be integers of shape \[2, arity\]"),
    "direction": (lambda: patterns.dependency(1, [-1], direction="left"), 'direction must be "up", "down" or "both"'),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_impossible_arguments(case):
    build, message = IMPOSSIBLE[case]
    with pytest.raises(ValueError, match=message):
        build()


SMALL = np.uint8, np.int8, np.uint16, np.int64, list


def as_type(values, dtype):
    return np.asarray(values).tolist() if dtype is list else np.asarray(values, dtype)


TYPED = {  # more nodes than int8 counts
    "document": lambda cast: patterns.document(200, cast(np.arange(200) % 5)),
    "document under jit": lambda cast: jax.jit(lambda s: patterns.document(200, s))(np.array(cast(np.arange(200) % 5))),
    "chain": lambda cast: patterns.chain(200, cast(np.arange(200) // 40)),
    "global_nodes": lambda cast: patterns.longformer(200, 2, cast([0, 100])),
    "hashes": lambda cast: patterns.lsh_buckets(200, cast(np.arange(200) % 7), chunk=16),
    "hashes under jit": lambda cast: jax.jit(lambda x: patterns.lsh_buckets(200, x, chunk=16))(
        np.array(cast(np.arange(200) % 7)).astype(np.int8)
    ),
    "prefix under jit": lambda cast: jax.jit(lambda x: patterns.prefix(200, x))(np.array(cast(100))),
    "n and k": lambda cast: patterns.window(200, np.array(cast(3)), np.array(cast(2))),
}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", SMALL)
@pytest.mark.parametrize("name", TYPED)
def test_any_integer_type_gives_the_graph_of_int32(name, dtype):
    expected = adjacency(TYPED[name](lambda x: np.asarray(x, np.int32)))
    equal(TYPED[name](lambda x: as_type(x, dtype)), expected)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64, list])
@pytest.mark.parametrize("direction", ["up", "down", "both"])
def test_trees_take_any_signed_type(dtype, direction):
    heads = np.where(np.arange(200) > 0, np.arange(200) // 2, -1)
    children = np.full((200, 2), -1)
    children[0] = [100, 7]
    for build, table in ((patterns.dependency, heads), (patterns.constituency, children)):
        layout = build(200, as_type(table, dtype), direction=direction)
        equal(layout, adjacency(build(200, table, direction=direction)))


def test_a_prefix_longer_than_int32_is_the_whole():
    with jax.enable_x64(True):
        layout = jax.jit(lambda x: patterns.prefix(5, x))(np.int64(2**33))
    equal(layout, np.ones((5, 5), bool))


@pytest.mark.slow
def test_eager_calls_compile_once(caplog):
    hashes = np.random.default_rng(0).integers(0, 4, (2, 37))

    def build():
        patterns.lsh_buckets(37, hashes, chunk=8)
        patterns.chain(37)
        patterns.star(37)
        patterns.statistics(patterns.bigbird(37, 4))

    build()
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        build()
    assert not [record.message for record in caplog.records if "ompil" in record.message]
