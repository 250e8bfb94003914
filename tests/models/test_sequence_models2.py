"""Reformer, BP-Transformer, LightConv, DynamicConv and Tree-LSTM: equal to their dense forms with the same weights."""

from dataclasses import replace
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tgnn import patterns, recurrent
from tgnn.models.recurrent.tree_lstm import init_tree_lstm, tree_lstm
from tgnn.models.sequences.bp_transformer import bp_nodes, bp_transformer, init_bp_transformer, partition, rows
from tgnn.models.sequences.light_conv import convolve, init_light_conv, light_conv
from tgnn.models.sequences.reformer import Hashing, hash_codes, init_reformer, reformer, unit
from tgnn.nn.basic import linear
from tgnn.nn.block import TransformerConfig, feed_forward, run_parts
from tgnn.nn.transformer import decoder, embed, language_model, unembed

VOCAB = 7
CONFIG = TransformerConfig(VOCAB, model_dim=8, num_layers=2, num_heads=2, hidden_dim=8)


def tokens_of(n):
    return jnp.asarray(np.random.default_rng(n).integers(0, VOCAB, n), jnp.int32)


def check_equal(model, dense, params, graph, tokens):
    """Logits and gradients of both models, compiled as one program; returns the gradients."""

    def both(params, graph, tokens):
        def loss(params, model):
            logits = model(params, graph, tokens)
            return (logits * jnp.sin(jnp.arange(logits.size).reshape(logits.shape))).sum(), logits

        return [jax.grad(partial(loss, model=m), has_aux=True)(params) for m in (model, dense)]

    mine, theirs = jax.jit(both)(params, graph, tokens)
    chex.assert_trees_all_close(mine, theirs, atol=1e-5, rtol=1e-5)
    chex.assert_tree_all_finite(mine)
    return mine[0]


def check_logits(model, dense, params, graph, tokens):
    """Only the logits: compiles in a third of the time."""
    both = jax.jit(lambda *inputs: (model(*inputs), dense(*inputs)))
    mine, theirs = both(params, graph, tokens)
    np.testing.assert_allclose(mine, theirs, atol=1e-5, rtol=1e-5)


def dense_block(attention):
    """A block whose attention is `attention(params, graph, x)`, in plain matrix products."""

    def block(params, graph, x, memory=None, memory_layout=None, *, dropout_rate=0.0, rng=None):
        parts = {
            "attention": lambda h, rng: attention(params["attention"], graph, h),
            "mlp": lambda h, rng: feed_forward(params["mlp"], h),
        }
        return run_parts(params, parts, x)

    return block


def masked_softmax(logits, mask):
    """Over senders `[heads, n, m]`; a receiver without any gets zeros."""
    logits = jnp.where(mask, logits, -1e30)
    return jnp.where(mask.any(-1, keepdims=True), jax.nn.softmax(logits, -1), 0)


# -- Reformer ------------------------------------------------------------------------------------------------------


def dense_lsh(params, graph, x):
    """All pairs, masked to those that meet in a round; the paper's penalty keeps a node off itself unless alone."""
    query, value = linear(params["query"], x), linear(params["value"], x)
    n, codes = len(x), hash_codes(params["rotations"], query, graph.segments)
    norm = jnp.sqrt((query**2).sum(-1) + 1e-6)
    logits = jnp.einsum("nhd,mhd->hnm", query, query / norm[..., None])

    def met(code):
        place = jnp.argsort(jnp.argsort(jnp.where(code < 0, 2**30, code), stable=True), stable=True)
        step = place[:, None] // min(graph.chunk, n) - place[None, :] // min(graph.chunk, n)
        return (code[:, None] == code[None, :]) & (code[:, None] >= 0) & (step >= 0) & (step <= 1)

    mask = jax.vmap(lambda codes: jax.vmap(met)(codes).any(0))(codes)
    mask &= jnp.tri(n, dtype=bool)[None] if graph.causal else True
    logits = logits - 1e5 * jnp.eye(n)[None]
    weights = masked_softmax(logits, mask)
    return linear(params["output"], jnp.einsum("hnm,mhd->nhd", weights, value), in_axes=2)


def make_reformer(**kwargs):
    return init_reformer(jax.random.key(1), CONFIG, **kwargs)


