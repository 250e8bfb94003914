"""The encoder–decoder on its three graphs: letters, phonemes, and the edges from the ones to the others."""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

import tgnn
from experiments.common.training import dropping
from experiments.pronounce.config import END, START, Config
from experiments.pronounce.data import Batch, letter_ids, padded, phoneme_ids, phoneme_names
from tgnn.nn.basic import layer_norm, linear
from tgnn.nn.block import transformer_block
from tgnn.nn.cached_block import cached_block
from tgnn.nn.decoding import decode_step, init_cache
from tgnn.nn.multi_head import Rotate
from tgnn.nn.search import greedy
from tgnn.nn.transformer import Layouts, encode_source, transformer
from tgnn.train.losses import cross_entropy


def layouts(row: Batch) -> Layouts:
    """The graphs of one row: within each word complete over its letters, causal over its phonemes, complete between."""
    letters, phonemes = row.letter_segments, row.phoneme_segments
    n, m = letters.shape[0], phonemes.shape[0]
    return Layouts(
        source=tgnn.Complete(n).with_segments(letters),
        target=tgnn.Causal(m).with_segments(phonemes),
        cross=tgnn.Complete(m, n).with_segments(phonemes, letters),
    )


def make_loss(config: Config, *, rotate: Rotate | None = None) -> Callable:
    """The loss of a batch, `(params, batch, rng) -> (nats per phoneme, {})`; no dropout if rng is None."""
    encoder_block = functools.partial(transformer_block, rotate=rotate)

    def row_logits(params, row, rng):
        places = {"positions": row.phoneme_positions, "memory_positions": row.letter_positions}
        return transformer(
            params,
            layouts(row),
            row.letters,
            row.phonemes,
            source_positions=row.letter_positions,
            positions=row.phoneme_positions,
            encoder_block=encoder_block,
            decoder_block=functools.partial(encoder_block, cross_rotate=rotate, **places),
            **dropping(config.dropout_rate, rng),
        )

    def loss(params, batch, rng):
        dropping = rng is not None and config.dropout_rate > 0
        rngs = jax.random.split(rng, len(batch.letters)) if dropping else None
        logits = jax.vmap(row_logits, (None, 0, 0 if dropping else None))(params, batch, rngs)
        smoothing = config.label_smoothing if rng is not None else 0.0
        return cross_entropy(logits, batch.targets, label_smoothing=smoothing), {}

    return loss


@functools.partial(jax.jit, static_argnames=("max_length", "rotate"))
def decode(params, letters: jax.Array, max_length: int, *, rotate: Rotate | None = None) -> jax.Array:
    """Says the words `letters [n, slots]`, -1 behind each: the most probable phoneme after each, `[n, max_length]`."""

    def one(letters):
        segments = jnp.where(letters >= 0, 0, -1)
        block = functools.partial(transformer_block, rotate=rotate)
        memory = encode_source(params, tgnn.Complete(len(letters)).with_segments(segments), letters, block=block)
        cross = tgnn.Complete(1, len(letters)).with_segments(jnp.zeros(1, jnp.int32), segments)
        block = functools.partial(cached_block, rotate=rotate, cross_rotate=rotate)
        step = functools.partial(decode_step, params, memory_layout=cross, block=block)
        cache = init_cache(params, max_length, memory, cross_rotate=rotate)
        return greedy(step, cache, START, end=END, max_length=max_length)

    return jax.vmap(one)(letters)


def say(
    params, words: Sequence[str], slots: int, batch_size: int = 256, *, decode: Callable = decode
) -> list[tuple[str, ...]]:
    """The phonemes of each word; words of like length are decoded together: a batch runs as long as its longest."""
    order = sorted(range(len(words)), key=lambda i: len(words[i]))
    size = min(batch_size, len(words))
    said: dict[int, tuple[str, ...]] = {}
    for start in range(0, len(order), size):
        members = order[start : start + size]
        filled = [words[i] for i in members] + ["a"] * (size - len(members))  # one shape, one compilation
        tokens = np.asarray(decode(params, padded(filled, slots), slots))
        said |= {i: phoneme_names(row) for i, row in zip(members, tokens, strict=False)}
    return [said[i] for i in range(len(words))]


def cross_attention(params, word: str, phonemes: Sequence[str], *, rotate: Rotate | None = None) -> np.ndarray:
    """How much each phoneme, and the END after them, looks at each letter: `[layers, phonemes + 1, letters, heads]`."""
    seen = []
    apply = functools.partial(transformer_block, rotate=rotate)
    turn = rotate or (lambda x, positions: x)

    def block(block_params, layout, x, memory, memory_layout, **options):
        part = block_params["cross"]
        before = apply({"attention": block_params["attention"]}, layout, x, **options)
        query = turn(linear(part["query"], layer_norm(part["norm_before"], before)), np.arange(m))
        key = turn(linear(part["key"], memory), np.arange(n))
        seen.append(tgnn.attention_weights(memory_layout, query, key))
        return apply(block_params, layout, x, memory, memory_layout, cross_rotate=rotate, **options)

    letters, said = letter_ids(word), phoneme_ids(phonemes)
    n, m = len(letters), len(said) + 1
    graphs = Layouts(tgnn.Complete(n), tgnn.Causal(m), tgnn.Complete(m, n))
    transformer(unstacked(params), graphs, letters, np.append(START, said), encoder_block=apply, decoder_block=block)
    return np.stack(seen)


def unstacked(params):
    """The same model with its decoder's blocks as a list, which Python runs one by one."""
    blocks = params["decoder"]["blocks"]
    depth = len(jax.tree.leaves(blocks)[0])
    listed = [jax.tree.map(lambda leaf, i=i: leaf[i], blocks) for i in range(depth)]
    return params | {"decoder": params["decoder"] | {"blocks": listed}}
