"""The memory network is three products a hop."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.support.filled import filled
from tests.support.sequence_models import VOCAB, close, outcomes, tokens_of
from tgnn import patterns
from tgnn.graphs import Complete
from tgnn.models.sequences.memory_network import init_memory_network, memory_network


def test_the_memory_network_is_three_products_a_hop():
    params = filled(init_memory_network, VOCAB, 8, num_hops=2, max_age=3)
    memory, query = tokens_of(15).reshape(5, 3).at[:2, 2].set(-1), tokens_of(6).reshape(3, 2)

    def dense(params):
        tables, age = params["tables"], np.clip(np.arange(3)[:, None] + 4 - np.arange(5)[None, :], 0, 2)

        def bag(table, ids):
            return jnp.where((ids >= 0)[..., None], table[ids], 0).sum(1)

        state = bag(tables[0], query)
        for k in range(2):
            logits = state @ bag(tables[k], memory).T + params["recency"][k][age]
            state = state @ params["hop"]["kernel"] + jax.nn.softmax(logits, axis=1) @ bag(tables[k + 1], memory)
            state = jnp.concatenate([state[:, :4], jax.nn.relu(state[:, 4:])], axis=1)
        return state @ tables[2].T

    close(*outcomes(params, lambda p: memory_network(p, Complete(3, 5), memory, query, offset=4), dense))


def test_a_memory_network_writes_a_language_from_the_past_alone():
    params = filled(init_memory_network, VOCAB, 8, num_hops=2, max_age=4)
    run = jax.jit(lambda tokens: memory_network(params, patterns.window(9, 3), tokens[:, None]))
    tokens = tokens_of(9)
    close(run(tokens.at[5:].set(0))[:5], run(tokens)[:5])
