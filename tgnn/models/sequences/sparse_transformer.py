"""Sparse Transformer: the past in two steps of about sqrt(n) edges, each a graph for a part of the heads."""

from typing import Any

import jax.numpy as jnp

from tgnn.attention.api import attend
from tgnn.models.cards import Choice
from tgnn.nn.basic import fold, linear
from tgnn.nn.block import TransformerConfig, feed_forward, run_parts
from tgnn.nn.positions import sinusoidal
from tgnn.nn.transformer import Encoding, init_language_model, language_model
from tgnn.typing import Array, Params


def init_sparse_transformer(rng: Array, config: TransformerConfig) -> Params:
    """Initialises a language model; its weights do not depend on the graphs."""
    return init_language_model(rng, config)


def sparse_transformer(
    params: Params,
    layouts: tuple[Any, ...],
    tokens: Array,
    *,
    encoding: Encoding | None = sinusoidal,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    remat: bool = False,
) -> Array:
    """Logits of the next token, with a graph for every part of the heads.

    Args:
        params: what `init_sparse_transformer` made.
        layouts: `tgnn.patterns.strided_parts(n, stride)` or `fixed_parts`; a single graph such as
            `(tgnn.patterns.strided(n, stride),)` is the paper's merged head.
        tokens: ints `[n]`.
        encoding: of the positions, where the parameters have none.
        dropout_rate: of the embeddings, the blocks and the attention weights.
        rng: key of the dropout; None switches it off.
        remat: recompute each block in the backward pass; see `tgnn.transformer.decoder`.

    Returns:
        `[n, vocab_size]`. Time and memory O(n sqrt(n)) for a stride of sqrt(n).

    Reference: Child, Gray, Radford and Sutskever, Generating Long Sequences with Sparse Transformers, arXiv:1904.10509,
        section 4.3; with learned or sinusoidal positions instead of embeddings of row and column, and ReLU.
    """
    options = {"encoding": encoding, "dropout_rate": dropout_rate, "rng": rng, "remat": remat}
    return language_model(params, layouts, tokens, block=sparse_block, **options)


def sparse_block(
    params: Params,
    layouts: tuple[Any, ...],
    x: Array,
    memory: None = None,
    memory_layout: None = None,
    *,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Attends with a graph for every part of the heads, then maps every node: `[n, model_dim] -> [n, model_dim]`."""
    rate = 0.0 if rng is None else dropout_rate
    parts = {
        "attention": lambda h, rng: split_attention(params["attention"], layouts, h, dropout_rate=rate, rng=rng),
        "mlp": lambda h, rng: feed_forward(params["mlp"], h, dropout_rate=rate, rng=rng),
    }
    return run_parts(params, parts, x, dropout_rate=rate, rng=rng)


def split_attention(
    params: Params, layouts: tuple[Any, ...], x: Array, *, dropout_rate: float = 0.0, rng: Array | None = None
) -> Array:
    """Multi-head self-attention whose heads are divided among several graphs, in their order.

    Raises:
        ValueError: if the number of graphs does not divide the number of heads, or `layouts` is no tuple of graphs.
    """
    if not isinstance(layouts, (tuple, list)):
        raise ValueError(f"layouts must be a tuple of layouts, got {type(layouts).__name__}; pass (layout,) for one")
    query, key, value = (linear(params[name], x) for name in ("query", "key", "value"))
    heads, parts = query.shape[1], len(layouts)
    if parts == 0 or heads % parts or key.shape[1] != heads:
        raise ValueError(
            f"query and key have {heads} and {key.shape[1]} heads for {parts} layouts; "
            "pass layouts whose number divides the heads, and no grouped queries"
        )
    shares = zip(*(jnp.split(x, parts, axis=1) for x in (query, key, value)), strict=True)
    outputs = [
        attend(layout, *share, dropout_rate=dropout_rate, rng=fold(rng, i))
        for i, (layout, share) in enumerate(zip(layouts, shares, strict=True))
    ]
    return linear(params["output"], jnp.concatenate(outputs, axis=1), in_axes=2)


CHOICES = (
    Choice(
        "Sparse Transformer",
        "a window, and every k-th word, each for some heads",
        "dot product",
        "softmax",
        "arXiv:1904.10509",
    ),
)