@pytest.mark.parametrize(
    "n, chunk, causal",
    [(13, 4, True), *(pytest.param(*case, marks=pytest.mark.slow) for case in [(1, 4, True), (7, 9, False)])],
)
def test_reformer_is_its_dense_form(n, chunk, causal):
    params = make_reformer(bucket_sizes=(4, 2), num_rounds=2)
    segments = None if causal else jnp.array([0, 0, 0, 2, 2, 2, -1])
    dense = partial(language_model, block=dense_block(dense_lsh))
    gradients = check_equal(reformer, dense, params, Hashing(chunk, causal, segments), tokens_of(n))
    for rotation in gradients["decoder"]["blocks"]["attention"]["rotations"]:
        assert not np.asarray(rotation).any()


@pytest.mark.parametrize("check", [check_logits, pytest.param(check_equal, marks=pytest.mark.slow)])
def test_reformer_with_one_bucket_is_full_attention_with_shared_queries_and_keys(check):
    params, n = make_reformer(bucket_sizes=(2,), num_rounds=1), 11
    rotations = params["decoder"]["blocks"]["attention"]["rotations"]
    assert rotations[0].shape == (2, 2, 4, 1, 1)  # layers, heads, head_dim, rounds, half of the buckets
    params["decoder"]["blocks"]["attention"]["rotations"] = [0 * rotations[0]]  # all nodes in one bucket

    def full(params, graph, x):  # every earlier node, or itself for the first one
        query, value = linear(params["query"], x), linear(params["value"], x)
        layout = tgnn.Dense((jnp.tri(n, k=-1) + jnp.eye(n) * (jnp.arange(n) == 0)[:, None]) > 0)
        output = tgnn.attend(layout, query, unit(query), value, scale=1.0)
        return linear(params["output"], output, in_axes=2)

    dense = partial(language_model, block=dense_block(full))
    check(reformer, dense, params, Hashing(chunk=64), tokens_of(n))


def test_hashes_keep_factors_and_segments_apart():
    rotations = [np.random.default_rng(i).normal(size=(2, 5, 3, i)).astype("f4") for i in (2, 3)]
    query = np.random.default_rng(9).normal(size=(50, 2, 5)).astype("f4")
    hashed = jax.jit(hash_codes)
    codes = hashed(rotations, query)
    alone = [hashed([rotation], query) for rotation in rotations]
    assert codes.shape == (2, 3, 50) and int(codes.max()) < 24
    np.testing.assert_array_equal(codes, alone[0] * 6 + alone[1])
    np.testing.assert_array_equal(hashed(rotations, 3 * query), codes)  # an angle, not a length
    segments = np.append(np.arange(49) % 2, -1)
    apart = np.asarray(hashed(rotations, query, segments))
    assert (apart[..., -1] == -1).all()
    np.testing.assert_array_equal(apart[..., :-1], (segments[None, None] * 24 + codes)[..., :-1])


def test_a_hash_without_borders_shows_the_past_alone():
    params, tokens = make_reformer(bucket_sizes=(4,)), tokens_of(16)
    run = jax.jit(lambda tokens: reformer(params, Hashing(chunk=16), tokens))
    before, after = run(tokens), run(tokens.at[9:].set((tokens[9:] + 1) % VOCAB))
    np.testing.assert_allclose(after[:9], before[:9], atol=1e-6)
    assert jnp.abs(after[9:] - before[9:]).max() > 1e-3


# -- BP-Transformer ------------------------------------------------------------------------------------------------


def dense_partition(params, graph, x):
    """All pairs of nodes; the place of each from a matrix."""
    query, key, value = (linear(params[name], x) for name in ("query", "key", "value"))
    receivers, senders = graph.layout.receivers, graph.layout.senders
    places = jnp.full((len(x), len(x)), -1).at[receivers, senders].set(graph.relation, mode="drop")
    logits = jnp.einsum("nhd,mhd->hnm", query, key) + jnp.einsum("nhd,nmhd->hnm", query, params["relation"][places])
    weights = masked_softmax(logits / 2, (places >= 0)[None])  # head_dim is 4
    return linear(params["output"], jnp.einsum("hnm,mhd->nhd", weights, value), in_axes=2)


def dense_bp(params, graph, tokens):
    n_node = graph.layout.n_receivers
    words = jnp.full(n_node, -1).at[graph.tokens].set(tokens, mode="drop")
    nodes = decoder(params["decoder"], graph, embed(params, words, encoding=None), block=dense_block(dense_partition))
    return unembed(params, jnp.where((graph.tokens < n_node)[:, None], nodes[jnp.minimum(graph.tokens, n_node - 1)], 0))


BP_PARAMS = partial(init_bp_transformer, jax.random.key(2), CONFIG, max_length=32, k=2)


