"""Transformer-XL: the nodes of the segments before are senders, and positions are distances."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tgnn.compiled import compiled
from tgnn.errors import check_dropout, check_size
from tgnn.graphs import Causal, Window
from tgnn.models.cards import Choice
from tgnn.models.sequences.relative_attention import relative_attention
from tgnn.nn.basic import dropout, fold, init_linear
from tgnn.nn.block import TransformerConfig, feed_forward, init_block, run_parts, run_stacked
from tgnn.nn.stack import normed
from tgnn.nn.transformer import embed, init_language_model, unembed
from tgnn.patterns import cached_past
from tgnn.printing import one_line
from tgnn.typing import Array, Params


class Past(NamedTuple):
    """What the segments before have left: the inputs of each block at the last `length` nodes, oldest first."""

    hidden: Array  # [layers, length, model_dim]
    live: Array  # bool [length]: False where the text had not yet begun

    __repr__ = one_line


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


def init_transformer_xl_state(params: Params, length: int) -> Past:
    """The memory before the first segment: `length` rows a block, none of them live."""
    length = check_size("length", length)
    check_stacked(params)
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
    implementation: str | None = None,
) -> tuple[Array, Past]:
    """Logits of the next token in one segment of a text, and the memory for the segment after it.

    Equal to one long segment where the memory holds all nodes that the layers look at.

    Args:
        params: what `init_transformer_xl` made, its blocks stacked.
        tokens: ints `[n]`, a segment of any length.
        past: what `init_transformer_xl_state` or the segment before made.
        span: how many steps back a node looks; default as far as the memory goes.
        dropout_rate: of the embeddings and the blocks.
        rng: key of the dropout.
        implementation: see `tgnn.attend`.

    Returns:
        `[n, vocab_size]` and the memory, through which no gradient flows. Time O(n (n + length)), or O(n span).

    Raises:
        ValueError: for tokens of another shape, parameters in a list, or a rate above 0 without a key.

    Reference: Dai, Yang, Yang, Carbonell, Le and Salakhutdinov, Transformer-XL: Attentive Language Models Beyond a
        Fixed-Length Context, arXiv:1901.02860, sections 3.2 and 3.3; the two biases are each block's own.

    >>> import jax, tgnn
    >>> config = tgnn.nn.transformer.TransformerConfig(50, model_dim=8, num_layers=1, num_heads=2, hidden_dim=16)
    >>> params = tgnn.models.init_transformer_xl(jax.random.key(0), config)
    >>> past = tgnn.models.init_transformer_xl_state(params, 4)
    >>> logits, past = tgnn.models.transformer_xl(params, jax.numpy.arange(6), past)
    >>> logits.shape
    (6, 50)
    """
    dropout_rate = check_dropout(dropout_rate, rng)
    span = None if span is None else check_size("span", span)
    check_stacked(params)
    return _run(params, embed(params, tokens, encoding=None), past, span, dropout_rate, rng, implementation)


@compiled
def _run(params, x, past, span, dropout_rate, rng, implementation):
    x = dropout(fold(rng, 0), x, dropout_rate)
    layout = remembered(x.shape[0], past.live, span)

    def apply(x, block_params):
        block, hidden, block_rng = block_params
        options = {"dropout_rate": dropout_rate, "rng": block_rng, "implementation": implementation}
        y = xl_block(block, layout, x, hidden, **options)
        return y, shift(hidden, x)

    x, hidden = run_stacked(apply, params["decoder"], x, past.hidden, rng=fold(rng, 1))
    x = normed(params["decoder"], "norm", x)
    return unembed(params, x), Past(hidden, shift(past.live, jnp.ones(x.shape[0], bool)))


def check_stacked(params: Params) -> None:
    """The memory has an axis of layers, and so must the blocks."""
    if not isinstance(params["decoder"]["blocks"], dict):
        raise ValueError(
            "params have a list of blocks, but the memory has them stacked; use stacked=True in the config"
        )


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
    implementation: str | None = None,
) -> Array:
    """Attends to `hidden [length, model_dim]` and to x, then maps every node: `[n, model_dim] -> [n, model_dim]`."""
    options = {"dropout_rate": dropout_rate, "implementation": implementation}
    before = normed(params["attention"], "norm_before", hidden)
    parts = {
        "attention": lambda h, rng: relative_attention(params["attention"], layout, h, before, rng=rng, **options),
        "mlp": lambda h, rng: feed_forward(params["mlp"], h, dropout_rate=dropout_rate, rng=rng),
    }
    return run_parts(params, parts, x, dropout_rate=dropout_rate, rng=rng)


CHOICES = (
    Choice(
        "Transformer-XL",
        "the past and the segments before: `cached_past`",
        "dot product of words, and of word and distance",
        "softmax",
        "arXiv:1901.02860",
    ),
)
