"""Classifiers that end in one attention from a sentence to its words, which is what one would show as the reason.

`words`: the attention reads the words themselves. `transformer`: it reads them after they have seen each other.
"""

from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from experiments.deception.config import Config
from tgnn.graphs import Complete
from tgnn.nn.basic import dropout, fold, init_linear, linear
from tgnn.nn.block import transformer_block
from tgnn.nn.multi_head import init_multi_head_attention, multi_head_attention, multi_head_weights
from tgnn.nn.positions import segment_positions
from tgnn.nn.transformer import TransformerConfig, decoder, embed, init_language_model
from tgnn.typing import Array, Params

PLAIN = "definition"  # rows are short: nothing is gained by a fused path, which takes longer to compile
Name = Literal["words", "transformer"]


class Said(NamedTuple):
    """Of every sentence of a row."""

    logits: Array  # [members, 2]
    mass: Array  # [members], the attention on words of the lexicon


def init(rng: Array, name: Name, config: Config, vocab_size: int) -> Params:
    """Fresh weights."""
    model_rng, pool_rng, summary_rng, classes_rng = jax.random.split(rng, 4)
    sizes = TransformerConfig(
        vocab_size,
        model_dim=config.model_dim,
        num_layers=config.num_layers,
        num_heads=config.num_heads,
        hidden_dim=2 * config.model_dim,
    )
    params = init_language_model(model_rng, sizes)
    params = params if name == "transformer" else {"embedding": params["embedding"]}
    return params | {
        "pool": init_multi_head_attention(pool_rng, config.model_dim, 1),
        "summary": jax.random.normal(summary_rng, (config.model_dim,)),
        "classes": init_linear(classes_rng, config.model_dim, 2),
    }


def classify(
    params: Params, config: Config, lexicon: Array, tokens: Array, segments: Array, members: int, rng: Array | None
) -> Said:
    """One row: `[slots]` tokens and segments. The Transformer is the model whose weights have a decoder."""
    n, rate = len(tokens), 0.0 if rng is None else config.dropout_rate
    mixes = "decoder" in params
    x = embed(params, tokens, segment_positions(segments)) if mixes else embed(params, tokens, encoding=None)
    x = dropout(fold(rng, 0), x, rate)  # [slots, model_dim]
    if mixes:
        words = Complete(n).with_segments(segments)
        block = partial(transformer_block, implementation=PLAIN)
        x = decoder(params["decoder"], words, x, block=block, dropout_rate=rate, rng=fold(rng, 1))
    summary = jnp.broadcast_to(params["summary"], (members, config.model_dim))
    whole = Complete(members, n).with_segments(jnp.arange(members), segments)  # each sentence attends to its words
    pooled = multi_head_attention(params["pool"], whole, summary, x, implementation=PLAIN)  # [members, model_dim]
    weights = multi_head_weights(params["pool"], whole, summary, x)[..., 0]  # [members, slots]
    return Said(linear(params["classes"], pooled), weights @ lexicon[tokens].astype(weights.dtype))
