"""The models of `language`, all with one signature: what differs is the graph, the score and the reduction.

A new model is one function `(config, vocab_size) -> LanguageModel` in `MODELS`, and in `POSITIONS` what can tell it
where a token stands. It works on one sequence; the batch is `jax.vmap`. `make` gives it the width at which it has as
many weights as the Transformer of the same config with learned positions.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax

from experiments.common.training import dropping, num_parameters
from experiments.language.config import LEARNED, Config
from experiments.language.message_passing import GRAPHS, all_networks
from experiments.language.remembering import compressive_transformer, long_short_term_memory, transformer_xl
from experiments.language.signature import LanguageModel, Output, stateless
from tgnn import patterns
from tgnn.graphs import Layout
from tgnn.models.sequences.adaptive_span import adaptive_span, init_adaptive_span, span_loss
from tgnn.models.sequences.bp_transformer import bp_transformer, init_bp_transformer, partition
from tgnn.models.sequences.conv_s2s import conv_s2s, init_conv_s2s
from tgnn.models.sequences.light_conv import init_light_conv, light_conv
from tgnn.models.sequences.memory_network import init_memory_network, memory_network
from tgnn.models.sequences.reformer import Hashing, init_reformer, reformer
from tgnn.models.sequences.sparse_transformer import init_sparse_transformer, sparse_transformer
from tgnn.models.sequences.universal_transformer import init_universal_transformer, ponder
from tgnn.nn.block import transformer_block
from tgnn.nn.positions import Alibi, rotary
from tgnn.nn.stack import normed
from tgnn.nn.transformer import drop_embeddings, embed, init_language_model, language_model, unembed

Factory = Callable[[Config, int], LanguageModel]


def mean_edges(layout: Layout) -> float:
    """In-edges of a receiver, on average."""
    return layout.count_edges() / max(layout.n_receivers, 1)


def language(init: Callable, model: Callable, graph: Any, edges: float, config: Config, **options) -> LanguageModel:
    """A model of `tgnn.models` without memory, `model(params, graph, tokens, dropout_rate=, rng=)`."""

    def logits(params, tokens, *, rng=None):
        return model(params, graph, tokens, **dropping(config.dropout_rate, rng), **options)

    return stateless(init, logits, edges)


def rotation(config: Config) -> dict[str, Any]:
    """What models with queries and keys are told: no sines, and whether to rotate."""
    return {"encoding": None} | ({"rotate": rotary} if config.positions == "rotary" else {})


def on_graph(layout: Callable[[Config], Layout]) -> Factory:
    """nanoGPT's Transformer on a graph of the past, with ReLU: GELU costs a CPU half of a step more."""

    def model(config: Config, vocab_size: int) -> LanguageModel:
        graph, init = layout(config), partial(init_language_model, config=config.transformer(vocab_size))
        places = {"rotary": {"rotate": rotary}, "alibi": {"bias": Alibi.from_heads(config.num_heads)}}
        block = partial(transformer_block, **places.get(config.positions, {}))
        return language(init, language_model, graph, mean_edges(graph), config, encoding=None, block=block)

    return model


