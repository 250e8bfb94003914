"""Every pattern equals its definition, written out pair by pair; edge sets obey the laws of sets."""

import importlib
import tracemalloc
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tgnn
from tests.support.reference import attend as reference_attend
from tgnn import patterns
from tgnn.graphs.host import pair_keys
from tgnn.models.sequences.bp_transformer import partition
from tgnn.patterns.hubs import random_tiles
from tgnn.patterns.spans import level_sizes

measure = importlib.import_module("tgnn.patterns.summary")  # the package has a function of this name
SIZES = st.integers(0, 23)
few = settings(max_examples=20)


def matrix(n, sees, n_senders=None):
    """The definition: bool [n, n_senders] from a rule on one receiver and one sender."""
    n_senders = n if n_senders is None else n_senders
    return np.array([[sees(i, j) for j in range(n_senders)] for i in range(n)], bool).reshape(n, n_senders)


def adjacency(layout):
    """Read from the fields of a layout in NumPy: nothing is compiled, and no code of the library runs."""
    n, m = layout.n_receivers, layout.n_senders
    i, j = np.indices((n, m))
    if isinstance(layout, tgnn.Dense):
        return np.asarray(layout.mask)
    if isinstance(layout, tgnn.EdgeList):
        return scattered(n, m, layout.receivers, layout.senders, layout.mask)
    if isinstance(layout, tgnn.Neighbors):
        return scattered(n, m, np.arange(n)[:, None], layout.senders, layout.mask)
    if isinstance(layout, tgnn.Blocks):
        rows, columns = (np.asarray(x)[:, None] * layout.block for x in (layout.block_receivers, layout.block_senders))
        within = np.arange(layout.block)
        return scattered(n, m, (rows + within)[:, :, None], (columns + within)[:, None, :], layout.mask)
    if isinstance(layout, tgnn.SortedChunks):
        slots = np.asarray(layout.nodes)
        before = np.concatenate([np.full_like(slots[:, :1], n), slots[:, :-1]], axis=1)[:, : slots.shape[1]]
        seen = np.concatenate([before, slots], axis=2) if slots.shape[1] > 1 else slots
        return scattered(n, m, slots[..., None], seen[..., None, :], np.asarray(layout.mask))
    if isinstance(layout, tgnn.Window):
        steps, rest = np.divmod(j - i - int(layout.offset), layout.dilation)
        sees = (rest == 0) & (-layout.left <= steps) & (steps <= layout.right)
    else:
        rules = {
            tgnn.Complete: lambda: i >= 0,
            tgnn.Causal: lambda: j <= i + layout.offset,
            tgnn.Prefix: lambda: (j <= i) | (j < layout.prefix),
        }
        sees = rules[type(layout)]()
    if layout.receiver_segments is not None:
        mine, theirs = np.asarray(layout.receiver_segments)[i], np.asarray(layout.sender_segments)[j]
        sees = sees & (mine == theirs) & (mine >= 0)
    return np.asarray(sees)


def scattered(n, m, receivers, senders, mask):
    """A matrix from index arrays; every live pair stands once."""
    receivers, senders, mask = np.broadcast_arrays(receivers, senders, mask)
    inside = mask & (receivers < n) & (senders < m)
    counts = np.zeros((n, m), int)
    np.add.at(counts, (receivers[inside], senders[inside]), 1)
    return counts > 0


def equal(layout, expected):
    np.testing.assert_array_equal(adjacency(layout), expected)


