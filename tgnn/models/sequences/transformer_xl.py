"""Transformer-XL: the nodes of the segments before are senders, and positions are distances."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tgnn.attention.api import attend
from tgnn.errors import check_size
from tgnn.graphs import Causal, Window
from tgnn.models.cards import Choice
from tgnn.nn.basic import dropout, fold, init_linear, layer_norm, linear
from tgnn.nn.block import TransformerConfig, feed_forward, init_block, run_blocks, run_parts
from tgnn.nn.positions import rotary
from tgnn.nn.transformer import embed, init_language_model, unembed
from tgnn.patterns import cached_past
from tgnn.typing import Array, Params


class Past(NamedTuple):
    """What the segments before have left: the inputs of each block at the last `length` nodes, oldest first."""

    hidden: Array  # [layers, length, model_dim]
    live: Array  # bool [length]: False where the text had not yet begun


def init_transformer_xl(rng: Array, config: TransformerConfig, *, position_dim: int | None = None) -> Params:
    """Initialises a language model with relative positions.

    Args:
        rng: a key.
        config: sizes and parts; `max_length` is not used.
        position_dim: sines and cosines of a distance, an even number; default `model_dim`, as in the paper.

    Returns:
        What `init_language_model` makes, and in each attention `{"position", "content_bias", "position_bias"}`.

    Raises:
        ValueError: `position_dim` is no integer of at least 2.
    """
    dim = config.model_dim if position_dim is None else check_size("position_dim", position_dim, minimum=2)

    def init(rng: Array, config: TransformerConfig, *, cross: bool = False) -> Params:
        block_rng, position_rng = jax.random.split(rng)
        params = init_block(block_rng, config, cross=cross)
        shape = params["attention"]["query"]["kernel"].shape[1:]
        relative = {
            "position": init_linear(position_rng, dim, shape, use_bias=False),
            "content_bias": jnp.zeros(shape),
            "position_bias": jnp.zeros(shape),
        }
        return params | {"attention": params["attention"] | relative}

    return init_language_model(rng, config, init=init)


def init_past(params: Params, length: int) -> Past:
    """The memory before the first segment: `length` rows a block, none of them live."""
    length = check_size("length", length)
    scale = params["decoder"]["blocks"]["mlp"]["up"]["kernel"]  # [layers, model_dim, hidden_dim]
    return Past(jnp.zeros((scale.shape[0], length, scale.shape[1]), scale.dtype), jnp.zeros(length, bool))


def transformer_xl(
    params: Params,
    tokens: Array,
    past: Past,
    *,
    span: int | None = None,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> tuple[Array, Past]:
    """Logits of the next token in one segment of a text, and the memory for the segment after it.

    Equal to one long segment where the memory holds all nodes that the layers look at.

    Args:
        params: what `init_transformer_xl` made, its blocks stacked.
        tokens: ints `[n]`, a segment of any length.
        past: what `init_past` or the segment before made.
        span: how many steps back a node looks; default as far as the memory goes.
        dropout_rate: of the embeddings and the blocks.
        rng: key of the dropout; None switches it off.

    Returns:
        `[n, vocab_size]` and the memory, through which no gradient flows. Time O(n (n + length)), or O(n span).

    Reference: Dai, Yang, Yang, Carbonell, Le and Salakhutdinov, Transformer-XL: Attentive Language Models Beyond a
        Fixed-Length Context, arXiv:1901.02860, sections 3.2 and 3.3; the two biases are each block's own.
    """
    x = dropout(fold(rng, 0), embed(params, tokens, encoding=None), dropout_rate)
    layout = remembered(x.shape[0], past.live, span)

    def apply(x, block_params):
        block, hidden, block_rng = block_params
        return xl_block(block, layout, x, hidden, dropout_rate=dropout_rate, rng=block_rng), shift(hidden, x)

    x, hidden = run_blocks(apply, params["decoder"]["blocks"], x, past.hidden, rng=fold(rng, 1))
    return unembed(params, last_norm(params, x)), Past(hidden, shift(past.live, jnp.ones(x.shape[0], bool)))


def remembered(n: int, live: Array, span: int | None = None) -> Causal | Window:
    """`cached_past` without the edges from rows of the memory that are not live."""
    segments = jnp.where(jnp.concatenate([live, jnp.ones(n, bool)]), 0, -1)
    return cached_past(n, live.shape[0], span).with_segments(jnp.zeros(n, jnp.int32), segments)


def shift(rows: Array, new: Array) -> Array:
    """Appends rows and drops as many of the oldest; no gradient flows through what is kept."""
    return jax.lax.stop_gradient(jnp.concatenate([rows, new])[new.shape[0] :])


def xl_block(
    params: Params,
    layout: Causal | Window,
    x: Array,
    hidden: Array,
    *,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Attends to `hidden [length, model_dim]` and to x, then maps every node: `[n, model_dim] -> [n, model_dim]`."""
    rate = 0.0 if rng is None else dropout_rate
    before = normed(params["attention"], hidden)
    parts = {
        "attention": lambda h, rng: relative_attention(
            params["attention"], layout, h, before, dropout_rate=rate, rng=rng
        ),
        "mlp": lambda h, rng: feed_forward(params["mlp"], h, dropout_rate=rate, rng=rng),
    }
    return run_parts(params, parts, x, dropout_rate=rate, rng=rng)


