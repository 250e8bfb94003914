"""The models of `language` that remember what they read before: their rows read on from step to step."""

from functools import partial

import jax
import jax.numpy as jnp

from experiments.common.training import dropping
from experiments.language.config import Config
from experiments.language.signature import LanguageModel, Output
from tgnn import patterns
from tgnn.models.sequences.compressive_transformer import compressive_transformer as compressive
from tgnn.models.sequences.compressive_transformer import (
    init_compressive_transformer,
    init_compressive_transformer_state,
)
from tgnn.models.sequences.transformer_xl import init_transformer_xl, init_transformer_xl_state
from tgnn.models.sequences.transformer_xl import transformer_xl as xl
from tgnn.nn.basic import dropout, embedding, fold, init_embedding, init_linear, linear
from tgnn.recurrent.cells import LSTMState, init_lstm, lstm, schedule

POSITION_DIM = 32  # sines and cosines of a distance
RATE = 4  # rows of the memory that the Compressive Transformer makes one


def transformer_xl(config: Config, vocab_size: int) -> LanguageModel:
    """Transformer-XL: the past of every node is as long as the segment, or longer."""
    n = config.context
    sizes = config.transformer(vocab_size, max_length=None, stacked=True)  # as their memories
    init = partial(init_transformer_xl, config=sizes, position_dim=POSITION_DIM)

    def init_state():
        return init_transformer_xl_state(jax.eval_shape(init, jax.random.key(0)), n)

    def apply(params, tokens, state, *, rng=None):
        return Output(*xl(params, tokens, state, **dropping(config.dropout_rate, rng)))

    return LanguageModel(init, apply, n + (n + 1) / 2, init_state)


def compressive_transformer(config: Config, vocab_size: int) -> LanguageModel:
    """The Compressive Transformer: half as many recent rows as there are nodes, and as many compressed ones."""
    n = config.context
    sizes = config.transformer(vocab_size, max_length=None, stacked=True)  # as their memories
    init = partial(init_compressive_transformer, config=sizes, rate=RATE, position_dim=POSITION_DIM)

    def init_state():
        return init_compressive_transformer_state(jax.eval_shape(init, jax.random.key(0)), n // 2, n // 2)

    def apply(params, tokens, state, *, rng=None):
        output = compressive(params, tokens, state, **dropping(config.dropout_rate, rng))
        return Output(output.logits, output.memories, output.reconstruction)

    return LanguageModel(init, apply, n + (n + 1) / 2, init_state)


def long_short_term_memory(config: Config, vocab_size: int) -> LanguageModel:
    """A stack of LSTMs: the graph is a chain, and the states at its end begin the next sequence's."""
    plan = schedule(patterns.chain(config.context, n_past=1))
    dim, depth = config.model_dim, config.num_layers

    def init(rng):
        rngs = jax.random.split(rng, depth + 2)
        return {
            "embedding": init_embedding(rngs[0], vocab_size, dim),
            "layers": [init_lstm(layer_rng, dim, dim) for layer_rng in rngs[2:]],
            "output": init_linear(rngs[1], dim, vocab_size),
        }

    def init_state():
        return [LSTMState(jnp.zeros((1, dim)), jnp.zeros((1, dim)))] * depth

    def apply(params, tokens, state, *, rng=None):
        rate = dropping(config.dropout_rate, rng)["dropout_rate"]
        x = embedding(params["embedding"], tokens) * dim**0.5
        ends = []
        for i, (layer, given) in enumerate(zip(params["layers"], state, strict=True)):
            states = lstm(layer, plan, dropout(fold(rng, i), x, rate), given)
            x = states.hidden
            ends.append(jax.tree.map(lambda rows: rows[-1:], states))
        return Output(linear(params["output"], x), ends)

    return LanguageModel(init, apply, 1.0, init_state)
