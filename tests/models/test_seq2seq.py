"""RNNs from sequence to sequence are their equations."""

import jax
import jax.numpy as jnp
import pytest

from tests.support.filled import filled
from tests.support.sequence_models import VOCAB, close, outcomes, tokens_of
from tgnn.models.recurrent.seq2seq import init_seq2seq, init_seq2seq_state, seq2seq, seq2seq_step
from tgnn.nn.basic import linear


@pytest.mark.slow
@pytest.mark.parametrize(
    "attention", ["additive", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("multiplicative", "none"))]
)
def test_decoding_one_by_one_is_decoding_all_and_padding_is_nothing(attention):
    params = filled(init_seq2seq, VOCAB, VOCAB, 6, attention=attention)
    source, target = tokens_of(5), tokens_of(4)

    @jax.jit
    def both(params):
        def step(decoding, token):
            row, decoding = seq2seq_step(params, decoding, token[None])
            return decoding, row[0]

        padded = jnp.append(source, jnp.full(3, -1))
        return seq2seq(params, source, target), jax.lax.scan(step, init_seq2seq_state(params, padded), target)[1]

    close(*both(params))


def gru_loop(part, x, state):
    """The equations, one row after the other."""
    states = []
    for row in x:
        mine = jnp.einsum("i,igo->go", row, part["input"]["kernel"]) + part["input"]["bias"]
        given = jnp.einsum("i,igo->go", state, part["state"]["kernel"])
        reset, update = jax.nn.sigmoid(mine[0] + given[0]), jax.nn.sigmoid(mine[1] + given[1])
        state = (1 - update) * jnp.tanh(mine[2] + reset * (given[2] + part["state"]["bias"])) + update * state
        states.append(state)
    return jnp.stack(states)


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["additive", "multiplicative"])
def test_the_attentive_rnn_is_its_equations(attention):
    params = filled(init_seq2seq, VOCAB, VOCAB, 6, attention=attention)
    source, target = tokens_of(5), tokens_of(4)

    def written_out(params):
        parts = params["source"]
        x, zero = parts["embedding"]["table"][source] * 6**0.5, jnp.zeros(6)
        forward = gru_loop(parts["forward"], x, zero)
        backward = gru_loop(parts["backward"], x[::-1], zero)[::-1]
        memory, state = jnp.concatenate([forward, backward], axis=1), jnp.concatenate([forward[-1], backward[0]])
        state, key = jnp.tanh(linear(params["start"], state)), linear(params["key"], memory)[:, 0]

        def look(state):
            if attention == "multiplicative":
                return jax.nn.softmax(key @ state) @ memory
            active = jnp.tanh(key + linear(params["query"], state))
            return jax.nn.softmax(active @ params["vector"][0]) @ memory

        logits = []
        for x in params["embedding"]["table"][target] * 6**0.5:
            seen = look(state)
            x = jnp.append(x, seen) if attention == "additive" else x
            state = gru_loop(params["decoder"], x[None], state)[0]
            seen = seen if attention == "additive" else look(state)
            hidden = jnp.tanh(linear(params["combine"], jnp.append(state, seen)))
            logits.append(linear(params["output"], hidden))
        return jnp.stack(logits)

    close(*outcomes(params, lambda p: seq2seq(p, source, target), written_out))


def test_attention_is_of_three_kinds():
    with pytest.raises(ValueError, match='attention must be "additive"'):
        init_seq2seq(jax.random.key(5), VOCAB, VOCAB, 6, attention="bahdanau")


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["additive", pytest.param("none", marks=pytest.mark.slow)])
def test_an_empty_source_is_one_of_padding(attention):
    params, target = filled(init_seq2seq, VOCAB, VOCAB, 6, attention=attention), tokens_of(3)
    run = jax.jit(seq2seq)
    close(run(params, tokens_of(0), target), run(params, jnp.full(2, -1), target))
