"""Reformer: the graph is made by a hash of the nodes themselves, anew in each layer and head.

A node sees those whose shared query-key vector points its way, so that query and key fall into one bucket.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from tgnn.attention.api import attend
from tgnn.attention.recording import checkpointed, share
from tgnn.errors import check_dropout, check_size
from tgnn.models.cards import Choice
from tgnn.nn.basic import linear
from tgnn.nn.block import TransformerConfig, block_of, init_block
from tgnn.nn.multi_head import Rotate, rotated
from tgnn.nn.positions import sinusoidal
from tgnn.nn.transformer import Encoding, init_language_model, language_model
from tgnn.patterns import lsh_buckets
from tgnn.pytrees import register
from tgnn.typing import Array, Params


@register
@dataclass(frozen=True)
class Hashing:
    """How buckets become a graph; see `tgnn.patterns.lsh_buckets`.

    Args:
        chunk: nodes in a chunk of the sorted nodes; a node sees its own chunk and the one before.
        causal: edges come from the past only. Which edges of the past there are depends on later nodes too, though on
            their hashes alone: the borders of chunks are counted in the sorted nodes, and nodes of earlier buckets move
            them. Nothing at all of the future is seen where no border is, `chunk >= n`.
        segments: ints `[n]`, -1 = padding; nodes see their own segment only. Default: one segment.
    """

    chunk: int = jax.tree.static(default=64)  # pyright: ignore
    causal: bool = jax.tree.static(default=True)  # pyright: ignore
    segments: Array | None = None


def init_reformer(
    rng: Array, config: TransformerConfig, *, num_rounds: int = 2, bucket_sizes: Sequence[int] = (16,)
) -> Params:
    """Initialises a language model with shared queries and keys, and the random rotations of its hashes.

    Args:
        rng: a key.
        config: sizes; `num_key_heads` must be that of the queries.
        num_rounds: of hashing, at least 1; a pair sees each other if it meets in any (the paper's: 1 to 8).
        bucket_sizes: even numbers whose product is the number of buckets; about `2 * n / chunk` in all. Several factors
            cost their sum, one costs their product.

    Returns:
        As `init_language_model`, without `"key"` and with `"rotations"` `[heads, head_dim, num_rounds, size / 2]` in
        the attention of the blocks. Rotations get no gradient.

    Raises:
        ValueError: for an odd size, or no rounds.
    """
    num_rounds = check_size("num_rounds", num_rounds, minimum=1)
    if not bucket_sizes or any(check_size("bucket_sizes", size) < 2 or size % 2 for size in bucket_sizes):
        raise ValueError(f"bucket_sizes must be even numbers, such as (16,) or (16, 32), got {tuple(bucket_sizes)}")
    init = partial(init_reformer_block, num_rounds=num_rounds, bucket_sizes=bucket_sizes)
    return init_language_model(rng, config, init=init)


def init_reformer_block(
    rng: Array, config: TransformerConfig, *, num_rounds: int, bucket_sizes: Sequence[int], cross: bool = False
) -> Params:
    """Initialises one block; arguments as for `init_reformer`."""
    block_rng, rotation_rng = jax.random.split(rng)
    block = init_block(block_rng, config, cross=cross)
    shared = {name: part for name, part in block["attention"].items() if name != "key"}
    heads, head_dim = shared["query"]["kernel"].shape[1:]
    rngs = jax.random.split(rotation_rng, len(bucket_sizes))
    shapes = [(heads, head_dim, num_rounds, size // 2) for size in bucket_sizes]
    shared["rotations"] = [jax.random.normal(rng, shape) for rng, shape in zip(rngs, shapes, strict=True)]
    return block | {"attention": shared}


def reformer(
    params: Params,
    graph: Hashing,
    tokens: Array,
    *,
    encoding: Encoding | None = sinusoidal,
    rotate: Rotate | None = None,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
    remat: bool = False,
) -> Array:
    """Logits of the next token at each token, given those that its hashes show it.

    With chunks shorter than the text it is not strictly causal; see `Hashing`.

    Args:
        params: what `init_reformer` made.
        graph: how buckets become a graph.
        tokens: ints `[n]`.
        encoding: of the positions, where the parameters have none.
        rotate: of queries and keys once they are hashed, such as `tgnn.nn.positions.rotary`.
        dropout_rate: of the embeddings, the blocks and the attention weights.
        rng: key of the dropout.
        implementation: see `tgnn.attend`.
        remat: recompute each block in the backward pass; see `tgnn.nn.transformer.decoder`.

    Returns:
        `[n, vocab_size]`. O(rounds * n * chunk) time; one head at a time is in memory.

    Raises:
        ValueError: `graph` is no `Hashing`, or there is a rate above 0 without a key.

    Reference: Kitaev, Kaiser and Levskaya, Reformer: The Efficient Transformer, arXiv:2001.04451. Here rotations are
        drawn once for each layer and head, not in every step; positions are sinusoidal, not axial; blocks are not
        reversible (`remat` saves the same memory) and maps of nodes not cut into chunks; the first chunk does not see
        the last one.

    >>> import jax, tgnn
    >>> config = tgnn.nn.transformer.TransformerConfig(50, model_dim=8, num_layers=1, num_heads=2, hidden_dim=16)
    >>> graph = tgnn.models.sequences.reformer.Hashing(2)
    >>> params = tgnn.models.init_reformer(jax.random.key(0), config, bucket_sizes=(2,))
    >>> tokens = jax.numpy.arange(6)
    >>> tgnn.models.reformer(params, graph, tokens).shape
    (6, 50)
    """
    if not isinstance(graph, Hashing):
        raise ValueError(
            f"graph must be a Hashing, whose graph is made anew in each layer, got {type(graph).__name__}; pass "
            "Hashing(chunk), or use tgnn.nn.transformer.language_model on a fixed layout"
        )
    options = {"encoding": encoding, "dropout_rate": check_dropout(dropout_rate, rng), "rng": rng, "remat": remat}
    block = block_of(partial(lsh_attention, rotate=rotate, implementation=implementation))
    return language_model(params, graph, tokens, block=block, **options)


def lsh_attention(
    params: Params,
    graph: Hashing,
    x: Array,
    *,
    rotate: Rotate | None = None,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Array:
    """Attention whose keys are the queries at length 1, each head on the graph of its own hashes.

    The paper normalises each round, subtracts the logarithm of how often a pair meets, and joins the rounds by their
    log-sum-exp: that is one softmax over the union of the rounds, which is the graph here.
    """
    query, value = linear(params["query"], x), linear(params["value"], x)
    codes = hash_codes(params["rotations"], query, graph.segments)
    query = rotated(rotate, query)  # the same angle for a node as query and as key

    numbers = itertools.count()  # of the heads, where those who read the weights run them one by one

    def one_head(operands):
        query, key, value, codes, rng = operands
        layout = lsh_buckets(x.shape[0], codes, chunk=graph.chunk, causal=graph.causal)
        options = {"dropout_rate": dropout_rate, "rng": rng, "implementation": implementation}
        with share(params, (next(numbers),)):
            return attend(layout, query, key, value, scale=1.0, **options)

    heads = [jnp.swapaxes(y, 0, 1)[:, :, None] for y in (query, unit(query), value)]
    rngs = None if rng is None else jax.random.split(rng, query.shape[1])
    output = jax.lax.map(checkpointed(one_head), (*heads, codes, rngs))  # [heads, n, 1, head_dim]
    return linear(params["output"], jnp.swapaxes(output[:, :, 0], 0, 1), in_axes=2)


def hash_codes(rotations: Sequence[Array], query: Array, segments: Array | None = None) -> Array:
    """The bucket of each node, `[heads, rounds, n]`: the nearest of the axes of a rotated space, in both directions."""
    query, code = jax.lax.stop_gradient(query), jnp.zeros((), jnp.int32)
    for rotation in rotations:
        turned = jnp.einsum("nhd,hdrb->hrnb", query, jax.lax.stop_gradient(rotation).astype(query.dtype))
        axis = jnp.argmax(jnp.concatenate([turned, -turned], axis=-1), axis=-1).astype(jnp.int32)
        code = code * (2 * rotation.shape[-1]) + axis
    if segments is None:
        return code
    num_buckets = math.prod(2 * rotation.shape[-1] for rotation in rotations)
    ids = jnp.broadcast_to(segments[None, None], code.shape)
    return jnp.where(ids < 0, -1, ids * num_buckets + code)


def unit(x: Array) -> Array:
    """Vectors of length 1 along the last axis."""
    return x * jax.lax.rsqrt((x * x).sum(-1, keepdims=True) + 1e-6)


CHOICES = (
    Choice(
        "Reformer",
        graph="buckets of a hash of the nodes, in several rounds: `lsh_buckets`",
        score="dot product, keys are the queries at length 1",
        reduction="softmax",
        paper="arXiv:2001.04451",
    ),
)