def normed(part: Params, x: Array) -> Array:
    """What a pre-LN part sees of x; x itself for a post-LN part."""
    return layer_norm(part["norm_before"], x) if "norm_before" in part else x


def last_norm(params: Params, x: Array) -> Array:
    """The norm at the end of a pre-LN stack."""
    return layer_norm(params["decoder"]["norm"], x) if "norm" in params["decoder"] else x


def relative_attention(
    params: Params,
    layout: Causal | Window,
    x: Array,
    past: Array,
    *,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Attention that scores `<query_i + u, key_j> + <query_i + v, W R(i - j)>`, R being sines and cosines.

    It is one dot product, so that every layout can run it: with c = W^T (query_i + v) and e = (0, 1, 0, 1, ...),
    `<c, R(i - j)> = <rotary(c, i), rotary(e, j)>` by the angle-sum formulas, and queries and keys get so many features
    more.

    Args:
        params: of the attention in a block of `init_transformer_xl`.
        layout: edges to x `[n, model_dim]` from the rows of the past `[length, model_dim]`, then of x.
        x: receivers.
        past: the senders before them.
        dropout_rate: of the weights.
        rng: key of the dropout; None switches it off.

    Returns:
        `[n, model_dim]`.

    Reference: arXiv:1901.02860, section 3.3, the four terms (a) to (d).
    """
    senders = jnp.concatenate([past, x])
    places = jnp.arange(senders.shape[0])
    query, key, value = linear(params["query"], x), linear(params["key"], senders), linear(params["value"], senders)
    scale = query.shape[-1] ** -0.5
    kernel = params["position"]["kernel"].astype(x.dtype)
    wave = jnp.einsum("nhd,phd->nhp", query + params["position_bias"][None].astype(x.dtype), kernel)
    unit = jnp.broadcast_to(jnp.arange(wave.shape[-1]) % 2, (*key.shape[:2], wave.shape[-1])).astype(x.dtype)
    content = query + params["content_bias"][None].astype(x.dtype)
    query = jnp.concatenate([content, rotary(wave, places[past.shape[0] :], interleaved=True)], axis=-1)
    key = jnp.concatenate([key, rotary(unit, places, interleaved=True)], axis=-1)
    output = attend(layout, query, key, value, scale=scale, dropout_rate=dropout_rate, rng=rng)
    return linear(params["output"], output, in_axes=2)


CHOICES = (
    Choice(
        "Transformer-XL",
        "the past and the segments before: `cached_past`",
        "dot product of words, and of word and distance",
        "softmax",
        "arXiv:1901.02860",
    ),
)