def sparse(parts: Callable[[int, int], tuple[Layout, Layout]]) -> Factory:
    """The Sparse Transformer: half of the heads on each part."""

    def model(config: Config, vocab_size: int) -> LanguageModel:
        layouts = parts(config.context, config.window // 2)
        edges = sum(map(mean_edges, layouts)) / len(layouts)
        init = partial(init_sparse_transformer, config=config.transformer(vocab_size))
        return language(init, sparse_transformer, layouts, edges, config, **rotation(config))

    return model


def spanned(config: Config, vocab_size: int) -> LanguageModel:
    """Heads that learn how far they look, at a small price for each step."""
    graph = patterns.window(config.context, config.context)
    init = partial(init_adaptive_span, config=config.transformer(vocab_size))
    options = {"max_span": float(config.context), "ramp": float(config.window)} | rotation(config)

    def apply(params, tokens, state, *, rng=None):
        logits = adaptive_span(params, graph, tokens, **dropping(config.dropout_rate, rng), **options)
        return Output(logits, state, SPAN_PRICE * span_loss(params, config.context))

    return LanguageModel(init, apply, mean_edges(graph))


def universal(config: Config, vocab_size: int) -> LanguageModel:
    """One wide block, as often as the Transformer has blocks; it adds sines in each step, whatever else it is told."""
    graph = patterns.causal(config.context)
    init = partial(init_universal_transformer, config=config.transformer(vocab_size))
    block = partial(transformer_block, rotate=rotary if config.positions == "rotary" else None)

    def logits(params, tokens, *, rng=None):
        drop = dropping(config.dropout_rate, rng)
        x, drop = drop_embeddings(embed(params, tokens, encoding=None), **drop)
        pondered = ponder(params, graph, x, block=block, num_steps=config.num_layers, **drop)
        return unembed(params, normed(params, "norm", pondered.x))

    return stateless(init, logits, mean_edges(graph))


def hops(config: Config, vocab_size: int) -> LanguageModel:
    """A memory network: as many hops as the Transformer has blocks, from no question to the past."""
    n = config.context
    graph = patterns.window(n, n)
    sizes = {"vocab_size": vocab_size, "model_dim": config.model_dim, "num_hops": config.num_layers, "max_age": n}

    def logits(params, tokens, *, rng=None):
        return memory_network(params, graph, tokens[:, None])

    return stateless(partial(init_memory_network, **sizes), logits, mean_edges(graph))


def binary_partition(config: Config, vocab_size: int) -> LanguageModel:
    """The BP-Transformer: near tokens and ever longer spans of far ones."""
    n, k = config.context, max(config.window // 8, 1)
    graph = partition([n], k, causal=True)
    sizes = config.transformer(vocab_size, max_length=None)
    init = partial(init_bp_transformer, config=sizes, max_length=n, k=k)
    return language(init, bp_transformer, graph, graph.layout.n_edge / n, config)


def hashed(config: Config, vocab_size: int) -> LanguageModel:
    """The Reformer: two rounds of hashing."""
    n, chunk, buckets = config.context, config.window // 2, 2 * max(config.context // config.window, 1)
    codes = jax.random.randint(jax.random.key(0), (2, n), 0, buckets)
    init = partial(init_reformer, config=config.transformer(vocab_size), bucket_sizes=(buckets,))
    edges = patterns.statistics(patterns.lsh_buckets(n, codes, chunk=chunk)).edges_per_receiver
    return language(init, reformer, Hashing(chunk=chunk), edges, config, **rotation(config))


def convolution(dynamic: bool) -> Factory:
    """LightConv or DynamicConv: weights of a window without pairwise scores."""

    def model(config: Config, vocab_size: int) -> LanguageModel:
        graph = patterns.window(config.context, config.window - 1)
        sizes = config.transformer(vocab_size)
        init = partial(init_light_conv, config=sizes, width=config.window, dynamic=dynamic)
        return language(init, light_conv, graph, mean_edges(graph), config, encoding=None)

    return model


def gated_convolution(config: Config, vocab_size: int) -> LanguageModel:
    """ConvS2S: a matrix for each distance, of which there are fewer, as in the paper."""
    width = max(config.window // 4, 1)
    graph = patterns.window(config.context, width - 1)
    init = partial(init_conv_s2s, config=config.transformer(vocab_size), width=width)
    return language(init, conv_s2s, graph, mean_edges(graph), config, encoding=None)


SPAN_PRICE = 5e-4  # nats for one step of the mean span
ATTENDING, CONVOLVING, OWN = (LEARNED, "rotary"), (LEARNED, "none"), ("own",)
EVERY = {
    "transformer": (on_graph(GRAPHS["causal"]), (LEARNED, "rotary", "alibi", "none")),
    "window": (on_graph(GRAPHS["window"]), (LEARNED, "rotary", "alibi", "none")),
    "universal": (universal, ("own", "rotary")),
    "sparse_strided": (sparse(patterns.strided_parts), ATTENDING),
    "sparse_fixed": (sparse(patterns.fixed_parts), ATTENDING),
    "adaptive_span": (spanned, ATTENDING),
    "binary_partition": (binary_partition, OWN),
    "reformer": (hashed, ATTENDING),
    "light_conv": (convolution(dynamic=False), CONVOLVING),
    "dynamic_conv": (convolution(dynamic=True), CONVOLVING),
    "conv_s2s": (gated_convolution, CONVOLVING),
    "memory_network": (hops, OWN),
    "transformer_xl": (transformer_xl, OWN),
    "compressive": (compressive_transformer, OWN),
    "lstm": (long_short_term_memory, OWN),
} | {name: (factory, positions) for name, factory, positions in all_networks()}
MODELS: dict[str, Factory] = {name: factory for name, (factory, _) in EVERY.items()}
POSITIONS: dict[str, tuple[str, ...]] = {name: positions for name, (_, positions) in EVERY.items()}


def placed(name: str, config: Config) -> Config:
    """The config with positions that the model takes: its first ones, where none are named.

    Raises:
        ValueError: there is no such model, or it does not take the positions that are named.
    """
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}; choose one of {', '.join(MODELS)}")
    if config.positions and config.positions not in POSITIONS[name]:
        raise ValueError(f"{name} takes positions {', '.join(POSITIONS[name])}, got {config.positions!r}")
    return dataclasses.replace(config, positions=config.positions or POSITIONS[name][0])


def make(name: str, config: Config, vocab_size: int) -> tuple[LanguageModel, Config]:
    """The model of that name and its config, at the width that gives it the weights of the Transformer.

    All weights count, the Transformer's learned positions too, so that at long contexts, where that table is most of
    them, models that need none become wider.

    Raises:
        ValueError: there is no such model, or it does not take the config's positions.
    """
    config = placed(name, config)
    plain = dataclasses.replace(config, positions=LEARNED)
    budget = num_parameters(MODELS["transformer"](plain, vocab_size).init)
    step = 2 * config.num_heads  # heads and the halves of rotations divide the width

    def sized(width: int) -> tuple[LanguageModel, Config]:
        resized = dataclasses.replace(config, model_dim=width)
        return MODELS[name](resized, vocab_size), resized

    low, high = 1, 8 * config.model_dim // step  # widths in steps: the nearest one lies between
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if num_parameters(sized(middle * step)[0].init) <= budget else (low, middle)
    candidates = [sized(low * step), sized(high * step)]
    return min(candidates, key=lambda candidate: abs(num_parameters(candidate[0].init) - budget))