@pytest.mark.parametrize(
    "lengths, causal",
    [([13], True), *(pytest.param(*case, marks=pytest.mark.slow) for case in [([1], True), ([5, 1, 6], False)])],
)
def test_bp_transformer_is_its_dense_form(lengths, causal):
    graph = partition(lengths, 2, causal=causal, n_token=17, n_node=41, n_edge=211)
    check_equal(bp_transformer, dense_bp, BP_PARAMS(), graph, tokens_of(17))


def test_bp_transformer_sees_no_later_token():
    graph, tokens = partition([13], 2, causal=True), tokens_of(13)
    logits = jax.jit(bp_transformer)
    before, after = (logits(BP_PARAMS(), graph, row) for row in (tokens, tokens.at[7].set((tokens[7] + 1) % VOCAB)))
    np.testing.assert_allclose(before[:7], after[:7], atol=1e-6)
    assert (np.abs(before - after).max(axis=1) > 1e-4)[7:].all()  # every later one does, in one layer


@pytest.mark.slow
def test_a_batch_of_partitions_is_the_partitions_one_by_one():
    lengths, tokens = [5, 1, 6], tokens_of(12)
    sizes = {"n_token": 17, "n_node": 41, "n_edge": 211, "max_length": 32}
    together = partition(lengths, 2, **sizes)
    nodes = jax.jit(bp_nodes)
    words = jnp.pad(tokens, (0, 5))
    roots = rows(nodes(BP_PARAMS(), together, words), together.roots)
    for i, (start, length) in enumerate(zip((0, 5, 6), lengths, strict=True)):
        alone = partition([length], 2, **sizes)
        mine = jnp.pad(tokens[start : start + length], (0, 17 - length))
        root = rows(nodes(BP_PARAMS(), alone, mine), alone.roots)
        np.testing.assert_allclose(roots[i], root[0], atol=1e-5)


def test_relations_stand_beside_their_edges():
    graph, n, k = partition([9, 4], 2, n_edge=151), 9, 2
    layout, relations = patterns.binary_partition(n, k), patterns.relations(n, k)
    receivers, senders = (np.asarray(layout.to_caller(x)) for x in (layout.receivers, layout.senders))
    expected = {(int(i), int(j), int(r)) for i, j, r in zip(receivers, senders, relations, strict=True)}
    live = np.asarray(graph.layout.mask) & (np.asarray(graph.layout.receivers) < len(patterns.spans(n)))
    columns = (np.asarray(x)[live].tolist() for x in (graph.layout.receivers, graph.layout.senders, graph.relation))
    assert set(zip(*columns, strict=True)) == expected


@pytest.mark.parametrize("stacked", [True, False])
def test_a_tree_with_more_places_than_there_are_vectors_is_refused(stacked):
    params = init_bp_transformer(jax.random.key(2), replace(CONFIG, stacked=stacked), max_length=8, k=2)
    run = jax.jit(bp_transformer)  # where an index beyond a table is zeros
    with pytest.raises(ValueError, match="graph tells 35 places apart, but params have vectors for 20"):
        run(params, partition([64], 2), tokens_of(64))
    assert jax.eval_shape(run, params, partition([8, 3], 2), tokens_of(11)).shape == (11, VOCAB)


# -- LightConv and DynamicConv -------------------------------------------------------------------------------------


def depthwise(params, layout, x):
    """LightConv by JAX's own convolution: one kernel for all features of a head, zeros beyond the ends."""
    content, gate = jnp.moveaxis(linear(params["input"], x), 1, 0)
    value = content * jax.nn.sigmoid(gate)
    n, heads, head_dim = value.shape
    kernel = jax.nn.softmax(params["logits"]["bias"], axis=0)  # [width, heads]
    kernel = jnp.repeat(kernel, head_dim, axis=1)[:, None, :]
    output = jax.lax.conv_general_dilated(
        value.reshape(1, n, -1),
        kernel,
        window_strides=(1,),
        padding=[(layout.left, layout.right)],
        dimension_numbers=("NWC", "WIO", "NWC"),
        feature_group_count=heads * head_dim,
    )
    return linear(params["output"], output.reshape(n, heads, head_dim), in_axes=2)


def shifted_sums(params, layout, x):
    """DynamicConv as a sum over shifted copies, with a kernel for each node."""
    content, gate = jnp.moveaxis(linear(params["input"], x), 1, 0)
    value = content * jax.nn.sigmoid(gate)
    weights = jax.nn.softmax(linear(params["logits"], value, in_axes=2), axis=1)  # [n, width, heads]
    padded = jnp.pad(value, ((layout.left, layout.right), (0, 0), (0, 0)))
    output = sum(weights[:, t, :, None] * padded[t : t + len(x)] for t in range(weights.shape[1]))
    return linear(params["output"], output, in_axes=2)


