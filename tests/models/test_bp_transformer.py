"""The BP-Transformer is its dense form, one partition or several side by side."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.support.sequence_models import (
    CONFIG,
    VOCAB,
    block_with,
    check_equal,
    masked_softmax,
    tokens_of,
)
from tgnn import patterns
from tgnn.models.sequences.bp_transformer import bp_nodes, bp_transformer, init_bp_transformer, partition, rows
from tgnn.nn.basic import linear
from tgnn.nn.transformer import decoder, embed, unembed


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
    nodes = decoder(params["decoder"], graph, embed(params, words, encoding=None), block=block_with(dense_partition))
    return unembed(params, jnp.where((graph.tokens < n_node)[:, None], nodes[jnp.minimum(graph.tokens, n_node - 1)], 0))


BP_PARAMS = partial(init_bp_transformer, jax.random.key(2), CONFIG, max_length=32, k=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "lengths, causal",
    [([13], True), *(pytest.param(*case, marks=pytest.mark.slow) for case in [([1], True), ([5, 1, 6], False)])],
)
def test_bp_transformer_is_its_dense_form(lengths, causal):
    graph = partition(lengths, 2, causal=causal, n_token=17, n_node=41, n_edge=211)
    check_equal(bp_transformer, dense_bp, BP_PARAMS(), graph, tokens_of(17))


@pytest.mark.slow
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
