"""Adaptive attention span: every head learns how far back it looks, as a soft edge of its window."""

import math
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from tgnn.errors import check_dropout
from tgnn.graphs.layout import is_traced
from tgnn.models.cards import Choice
from tgnn.nn.block import TransformerConfig, block_of, init_block
from tgnn.nn.multi_head import Rotate, multi_head_attention
from tgnn.nn.positions import sinusoidal
from tgnn.nn.transformer import Encoding, init_language_model, language_model
from tgnn.pytrees import register
from tgnn.typing import Array, Graph, Params


@register
@dataclass(frozen=True)
class SoftSpan:
    """The logarithm of the soft mask `min(max((ramp + span - distance) / ramp, 0), 1)`, as a bias.

    The softmax of logits + log(mask) is the paper's weights, mask * exp(logits) over their sum. Where the mask is 0 the
    bias is -inf, which means no edge.

    >>> SoftSpan(jnp.array([2.0]), ramp=4.0)(jnp.array(9), jnp.array(5))
    Array([-0.6931472], dtype=float32)
    """

    spans: Array  # [heads], in steps
    ramp: float = jax.tree.static()  # pyright: ignore

    def __call__(self, receiver: Array, sender: Array) -> Array:
        """The bias of one pair: `[heads]`."""
        distance = jnp.abs(receiver - sender).astype(self.spans.dtype)
        mask = jnp.clip((self.ramp + self.spans - distance) / self.ramp, 0, 1)
        inside = mask > 0
        return jnp.where(inside, jnp.log(jnp.where(inside, mask, 1)), -jnp.inf)


def init_adaptive_span(rng: Array, config: TransformerConfig) -> Params:
    """Initialises a language model whose attention has a learned `"span"` per head; all begin at half of the most."""

    def init(rng: Array, config: TransformerConfig, *, cross: bool = False) -> Params:
        params = init_block(rng, config, cross=cross)
        return params | {"attention": params["attention"] | {"span": jnp.zeros(config.num_heads)}}

    return init_language_model(rng, config, init=init)


def head_spans(params: Params, max_span: float) -> Array:
    """The span of every head in steps, at most `max_span`: `[..., heads]`, from the parameters of attention."""
    return max_span * jax.nn.sigmoid(params["span"])


def span_loss(params: Params, max_span: float) -> Array:
    """The mean span of all heads: times a small coefficient, it is added to the loss."""
    blocks = params["decoder"]["blocks"]
    listed = blocks if isinstance(blocks, (list, tuple)) else [blocks]
    return jnp.mean(jnp.stack([head_spans(block["attention"], max_span) for block in listed]))


def adaptive_span(
    params: Params,
    graph: Graph,
    tokens: Array,
    *,
    max_span: float,
    ramp: float = 32.0,
    encoding: Encoding | None = sinusoidal,
    rotate: Rotate | None = None,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
    remat: bool = False,
) -> Array:
    """Logits of the next token, every head seeing as far as it has learned to.

    Args:
        params: what `init_adaptive_span` made.
        graph: holds the edges of every span: `tgnn.patterns.window(n, max_span + ramp)` in training, then
            `tgnn.patterns.adaptive_span(n, spans, ramp=ramp)`, which gives the same result with fewer edges.
        tokens: ints `[n]`.
        max_span: what no span exceeds, in steps, at least 0.
        ramp: width of the soft edge, in steps, above 0.
        encoding: of the positions, where the parameters have none.
        rotate: of queries and keys, such as `tgnn.nn.positions.rotary`; see `multi_head_attention`.
        dropout_rate: of the embeddings, the blocks and the attention weights.
        rng: key of the dropout.
        implementation: see `tgnn.attend`.
        remat: recompute each block in the backward pass; see `tgnn.nn.transformer.decoder`.

    Returns:
        `[n, vocab_size]`.

    Raises:
        ValueError: `ramp` is not positive, or `max_span` negative, or one of them not finite, or there is a rate above
            0 without a key.

    Reference: Sukhbaatar, Grave, Bojanowski and Joulin, Adaptive Attention Span in Transformers, arXiv:1905.07799,
        equations 5 to 7. The span is `max_span` times a sigmoid instead of a number clipped after every update.
        Positions are absolute ones, added to the tokens, where the paper has relative ones, added to the keys.

    >>> import jax, tgnn
    >>> config = tgnn.nn.transformer.TransformerConfig(50, model_dim=8, num_layers=1, num_heads=2, hidden_dim=16)
    >>> params = tgnn.models.init_adaptive_span(jax.random.key(0), config)
    >>> tokens = jax.numpy.arange(6)
    >>> tgnn.models.adaptive_span(params, tgnn.Window(6, 4, 0), tokens, max_span=4, ramp=2).shape
    (6, 50)
    """
    dropout_rate = check_dropout(dropout_rate, rng)
    if not 0 < ramp < math.inf:
        raise ValueError(f"ramp is {ramp} but must be above 0, for a mask that has derivatives; the paper's is 32")
    if not is_traced(max_span) and not 0 <= float(max_span) < math.inf:
        raise ValueError(f"max_span is {max_span} but must be finite and at least 0; pass the number of steps back")
    places = {"max_span": max_span, "ramp": ramp, "rotate": rotate}
    block = block_of(partial(spanned_attention, **places, implementation=implementation))
    options = {"encoding": encoding, "dropout_rate": dropout_rate, "rng": rng, "remat": remat}
    return language_model(params, graph, tokens, block=block, **options)


def spanned_attention(
    params: Params,
    graph: Graph,
    x: Array,
    *,
    max_span: float,
    ramp: float,
    rotate: Rotate | None = None,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Array:
    """Attends within the spans of the heads: `[n, model_dim] -> [n, model_dim]`."""
    options = {"rotate": rotate, "dropout_rate": dropout_rate, "rng": rng, "implementation": implementation}
    return multi_head_attention(params, graph, x, bias=SoftSpan(head_spans(params, max_span), ramp), **options)


CHOICES = (
    Choice("Adaptive span", "a window", "dot product and a learned span: `SoftSpan`", "softmax", "arXiv:1905.07799"),
)