@pytest.mark.parametrize(
    "n, left, right, dynamic, check",
    [
        (13, 4, 0, False, check_logits),
        (13, 2, 2, True, check_logits),
        pytest.param(13, 2, 2, False, check_equal, marks=pytest.mark.slow),
        pytest.param(13, 2, 2, True, check_equal, marks=pytest.mark.slow),
        pytest.param(1, 4, 0, True, check_equal, marks=pytest.mark.slow),
        pytest.param(3, 6, 0, False, check_equal, marks=pytest.mark.slow),
    ],
)
def test_light_conv_is_a_depthwise_convolution(n, left, right, dynamic, check):
    params = init_light_conv(jax.random.key(3), CONFIG, left + right + 1, dynamic=dynamic)
    dense = partial(language_model, block=dense_block(shifted_sums if dynamic else depthwise))
    check(light_conv, dense, params, tgnn.Window(n, left, right), tokens_of(n))


def convolved(part, x, left):
    """Both convolutions in NumPy, one node and offset after the other; offsets beyond the ends only take weight."""
    part = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), part)
    content, gate = np.moveaxis(np.einsum("nd,dghk->nghk", x, part["input"]["kernel"]), 1, 0)
    value, messages = content / (1 + np.exp(-gate)), []  # biases begin as zeros
    for node, own in enumerate(value):
        kernel = part["logits"].get("kernel")
        logits = part["logits"]["bias"] if kernel is None else np.einsum("hk,hkto->to", own, kernel)
        weights = np.exp(logits) / np.exp(logits).sum(axis=0)
        places = [(offset, node - left + offset) for offset in range(len(weights))]
        messages.append(sum(weights[t][:, None] * value[j] for t, j in places if 0 <= j < len(x)))
    return np.einsum("nhk,hkd->nd", messages, part["output"]["kernel"])


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize(
    "n, left, right", [(1, 4, 0), (2, 4, 0), (2, 0, 4), (3, 4, 0), (3, 1, 3), (13, 4, 0), (13, 2, 2)]
)
def test_a_window_cut_to_a_short_line_is_the_same_convolution(n, left, right, dynamic):
    blocks = init_light_conv(jax.random.key(3), CONFIG, 5, dynamic=dynamic)["decoder"]["blocks"]
    part = jax.tree.map(lambda leaf: leaf[1], blocks["attention"])
    x = np.random.default_rng(n).normal(size=(n, CONFIG.model_dim))
    found = jax.jit(convolve)(part, patterns.window(n, left, right), x.astype("float32"))
    np.testing.assert_allclose(found, convolved(part, x, left), atol=1e-5)


@pytest.mark.parametrize(
    "layout",
    [
        tgnn.Window(9, 3, 0),
        tgnn.Window(9, 2, 2, dilation=2),
        tgnn.Causal(9),
        tgnn.Window(9, 4, 0, offset=1),
        patterns.window(2, 2, 2),  # or of (3, 1), or of (1, 3)
    ],
)
def test_light_conv_refuses_windows_that_do_not_fit(layout):
    params = init_light_conv(jax.random.key(3), CONFIG, 5)
    with pytest.raises(ValueError, match="left \\+ right \\+ 1 = 5, the width of the kernels"):
        jax.eval_shape(lambda params: light_conv(params, layout, tokens_of(9)), params)


# -- Tree-LSTM -----------------------------------------------------------------------------------------------------

CHILDREN = np.array([[-1, -1], [-1, -1], [0, 1], [-1, -1], [2, 3]])
WORDS = np.array([3, 1, -1, 6, -1])


@pytest.mark.parametrize("arity", [None, 2])
def test_a_tree_lstm_on_a_chain_is_an_lstm(arity):
    params, n = init_tree_lstm(jax.random.key(4), VOCAB, 3, 5, 4, arity=arity), 6
    cell = params["cell"]
    if arity:  # the first child's matrices: gates input, candidate, output, forget
        kernel = cell["state"]["kernel"][0][:, jnp.array([0, 3, 1, 2])]
        cell = {"input": cell["input"], "state": {"kernel": kernel}}

    def plain(params, chain, tokens):
        hidden = recurrent.lstm(cell, chain, params["embedding"]["table"][tokens]).hidden
        return linear(params["output"], hidden)

    chain = recurrent.schedule(patterns.chain(n))
    mine, theirs = (jax.jit(model)(params, chain, tokens_of(n)) for model in (tree_lstm, plain))
    np.testing.assert_allclose(mine, theirs, atol=1e-6)


