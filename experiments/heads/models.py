"""Ways to reduce what the past says: all blocks of one signature, in a network of equal weights.

A head is a set of weights of its own, on the same edges. Mean, sum and maximum give all features the same weights, or
none: with 16 heads they are the function that they are with one, so that they have no number of heads here.
"""

import dataclasses
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from experiments.common.training import dropping, num_parameters
from experiments.language.config import Config
from experiments.language.grid import Cell
from experiments.language.models import mean_edges
from experiments.language.signature import LanguageModel, stateless
from tgnn import patterns
from tgnn.attention.aggregation import REDUCTIONS, aggregate
from tgnn.attention.api import attend
from tgnn.attention.scores import Gaussian
from tgnn.graphs import Layout
from tgnn.models.sequences.light_conv import convolve, init_light_conv_block
from tgnn.nn.basic import init_linear, linear
from tgnn.nn.block import TransformerConfig, block_of, init_block, transformer_block
from tgnn.nn.positions import rotary
from tgnn.nn.transformer import init_language_model, language_model
from tgnn.typing import Array, Params

BY_HEADS = ("softmax", "gaussian", "dynamic_conv")  # reductions whose heads have weights of their own
OTHERS = ("mean", "sum", "max", "mean_offsets", "sum_offsets", "max_offsets")


def without_scores(rng: Array, config: TransformerConfig, *, cross: bool = False) -> Params:
    """A block whose attention has values and an output map only."""
    block = init_block(rng, config, cross=cross)
    return block | {"attention": {k: part for k, part in block["attention"].items() if k not in ("query", "key")}}


def init_gaussian_block(rng: Array, config: TransformerConfig, *, cross: bool = False) -> Params:
    """Each head looks around one distance: somewhere in a window, a quarter of it wide, both learned."""
    block = without_scores(rng, config, cross=cross)
    mean = -jax.random.uniform(jax.random.fold_in(rng, 1), (config.num_heads, 1))  # in windows, to the past
    return block | {"attention": block["attention"] | {"mean": mean, "log_width": jnp.log(0.25) * jnp.ones_like(mean)}}


def gaussian_attention(params: Params, layout: Layout, x: Array, *, window: int, **dropout) -> Array:
    """MoNet's Gaussians of the distance, normalised over the past: `[n, model_dim] -> [n, model_dim]`."""
    value = linear(params["value"], x)  # [n, heads, head_dim]
    place = jnp.arange(x.shape[0], dtype=x.dtype)[:, None, None] / window
    place = jnp.broadcast_to(place, (*value.shape[:2], 1))
    score = Gaussian(params["mean"], jnp.exp(params["log_width"]))
    return linear(params["output"], attend(layout, place, place, value, score=score, **dropout), in_axes=2)


def init_offsets_block(rng: Array, config: TransformerConfig, *, context: int, cross: bool = False) -> Params:
    """A vector for each distance, beside values and an output map."""
    block = without_scores(rng, config, cross=cross)
    table = init_linear(jax.random.fold_in(rng, 1), context, config.model_dim, use_bias=False)["kernel"]
    return block | {"attention": block["attention"] | {"offset": {"table": table}}}


def reduce_messages(params: Params, layout: Layout, x: Array, *, reduction: str, **_) -> Array:
    """Messages without weights: values, or with a table `relu(value + vector of the distance)`, which is GIN's way."""
    value = linear(params["value"], x).reshape(x.shape)  # heads side by side
    if "offset" not in params:
        received = aggregate(layout, value, reduction)
    else:
        table = params["offset"]["table"]
        distance = jnp.clip(layout.receiver_index - layout.sender_index, 0, len(table) - 1)
        messages = jax.nn.relu(layout.from_senders(value) + table[distance])  # [*edge_shape, model_dim]
        received = REDUCTIONS[reduction](layout, messages)
    heads = params["output"]["kernel"].shape[:2]
    return linear(params["output"], received.reshape(x.shape[0], *heads), in_axes=2)


def parts(name: str, config: Config) -> tuple[Callable, Callable]:
    """How a block of that name is initialised, and how it is applied."""
    reduction = name.removesuffix("_offsets")
    if name == "softmax":
        return init_block, partial(transformer_block, rotate=rotary)
    if name == "gaussian":
        return init_gaussian_block, block_of(partial(gaussian_attention, window=config.window))
    if name == "dynamic_conv":
        return partial(init_light_conv_block, width=config.window, dynamic=True), block_of(convolve)
    init = partial(init_offsets_block, context=config.context) if name.endswith("_offsets") else without_scores
    return init, block_of(partial(reduce_messages, reduction=reduction))


def build(name: str, config: Config, vocab_size: int, hidden_dim: int) -> LanguageModel:
    """A language model that reads all of the past by that reduction, dynamic convolution the last `window` of it."""
    init_part, block = parts(name, config)
    n = config.context
    graph = patterns.window(n, config.window - 1) if name == "dynamic_conv" else patterns.causal(n)
    sizes = config.transformer(vocab_size, max_length=None, hidden_dim=hidden_dim)

    def logits(params, tokens, *, rng=None):
        return language_model(params, graph, tokens, encoding=None, block=block, **dropping(config.dropout_rate, rng))

    return stateless(partial(init_language_model, config=sizes, init=init_part), logits, mean_edges(graph))


def make(name: str, heads: int, config: Config, vocab_size: int) -> Cell:
    """The model with so many heads and the weights of the Transformer: its feed-forward layers are wider or narrower.

    All have one model_dim, of which 1 to 16 heads are divisors, so that weights agree to a hidden feature a layer.
    """
    config = dataclasses.replace(config, num_heads=heads)
    budget = num_parameters(build("softmax", config, vocab_size, 4 * config.model_dim).init)
    one, two = (num_parameters(build(name, config, vocab_size, hidden).init) for hidden in (1, 2))
    hidden = max(1, 1 + round((budget - one) / (two - one)))
    return Cell(build(name, config, vocab_size, hidden), config, {"hidden_dim": hidden})