@few
@given(SIZES, st.integers(0, 9), st.integers(0, 9), st.integers(1, 4))
def test_rules_on_positions(n, a, b, c):
    equal(patterns.complete(n, a), np.ones((n, a), bool))
    equal(patterns.causal(n), matrix(n, lambda i, j: j <= i))
    equal(patterns.window(n, a, b), matrix(n, lambda i, j: i - a <= j <= i + b))
    equal(patterns.dilated(n, a, b, c), matrix(n, lambda i, j: (j - i) % c == 0 and -a <= (j - i) // c <= b))
    equal(patterns.prefix(n, a), matrix(n, lambda i, j: j <= i or j < a))
    equal(patterns.memory(n, a), np.ones((n, a + n), bool))
    equal(patterns.cached_past(n, a), matrix(n, lambda i, j: j <= i + a, a + n))
    equal(patterns.cached_past(n, a, b), matrix(n, lambda i, j: i + a - b <= j <= i + a, a + n))


@few
@given(SIZES, st.integers(1, 9), st.integers(0, 9))
def test_sparse_transformer(n, stride, summary):
    summary = min(summary, stride)
    recent, periodic = patterns.strided_parts(n, stride)
    equal(recent, matrix(n, lambda i, j: max(0, i - stride) <= j <= i))
    equal(periodic, matrix(n, lambda i, j: j <= i and (i - j) % stride == 0))
    equal(patterns.strided(n, stride), adjacency(recent) | adjacency(periodic))
    local, summaries = patterns.fixed_parts(n, stride, summary)
    equal(local, matrix(n, lambda i, j: j <= i and i // stride == j // stride))
    equal(summaries, matrix(n, lambda i, j: j <= i and j % stride in range(stride - summary, stride)))
    equal(patterns.fixed(n, stride, summary), adjacency(local) | adjacency(summaries))


@few
@given(SIZES, st.integers(0, 9), st.booleans(), st.sampled_from([None, 1, 5]), st.sets(st.integers(0, 22), max_size=3))
def test_longformer(n, window, causal, block, hubs):
    hubs = sorted(hub for hub in hubs if hub < n)
    layout = patterns.longformer(n, window, hubs, causal=causal, block=block)
    equal(
        layout,
        matrix(n, lambda i, j: (abs(i - j) <= window or i in hubs or j in hubs) and (j <= i or not causal)),
    )


@few
@given(SIZES, st.integers(0, 5))
def test_star(n, window):
    def sees(i, j):
        around = min((i - j) % max(n - 1, 1), (j - i) % max(n - 1, 1))
        return i == 0 or j == 0 or around <= window

    equal(patterns.star(n, window), matrix(n, sees))


@few
@given(SIZES, st.integers(1, 6), st.sampled_from([1, 3, 5]), st.integers(0, 2), st.integers(0, 3), st.integers(0, 9))
def test_bigbird(n, block, width, n_global, n_random, seed):
    layout = patterns.bigbird(n, block, n_window=width, n_global=n_global, n_random=n_random, seed=seed)
    sees = adjacency(layout)
    block = min(block, max(n, 1))
    ruled = matrix(
        n,
        lambda i, j: abs(i // block - j // block) <= width // 2 or min(i // block, j // block) < n_global,
    )
    assert (sees >= ruled).all()
    rows = -(-n // block)
    tiles = sees[::block, ::block]
    np.testing.assert_array_equal(sees, np.kron(tiles, np.ones((block, block), bool))[:n, :n])  # whole tiles
    extra = (tiles & ~ruled[::block, ::block]).sum(axis=1)
    np.testing.assert_array_equal(extra, np.minimum(n_random, rows - ruled[::block, ::block].sum(axis=1)))


def test_random_blocks_are_drawn_from_all_free_ones():
    rows, width, n_global, n_random = 9, 1, 2, 3
    drawn = np.zeros((rows, rows), int)
    for seed in range(200):
        drawn.ravel()[random_tiles(rows, width, n_global, n_random, seed)] += 1
    free = matrix(rows, lambda i, j: i >= n_global and j >= n_global and abs(i - j) > width)
    np.testing.assert_array_equal(drawn > 0, free)
    share = np.minimum(n_random / np.maximum(free.sum(axis=1, keepdims=True), 1), 1) * free
    np.testing.assert_allclose(drawn / 200, share, atol=0.17)  # five standard deviations


LONG = {
    "longformer": lambda n: patterns.longformer(n, 1, [0, n // 2], block=1),
    "causal longformer": lambda n: patterns.longformer(n, 1, causal=True, block=1),
    "bigbird": lambda n: patterns.bigbird(n, 1),
    "fixed": lambda n: patterns.fixed_parts(n, 1, 0),
    "statistics": lambda n: patterns.statistics(patterns.causal(n)),
}


@pytest.mark.parametrize("name", LONG)
def test_host_memory_of_long_sequences_is_no_matrix(name):
    n = 4096
    tracemalloc.start()
    try:
        LONG[name](n)
        assert tracemalloc.get_traced_memory()[1] < n**2 / 2  # a bool matrix has n ** 2 bytes
    finally:
        tracemalloc.stop()


MOST = 10**9
FAR = {
    "cached_past": lambda n, far: patterns.cached_past(n, 2, far),
    "window": lambda n, far: patterns.window(n, far, far),
    "star": patterns.star,
    "longformer": patterns.longformer,
    "bigbird": lambda n, far: patterns.bigbird(n, 2, n_window=2 * far + 1, n_global=far, n_random=far),
    "expander": lambda n, far: patterns.expander(n, 2 * far),
    "partition": patterns.binary_partition,
    "causal partition": lambda n, far: patterns.binary_partition(n, far, causal=True),
}


@pytest.mark.parametrize("n", [0, 1, 2, 5])
@pytest.mark.parametrize("name", FAR)
def test_reaching_beyond_all_nodes_costs_no_more_than_reaching_all(name, n):
    beyond, all_nodes = FAR[name](n, MOST), FAR[name](n, 7)
    assert np.prod(beyond.edge_shape) <= max(2 * (n + 2) ** 2, 1)
    equal(beyond, adjacency(all_nodes))


@pytest.mark.parametrize("n", [1, 2, 5, 13])
def test_relations_keep_the_k_that_is_beyond_n(n):
    k = 10**6
    level, offset = np.divmod(patterns.relations(n, k), 2 * k + 1)
    offset = np.where(offset > k, offset - k + n, offset)  # the right side begins at k + 1
    np.testing.assert_array_equal((2 * n + 1) * level + offset, patterns.relations(n, n))


STATIC = {
    "fixed": lambda: patterns.fixed(5, 2),
    "star": lambda: patterns.star(5) | patterns.window(5, 1),
    "longformer": lambda: patterns.longformer(5, 1) - patterns.causal(5),
    "bigbird": lambda: patterns.bigbird(5, 2, n_random=1) & patterns.star(5),
    "expander": lambda: patterns.expander(5, 2),
    "chain": lambda: patterns.chain(5, np.array([0, 0, 1, 1, 1])),
    "document": lambda: patterns.document(5, np.array([0, 0, 1, 1, 1])) | patterns.star(5),
    "tree": lambda: patterns.dependency(5, [-1, 0, 0, 1, 1]) | patterns.window(5, 1),
    "partition": lambda: partition([5], 2).layout,
}


@pytest.mark.parametrize("name", STATIC)
def test_what_is_static_is_built_under_jit(name):
    equal(jax.jit(STATIC[name])(), adjacency(STATIC[name]()))


@few
@given(SIZES, st.sampled_from([0, 2, 4, 6]), st.integers(0, 99))
def test_expander(n, degree, seed):
    layout = patterns.expander(n, degree, seed)
    sees = adjacency(layout)
    assert layout.edge_shape == (n, min(degree, max(n - 1, 0)))
    np.testing.assert_array_equal(sees, sees.T)
    assert not sees.diagonal().any() and sees.sum(axis=1).max(initial=0) <= degree
    if n > 1 and degree:
        assert patterns.statistics(layout).spectral_gap > 1e-3  # connected
        assert sees.sum(axis=1).min() >= min(2, n - 1)


def test_an_expander_is_far_better_connected_than_a_window_of_its_degree():
    expander = patterns.statistics(patterns.expander(401, 4))
    window = patterns.statistics(patterns.window(401, 2, 2))
    assert expander.diameter <= 10 < 200 == window.diameter
    assert expander.spectral_gap > 0.1 > 0.001 > window.spectral_gap


@few
@given(st.lists(st.integers(-1, 3), max_size=19), st.booleans())
def test_documents(segments, causal):
    layout = patterns.document(len(segments), np.array(segments, int), causal=causal)
    same = matrix(len(segments), lambda i, j: segments[i] == segments[j] >= 0 and (j <= i or not causal))
    equal(layout, same)


@few
@given(SIZES, st.lists(st.floats(0, 30), min_size=1, max_size=4), st.floats(0, 5), st.integers(1, 4))
def test_adaptive_span_holds_exactly_the_positive_masks(n, spans, ramp, multiple):
    layout = patterns.adaptive_span(n, spans, ramp=ramp)
    positive = [d for d in range(n) if d == 0 or any(d < span + ramp for span in spans)]
    equal(layout, matrix(n, lambda i, j: i - j in positive))
    longer = patterns.adaptive_span(n, spans, ramp=ramp, multiple=multiple)
    assert longer.left in range(layout.left, layout.left + multiple)


@few
@given(st.lists(st.integers(-1, 2), max_size=13), st.booleans())
def test_chain(segments, reverse):
    n, step = len(segments), -1 if reverse else 1
    equal(patterns.chain(n, reverse=reverse), matrix(n, lambda i, j: i == j + step))
    joined = matrix(n, lambda i, j: i == j + step and segments[i] == segments[j] >= 0)
    equal(patterns.chain(n, np.array(segments, int), reverse=reverse), joined)
    first = n - 1 if reverse else 0
    given_state = matrix(n, lambda i, j: i == first if j == n else i == j + step, n + 1)
    equal(patterns.chain(n, reverse=reverse, n_past=1), given_state)


def bucket_mates(hashes, chunk, causal, keep_self):
    """The Reformer's rule: the same bucket and the same or the previous chunk, in any round."""
    rounds, n = hashes.shape
    sees = np.zeros((n, n), bool)
    for bucket in hashes:
        order = sorted(range(n), key=lambda i: (bucket[i] < 0, bucket[i], i))
        place = {node: rank // min(chunk, n) for rank, node in enumerate(order)}
        for i in range(n):
            for j in range(n):
                sees[i, j] |= bucket[i] == bucket[j] >= 0 and place[i] - place[j] in (0, 1) and (j <= i or not causal)
    np.fill_diagonal(sees, False)
    for i in range(n):
        sees[i, i] = (hashes[:, i] >= 0).any() and (keep_self or not sees[i].any())
    return sees


BUCKETS = [(0, 1, 4, True), (1, 2, 4, True), (2, 1, 64, True), (13, 1, 5, False), (13, 2, 13, True), (23, 3, 4, True)]


@pytest.mark.parametrize("keep_self", [False, True])
@pytest.mark.parametrize("n, rounds, chunk, causal", BUCKETS)
def test_lsh_buckets(n, rounds, chunk, causal, keep_self):
    build = jax.jit(lambda hashes: patterns.lsh_buckets(n, hashes, chunk=chunk, causal=causal, keep_self=keep_self))
    for seed in range(5):
        hashes = np.random.default_rng(seed).integers(-1, 4, size=(rounds, n))
        layout, expected = build(hashes), bucket_mates(hashes, chunk, causal, keep_self)
        equal(layout, expected)
        assert np.asarray(layout.mask).sum() == expected.sum()  # no pair twice


WIDE = {
    "largest": np.array([2**31 - 1, 2**31 - 1, 0, -1, 2**31 - 1]),
    "int64": np.array([2**32, 0, 2**32, -(2**40), 5]),
    "uint64": np.array([2**64 - 1, 0, 2**64 - 1, 7, 2**63], np.uint64),
    "int8": np.array([127, 127, -1, -128, 0], np.int8),
    "uint8": np.array([255, 0, 255, 3, 255], np.uint8),
    "uint32": np.array([2**32 - 1, 0, 2**32 - 1, 2**31, 2**31], np.uint32),
}


@pytest.mark.parametrize("name", WIDE)
def test_equal_hashes_meet_whatever_their_width(name):
    hashes = WIDE[name]
    equal(patterns.lsh_buckets(5, hashes, chunk=2), bucket_mates(hashes[None], 2, True, False))


@pytest.mark.parametrize("name", ["largest", "int8", "uint8"])
def test_equal_hashes_meet_under_jit(name):
    layout = jax.jit(lambda hashes: patterns.lsh_buckets(5, hashes, chunk=2))(WIDE[name])
    equal(layout, bucket_mates(WIDE[name][None].astype(int), 2, True, False))


def test_the_future_moves_only_the_borders_of_chunks():
    hashes = np.random.default_rng(0).integers(0, 3, size=(2, 13))
    other = np.where(np.arange(13) < 9, hashes, 0)  # another future of the same past
    for chunk, depends in ((13, False), (2, True)):
        build = jax.jit(partial(patterns.lsh_buckets, 13, chunk=chunk))
        seen, instead = adjacency(build(hashes)), adjacency(build(other))
        assert not np.triu(seen, 1).any() and not np.triu(instead, 1).any()
        assert (seen[:9] != instead[:9]).any() == depends


def test_one_bucket_is_full_attention():
    equal(patterns.lsh_buckets(7, np.zeros(7, int), keep_self=True), np.tri(7, dtype=bool))


@few
@given(st.integers(0, 45), st.integers(1, 4), st.booleans())
def test_binary_partition_shows_every_token_exactly_once(n, k, causal):
    layout, spans = patterns.binary_partition(n, k, causal=causal), patterns.spans(n)
    sees = adjacency(layout)
    assert layout.n_receivers == layout.n_senders == len(spans)
    assert layout.n_edge == sees.sum()
    covers = (spans[:, :1] <= np.arange(n)) & (np.arange(n) < spans[:, 1:])  # [n_node, n]
    seen = sees[:n].astype(int) @ covers
    np.testing.assert_array_equal(seen, np.tri(n) if causal else np.ones((n, n)))
    np.testing.assert_array_equal(sees[n:], np.pad(covers[n:], ((0, 0), (0, len(spans) - n))))  # a span sees its tokens
    levels = len(level_sizes(n))
    assert sees[:n].sum(axis=1).max(initial=0) <= 1 + (1 if causal else 2) * k * levels


@few
@given(st.integers(1, 45), st.integers(1, 4), st.booleans())
def test_relations_tell_level_and_side(n, k, causal):
    layout, relation = patterns.binary_partition(n, k, causal=causal), patterns.relations(n, k, causal=causal)
    spans, sizes = patterns.spans(n), level_sizes(n)
    level_of = np.repeat(np.arange(len(sizes)), sizes)
    back = np.argsort(layout.order)  # to the caller's order
    senders, receivers = np.asarray(layout.senders)[back], np.asarray(layout.receivers)[back]
    level, offset = np.divmod(relation, 2 * k + 1)
    assert relation.max() < (2 * k + 1) * ((n - 1).bit_length() + 1)
    for s, r, mine, o in zip(senders, receivers, level, offset, strict=True):
        if o == 0:  # into a span above, or to itself
            assert s < n and level_of[r] == mine and spans[r, 0] <= s < spans[r, 1]
        else:  # a node of this level, or half of one
            assert r < n and level_of[s] in (mine, mine - 1)
            assert spans[s, 1] <= r if o <= k else spans[s, 0] > r
    for i in range(n):  # on one side, ranks and levels grow with the distance
        for side in (offset > k, (offset <= k) & (offset > 0)):
            mine = np.flatnonzero((receivers == i) & side)
            distance = abs(spans[senders[mine], 0] - i)
            np.testing.assert_array_equal(np.argsort(relation[mine]), np.argsort(distance))


def test_binary_partition_is_n_log_n():
    edges = [patterns.binary_partition(n, 2, causal=True).n_edge / n for n in (256, 1024, 4096)]
    assert np.allclose(np.diff(edges), 6, atol=0.3)  # 1 way up and 2 nodes seen more per level, 2 levels each


def test_trees():
    heads = np.array([1, -1, 3, 1])
    up = matrix(4, lambda i, j: heads[j] == i)
    equal(patterns.dependency(4, heads, direction="up"), up)
    equal(patterns.dependency(4, heads, direction="down"), up.T)
    equal(patterns.dependency(4, heads), up | up.T)
    children = np.array([[-1, -1], [-1, -1], [0, 1], [-1, -1], [2, 3]])
    up = matrix(5, lambda i, j: j in children[i])
    equal(patterns.constituency(5, children), up)
    equal(patterns.constituency(5, children, direction="both"), up | up.T)
    equal(patterns.dependency(0, []), np.zeros((0, 0)))
    equal(patterns.constituency(0, np.zeros((0, 2), int)), np.zeros((0, 0)))


N, M = 13, 11
RNG = np.random.default_rng(0)
PAIRS = np.nonzero(RNG.random((N, M)) < 0.2)
GROUPS = [(RNG.integers(-1, 3, N), RNG.integers(-1, 3, M)) for _ in range(2)]
EDGES = tgnn.EdgeList.from_edges(PAIRS[1], PAIRS[0], n_receivers=N, n_senders=M)
TWICE = tgnn.EdgeList.from_edges(*np.tile(PAIRS[::-1], 2), n_receivers=N, n_senders=M)
SETS = {
    "edges": EDGES,
    "doubled": TWICE,
    "complete": tgnn.Complete(N, M),
    "segments": tgnn.Complete(N, M).with_segments(*GROUPS[0]),
    "causal": tgnn.Causal(N, M),
    "causal offset": tgnn.Causal(N, M, offset=2).with_segments(*GROUPS[1]),
    "window": tgnn.Window(N, 4, 3, n_senders=M),
    "window dilated": tgnn.Window(N, 2, 1, dilation=3, n_senders=M, offset=-1),
    "window segments": tgnn.Window(N, 3, 5, n_senders=M).with_segments(*GROUPS[0]),
    "prefix": tgnn.Prefix(N, 5, n_senders=M),
    "dense": tgnn.Dense(jnp.asarray(RNG.random((N, M)) < 0.4)),
    "blocks": tgnn.Blocks.from_edges(*PAIRS[::-1], 3, n_receivers=N, n_senders=M),
    "neighbors": tgnn.Neighbors.from_edges(*PAIRS[::-1], n_receivers=N, n_senders=M),
}


@pytest.mark.parametrize("right", SETS)
@pytest.mark.parametrize("left", SETS)
def test_edge_sets(left, right):
    a, b = SETS[left], SETS[right]
    x, y = adjacency(a), adjacency(b)
    for result, expected in ((a | b, x | y), (a & b, x & y), (a - b, x & ~y)):
        equal(result, expected)


def test_rules_stay_rules():
    window, dilated = patterns.window(9, 3, 2), patterns.dilated(9, 2, 1, 2)
    causal, segments = patterns.causal(9), np.array([0, 0, 0, 1, 1, 2, 2, -1, -1])
    assert (window & causal) == patterns.window(9, 3)
    assert (dilated & causal) == patterns.dilated(9, 2, 0, 2)
    assert (window | patterns.window(9, 1, 4)) == patterns.window(9, 3, 4)
    assert (window & patterns.window(9, 1, 4)) == patterns.window(9, 1, 2)
    assert (causal | patterns.complete(9)) == patterns.complete(9)
    assert (patterns.complete(9) & window) == window
    packed = jax.jit(lambda s: patterns.document(9, s) & patterns.causal(9))(segments)
    assert isinstance(packed, tgnn.Causal)
    equal(packed, adjacency(patterns.document(9, segments, causal=True)))
    assert isinstance(patterns.longformer(50, 9) & patterns.causal(50), tgnn.Blocks)
    assert isinstance(patterns.bigbird(50, 5) | patterns.window(50, 7), tgnn.Blocks)
    assert isinstance(patterns.bigbird(50, 50) - patterns.bigbird(50, 50), tgnn.Blocks)


def test_what_is_not_known_under_jit_is_said():
    with pytest.raises(ValueError, match="do this outside jit"):
        jax.jit(lambda mask: (tgnn.Dense(mask) | patterns.causal(3)).adjacency())(np.ones((3, 3), bool))
    with pytest.raises(ValueError, match="must join the same nodes"):
        patterns.causal(3) | patterns.causal(4)
    with pytest.raises(TypeError):
        patterns.causal(3) | 4


@few
@given(st.sampled_from(sorted(SETS)), st.sampled_from(sorted(SETS)))
def test_de_morgan(left, right):
    whole, a, b = tgnn.Complete(N, M), SETS[left], SETS[right]
    equal(whole - (a | b), adjacency((whole - a) & (whole - b)))
    equal((a - b) | (a & b), adjacency(a))


ATTENDED = {
    "prefix": lambda n: patterns.prefix(n, 3),
    "strided": lambda n: patterns.strided(n, 4),
    "fixed": lambda n: patterns.fixed(n, 4),
    "star": patterns.star,
    "longformer": lambda n: patterns.longformer(n, 2, [0] if n else []),
    "bigbird": lambda n: patterns.bigbird(n, 2),
    "expander": patterns.expander,
    "buckets": lambda n: jax.jit(lambda hashes: patterns.lsh_buckets(n, hashes, chunk=3))(np.arange(n) % 2),
    "partition": patterns.binary_partition,
    "document": lambda n: patterns.document(n, np.arange(n) // 3),
}


@pytest.mark.parametrize("n", [0, pytest.param(1, marks=pytest.mark.slow), 13])
@pytest.mark.parametrize("name", ATTENDED)
def test_attention_on_every_pattern_is_that_on_its_matrix(name, n):
    layout = ATTENDED[name](n)
    operands = np.random.default_rng(n).normal(size=(3, layout.n_receivers, 2, 3)).astype("f4")
    receivers, senders = np.nonzero(adjacency(layout))
    expected, _ = reference_attend(senders, receivers, np.ones(len(senders), bool), *operands)
    np.testing.assert_allclose(jax.jit(tgnn.attend)(layout, *operands), expected, atol=2e-6)


def test_statistics_of_known_graphs():
    cycle = patterns.dependency(7, np.arange(7) - 1)  # a path of 7 nodes
    found = patterns.statistics(cycle, block=2)
    assert (found.n_edge, found.diameter) == (12, 6)
    assert found.density == 12 / 49 and found.edges_per_receiver == 12 / 7
    assert found.tile_fill == 12 / (9 * 4)  # 3 tiles on the diagonal, without the last node's own, 6 beside it
    assert found.spectral_gap == pytest.approx(1 - np.cos(np.pi / 6), abs=1e-9)  # of a path: 1 - cos(pi / (n - 1))
    whole = patterns.statistics(patterns.complete(7))
    assert (whole.diameter, whole.tile_fill) == (1, 1.0)
    assert whole.spectral_gap == pytest.approx(7 / 6)
    ring = patterns.statistics(patterns.window(400, 1, 1))
    assert ring.spectral_gap == pytest.approx(1 - np.cos(np.pi / 399), rel=1e-6)
    apart = patterns.statistics(patterns.document(5, np.array([0, 0, 1, 1, 1])))
    assert (apart.diameter, apart.spectral_gap) == (1, pytest.approx(0, abs=1e-9))


SQUARE = {
    "complete": tgnn.Complete(N),
    "causal": tgnn.Causal(N),
    "ahead": tgnn.Causal(N, offset=2),
    "behind": tgnn.Causal(N, offset=-2),
    "step ahead": tgnn.Causal(N, offset=1),
    "prefix": tgnn.Prefix(N, 5),
    "documents": patterns.document(N, np.arange(N) // 5, causal=True),
    "loops": patterns.window(3, 0),
    "dense": tgnn.Dense(jnp.asarray(RNG.random((N, N)) < 0.2)),
    "pair": tgnn.Causal(2),
}


@pytest.mark.parametrize("name", SQUARE)
def test_statistics_of_dense_graphs_are_those_of_sparse_ones(name, monkeypatch):
    layout, n = SQUARE[name], SQUARE[name].n_receivers
    monkeypatch.setattr(measure, "MANY_PAIRS", 0)
    products = patterns.statistics(layout)
    monkeypatch.setattr(measure, "MANY_PAIRS", 2)
    assert patterns.statistics(layout).diameter == products.diameter
    joined = adjacency(layout) | adjacency(layout).T
    np.fill_diagonal(joined, False)
    degree = joined.sum(axis=1)
    root = np.divide(1, np.sqrt(degree), where=degree > 0, out=np.zeros(n))
    laplacian = np.diag(degree > 0).astype(float) - root[:, None] * joined * root[None, :]
    assert products.spectral_gap == pytest.approx(np.linalg.eigvalsh(laplacian)[1], abs=1e-9)


@pytest.mark.parametrize("block", [1, 3, 64])
@pytest.mark.parametrize("name", SETS)
def test_counts_are_those_of_the_matrix(name, block):
    found, sees = patterns.statistics(SETS[name], block=block), adjacency(SETS[name])
    block = min(block, N)
    padded = np.pad(sees, [(0, -N % block), (0, -M % block)])
    tiles = padded.reshape(-(-N // block), block, -1, block).any(axis=(1, 3)).sum()
    assert (found.n_edge, found.tile_fill) == (sees.sum(), sees.sum() / (tiles * block**2))
    receivers, senders = np.nonzero(sees)
    np.testing.assert_array_equal(pair_keys(SETS[name]), receivers * M + senders)


def test_statistics_of_small_and_bipartite_graphs():
    for layout in (patterns.causal(0), patterns.causal(1), patterns.memory(3, 2)):
        found = patterns.statistics(layout)
        assert (found.diameter, found.spectral_gap) == (None, None)
    assert patterns.statistics(patterns.causal(0)) == (0, 0.0, 0.0, 1.0, None, None)
    assert patterns.statistics(patterns.window(40, 1), max_nodes=39).diameter is None


def test_a_picture_in_one_call(tmp_path):
    pytest.importorskip("matplotlib")
    figure = patterns.draw(patterns.bigbird(12, 2, n_random=0), "BigBird")
    figure.savefig(tmp_path / "bigbird.png")
    assert "BigBird\n" in figure.get_suptitle() and "diameter 2" in figure.get_suptitle()


@pytest.mark.parametrize("layout", [patterns.causal(0), patterns.memory(0, 2), patterns.complete(2, 0)])
def test_a_picture_of_nothing(layout):  # and without a warning, which is an error here
    pytest.importorskip("matplotlib")
    assert "0 edges" in patterns.draw(layout).get_suptitle()


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
