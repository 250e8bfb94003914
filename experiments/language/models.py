"""The models of `language`, all with one signature: what differs is the graph, the score and the reduction.

A new model is one function `(config, vocab_size) -> LanguageModel` in `MODELS`. It works on one sequence; the batch is
`jax.vmap`. `fitted` gives it the width at which it has as many weights as the Transformer of the same config.
"""

import dataclasses
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from experiments.language.config import Config
from experiments.language.signature import LanguageModel, Output, stateless
from tgnn import patterns
from tgnn.layouts import Layout
from tgnn.nn import dropout, embedding, fold, init_embedding, init_linear, linear
from tgnn.recurrent import LSTMState, init_lstm, lstm, schedule
from tgnn.transformer import init_language_model, language_model


def mean_edges(layout: Layout) -> float:
    """In-edges of a receiver, on average."""
    live = layout.live
    slots = 1
    for size in layout.edge_shape:
        slots *= size
    count = slots if live is None else int(jnp.broadcast_to(live, layout.edge_shape).sum())
    return count / max(layout.n_receivers, 1)


def on_graph(layout: Layout) -> Callable[[Config, int], LanguageModel]:
    """nanoGPT's Transformer on a graph of the past, with ReLU: GELU costs a CPU half of a step more."""

    def model(config: Config, vocab_size: int) -> LanguageModel:
        graph = layout(config)

        def logits(params, tokens, *, rng=None):
            return language_model(params, graph, tokens, dropout_rate=config.dropout_rate, rng=rng)

        init = partial(init_language_model, config=config.transformer(vocab_size, use_bias=False))
        return stateless(init, logits, mean_edges(graph))

    return model


def recurrent(config: Config, vocab_size: int) -> LanguageModel:
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
        x = embedding(params["embedding"], tokens) * dim**0.5
        ends = []
        for i, (layer, given) in enumerate(zip(params["layers"], state, strict=True)):
            states = lstm(layer, plan, dropout(fold(rng, i), x, config.dropout_rate), given)
            x = states.hidden
            ends.append(jax.tree.map(lambda rows: rows[-1:], states))
        return Output(linear(params["output"], x), ends)

    return LanguageModel(init, apply, 1.0, init_state)


MODELS: dict[str, Callable[[Config, int], LanguageModel]] = {
    "transformer": on_graph(lambda config: patterns.causal(config.context)),
    "window": on_graph(lambda config: patterns.window(config.context, config.window)),
    "lstm": recurrent,
}


def make(name: str, config: Config, vocab_size: int) -> tuple[LanguageModel, Config]:
    """The model of that name and its config, at the width that gives it the weights of the Transformer.

    Raises:
        ValueError: there is no such model.
    """
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}; choose one of {', '.join(MODELS)}")
    budget = num_parameters(MODELS["transformer"](config, vocab_size))
    step = 2 * config.num_heads  # heads and the halves of rotations divide the width

    def sized(width: int) -> tuple[LanguageModel, Config]:
        resized = dataclasses.replace(config, model_dim=width)
        return MODELS[name](resized, vocab_size), resized

    low, high = 1, 8 * config.model_dim // step  # widths in steps: the nearest one lies between
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if num_parameters(sized(middle * step)[0]) <= budget else (low, middle)
    candidates = [sized(low * step), sized(high * step)]
    return min(candidates, key=lambda candidate: abs(num_parameters(candidate[0]) - budget))


def num_parameters(model: LanguageModel) -> int:
    """Numbers in the weights, counted without making them."""
    return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(model.init, jax.random.key(0))))