@pytest.mark.parametrize("arity", [None, 2])
def test_a_node_knows_its_subtree_and_no_more(arity):
    params = init_tree_lstm(jax.random.key(4), VOCAB, 3, 5, 4, arity=arity)
    plan = recurrent.schedule(patterns.constituency(5, CHILDREN), n_step=5, width=2, arity=2)
    logits = jax.jit(tree_lstm)
    before, after = (logits(params, plan, words) for words in (WORDS, np.where(WORDS == 1, 2, WORDS)))
    changed = np.abs(np.asarray(before - after)).max(axis=1) > 1e-4
    assert changed.tolist() == [False, True, True, False, True]
    swapped = recurrent.schedule(patterns.constituency(5, CHILDREN[:, ::-1]), n_step=5, width=2, arity=2)
    same = np.allclose(logits(params, swapped, WORDS), before, atol=1e-6)
    assert same == (arity is None)  # only the N-ary one tells left from right


# -- cost ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["reformer", "bp_transformer", "light_conv"])
def test_memory_of_a_step_grows_like_the_length(name):
    rng = jax.random.key(6)
    models = {
        "reformer": (reformer, init_reformer(rng, CONFIG, bucket_sizes=(8, 8)), lambda n: Hashing(32)),
        "bp_transformer": (
            bp_transformer,
            init_bp_transformer(rng, CONFIG, max_length=2**14, k=2),
            lambda n: partition([n], 2, causal=True),
        ),
        "light_conv": (light_conv, init_light_conv(rng, CONFIG, 9, dynamic=True), lambda n: tgnn.Window(n, 8, 0)),
    }
    model, params, graph_of = models[name]

    def temporary(n):
        step = jax.jit(jax.grad(lambda params, graph, tokens: (model(params, graph, tokens) ** 2).sum()))
        return step.lower(params, graph_of(n), jnp.zeros(n, jnp.int32)).compile().memory_analysis().temp_size_in_bytes

    assert temporary(2**14) < 5 * temporary(2**12)  # n log n for the partition; n * n would be 16


# -- dropout and errors --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_dropout_changes_the_logits_and_keeps_them_finite():
    tokens, rng = tokens_of(13), jax.random.key(5)
    cases = [
        (reformer, make_reformer(), Hashing(4)),
        (bp_transformer, BP_PARAMS(), partition([13], 2)),
        (light_conv, init_light_conv(rng, CONFIG, 3), tgnn.Window(13, 2, 0)),
    ]
    for model, params, graph in cases:
        dropped = jax.jit(partial(model, dropout_rate=0.3))(params, graph, tokens, rng=rng)
        plain = jax.jit(model)(params, graph, tokens)
        assert np.isfinite(dropped).all() and np.abs(dropped - plain).max() > 1e-3


KEY = jax.random.key(0)
BAD = {
    "odd buckets": (lambda: make_reformer(bucket_sizes=(3,)), r"bucket_sizes must be even numbers.*got \(3,\)"),
    "no buckets": (lambda: make_reformer(bucket_sizes=()), "bucket_sizes must be even numbers"),
    "empty sequence": (lambda: partition([3, 0]), "lengths must be at least 1, got 0"),
    "few nodes": (lambda: partition([3], n_node=4), "the sequences have 3 tokens and 6 nodes"),
    "few edges": (lambda: partition([3], n_edge=4), "pad_to is 4"),
    "short trees": (lambda: partition([3, 9], max_length=8), "max_length must be an integer of at least 9, got 8"),
    "no length": (lambda: init_bp_transformer(KEY, CONFIG, max_length=0), "max_length must be .* at least 1, got 0"),
    "no k": (lambda: init_bp_transformer(KEY, CONFIG, max_length=8, k=0), "k must be .* at least 1, got 0"),
    "no partition": (lambda: bp_transformer(BP_PARAMS(), tgnn.Causal(3), tokens_of(3)), "graph must be a Partition"),
    "no rounds": (lambda: make_reformer(num_rounds=0), "num_rounds must be an integer of at least 1, got 0"),
    "fewer rounds": (lambda: make_reformer(num_rounds=-1), "num_rounds must be an integer of at least 1, got -1"),
    "no hashing": (lambda: reformer({}, tgnn.Causal(5), tokens_of(5)), "graph must be a Hashing.*got Causal"),
    "no width": (lambda: init_light_conv(KEY, CONFIG, 0), "width must be an integer of at least 1, got 0"),
    "less width": (lambda: init_light_conv(KEY, CONFIG, -1), "width must be an integer of at least 1, got -1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()
