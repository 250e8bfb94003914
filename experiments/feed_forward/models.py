"""Transformers whose feed-forward layers are 0 to 8 times as wide as they are, or vectors that all tokens see instead.

A layer has 4 d^2 weights in its attention and 2 r d^2 in its feed-forward layer, r times as wide as d. As many weights
as with r = 4 has, without, a model three times as deep, or one wider by about the root of three.
"""

import bisect
import dataclasses
from functools import partial

from experiments.common.training import dropping, num_parameters
from experiments.language.config import Config
from experiments.language.models import mean_edges
from experiments.language.signature import LanguageModel, stateless
from tgnn import patterns
from tgnn.models.sequences.all_attention import all_attention, init_all_attention
from tgnn.nn.block import TransformerConfig, init_block, transformer_block
from tgnn.nn.positions import rotary
from tgnn.nn.transformer import init_language_model, language_model
from tgnn.typing import Array, Params

USUAL = 4  # hidden features over model_dim, since arXiv:1706.03762


def init_attention_only(rng: Array, config: TransformerConfig, *, cross: bool = False) -> Params:
    """A block that lacks the feed-forward layer: `transformer_block` then leaves it out."""
    return {name: part for name, part in init_block(rng, config, cross=cross).items() if name != "mlp"}


def transformer(config: Config, vocab_size: int, ratio: int) -> LanguageModel:
    """On all of the past, positions as rotations."""
    graph = patterns.causal(config.context)
    init = init_block if ratio else init_attention_only
    hidden = ratio * config.model_dim or None
    sizes = config.transformer(vocab_size, max_length=None, hidden_dim=hidden)
    block = partial(transformer_block, rotate=rotary)

    def logits(params, tokens, *, rng=None):
        return language_model(params, graph, tokens, encoding=None, block=block, **dropping(config.dropout_rate, rng))

    return stateless(partial(init_language_model, config=sizes, init=init), logits, mean_edges(graph))


def persistent(config: Config, vocab_size: int, ratio: int) -> LanguageModel:
    """As many persistent vectors as the feed-forward layer has hidden features: as many weights."""
    graph = patterns.causal(config.context)
    sizes = config.transformer(vocab_size, max_length=None)
    init = partial(init_all_attention, config=sizes, num_vectors=ratio * config.model_dim)

    def logits(params, tokens, *, rng=None):
        return all_attention(params, graph, tokens, **dropping(config.dropout_rate, rng))

    return stateless(init, logits, mean_edges(graph) + ratio * config.model_dim)


def wide(config: Config, vocab_size: int, ratio: int) -> Config:
    """The width at which a model has the weights of the usual one, to a step of two features a head."""

    def sized(width: int) -> Config:
        return dataclasses.replace(config, model_dim=width)

    def weights(width: int) -> int:
        return num_parameters(transformer(sized(width), vocab_size, ratio).init)

    budget, step = num_parameters(transformer(config, vocab_size, USUAL).init), 2 * config.num_heads
    widths = range(step, 4 * config.model_dim, step)
    above = bisect.bisect_left(widths, budget, key=weights)
    return sized(min(widths[above - 1 : above + 1], key=lambda width: abs(weights(width) - budget)))


def deep(config: Config, ratio: int) -> Config | None:
    """The depth at which a model has the weights of the usual one, of equal width; None where no depth has."""
    layers, rest = divmod(config.num_layers * (2 + USUAL), 2 + ratio)
    return None if rest else dataclasses.replace(config, num_layers=layers)
