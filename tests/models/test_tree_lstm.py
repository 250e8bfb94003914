"""The Tree-LSTM on chains and trees."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.support.sequence_models import VOCAB, tokens_of
from tgnn import patterns, recurrent
from tgnn.models.recurrent.tree_lstm import init_tree_lstm, tree_lstm
from tgnn.nn.basic import linear

CHILDREN = np.array([[-1, -1], [-1, -1], [0, 1], [-1, -1], [2, 3]])
WORDS = np.array([3, 1, -1, 6, -1])


@pytest.mark.slow
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
