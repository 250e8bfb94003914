"""The encoder–decoder: the encoder on the graph that is asked about, causal and bipartite complete ones behind it."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import tgnn
from experiments.common.training import dropping
from experiments.translate.config import Config
from experiments.translate.data import Batch
from experiments.translate.graphs import GRAPHS
from experiments.translate.vocabulary import END, START
from tgnn.nn.block import transformer_block
from tgnn.nn.cached_block import cached_block
from tgnn.nn.decoding import decode_step, init_cache
from tgnn.nn.positions import rotary, sinusoidal
from tgnn.nn.search import beam_search, greedy
from tgnn.nn.transformer import Layouts, encode_source, init_transformer, transformer
from tgnn.train.losses import cross_entropy
from tgnn.typing import Array, Params


class Variant(NamedTuple):
    """What a cell of the grid is: a graph of the encoder, and how all three graphs tell positions."""

    graph: str
    rotated: bool = True  # queries and keys, by RoFormer's rule; else sinusoids are added, as of old


VARIANTS = {name: Variant(name) for name in GRAPHS} | {"sinusoidal": Variant("complete", rotated=False)}


def init(rng: Array, config: Config) -> Params:
    """Weights of an encoder–decoder with one table of embeddings."""
    params = init_transformer(rng, config.model)
    return params | {"source": {"encoder": params["source"]["encoder"]}}


def shared(params: Params) -> Params:
    """The same with the table where the encoder looks for it."""
    return params | {"source": params["source"] | {"embedding": params["embedding"]}}


def layouts(row: Batch) -> Layouts:
    """The graphs of one row of sentences."""
    said, read = row.target_segments, row.source_segments
    return Layouts(
        source=tgnn.Dense(row.edges),
        target=tgnn.Causal(len(said)).with_segments(said),
        cross=tgnn.Complete(len(said), len(read)).with_segments(said, read),
    )


def row_logits(params: Params, row: Batch, variant: Variant, **drop: Any) -> Array:
    """What each token of the targets of a row is expected to be, `[slots, vocab_size]`."""
    rotate = rotary if variant.rotated else None
    places = {"positions": row.target_positions, "memory_positions": row.source_positions}
    return transformer(
        shared(params),
        layouts(row),
        row.source,
        row.given,
        source_positions=row.source_positions,
        positions=row.target_positions,
        encoding=None if variant.rotated else sinusoidal,
        encoder_block=functools.partial(transformer_block, rotate=rotate, positions=row.source_positions),
        decoder_block=functools.partial(transformer_block, rotate=rotate, cross_rotate=rotate, **places),
        **drop,
    )


def make_loss(config: Config, variant: Variant) -> Callable:
    """The loss of a batch, `(params, batch, rng) -> (nats per piece, {})`; no dropout nor smoothing if rng is None."""

    def loss(params, batch, rng):
        rngs = None if rng is None else jax.random.split(rng, len(batch.given))
        one = lambda row, rng: row_logits(params, row, variant, **dropping(config.dropout_rate, rng))  # noqa: E731
        logits = jax.vmap(one, (0, None if rng is None else 0))(batch, rngs)  # [rows, slots, vocab_size]
        smoothing = config.label_smoothing if rng is not None else 0.0
        return cross_entropy(logits, batch.targets, label_smoothing=smoothing), {}

    return loss


@functools.partial(jax.jit, static_argnames=("variant", "max_length", "beam_size"))
def decode(
    params: Params, batch: Batch, *, variant: Variant, max_length: int, beam_size: int, length_penalty: float
) -> Array:
    """Translates the one source of each row: `[rows, max_length]`, END behind each; a beam of 1 is greedy."""
    rotate, encoding = (rotary, None) if variant.rotated else (None, sinusoidal)
    params = shared(params)

    def one(row: Batch) -> Array:
        places = row.source_positions
        block = functools.partial(transformer_block, rotate=rotate, positions=places)
        options = {"positions": places, "encoding": encoding, "block": block}
        memory = encode_source(params, tgnn.Dense(row.edges), row.source, **options)
        cross = tgnn.Complete(1, len(places)).with_segments(jnp.zeros(1, jnp.int32), row.source_segments)
        block = functools.partial(cached_block, rotate=rotate, cross_rotate=rotate)
        step = functools.partial(decode_step, params, memory_layout=cross, block=block, encoding=encoding)
        cache = init_cache(params, max_length, memory, cross_rotate=rotate, memory_positions=places)
        if beam_size == 1:
            return greedy(step, cache, START, end=END, max_length=max_length)
        beam = {"beam_size": beam_size, "length_penalty": length_penalty}
        return beam_search(step, cache, START, end=END, max_length=max_length, **beam)[0]

    return jax.vmap(one)(batch)
