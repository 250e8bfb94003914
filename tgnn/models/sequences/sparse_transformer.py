"""Sparse Transformer: the past in two steps of about sqrt(n) edges, each a graph for a part of the heads."""

from collections.abc import Sequence
from functools import partial

import jax.numpy as jnp
import jraph

from tgnn.attention.api import attend
from tgnn.attention.recording import share
from tgnn.errors import check_dropout
from tgnn.models.cards import Choice
from tgnn.nn.basic import fold, linear
from tgnn.nn.block import TransformerConfig, block_of
from tgnn.nn.multi_head import Rotate, rotated
from tgnn.nn.positions import sinusoidal
from tgnn.nn.transformer import Encoding, init_language_model, language_model
from tgnn.typing import Array, Graph, Params


def init_sparse_transformer(rng: Array, config: TransformerConfig) -> Params:
    """Initialises a language model; its weights do not depend on the graphs."""
    return init_language_model(rng, config)


def sparse_transformer(
    params: Params,
    graphs: Sequence[Graph],
    tokens: Array,
    *,
    encoding: Encoding | None = sinusoidal,
    rotate: Rotate | None = None,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
    remat: bool = False,
) -> Array:
    """Logits of the next token, with a graph for every part of the heads.

    Args:
        params: what `init_sparse_transformer` made.
        graphs: `tgnn.patterns.strided_parts(n, stride)` or `fixed_parts`; a single graph such as
            `(tgnn.patterns.strided(n, stride),)` is the paper's merged head.
        tokens: ints `[n]`.
        encoding: of the positions, where the parameters have none.
        rotate: of queries and keys, such as `tgnn.nn.positions.rotary`; see `multi_head_attention`.
        dropout_rate: of the embeddings, the blocks and the attention weights.
        rng: key of the dropout.
        implementation: see `tgnn.attend`.
        remat: recompute each block in the backward pass; see `tgnn.nn.transformer.decoder`.

    Returns:
        `[n, vocab_size]`. Time and memory O(n sqrt(n)) for a stride of sqrt(n).

    Raises:
        ValueError: `graphs` is no tuple of graphs, their number does not divide the heads, or there is a rate above 0
            without a key.

    Reference: Child, Gray, Radford and Sutskever, Generating Long Sequences with Sparse Transformers, arXiv:1904.10509,
        section 4.3; with learned or sinusoidal positions instead of embeddings of row and column, and ReLU.

    >>> import jax, tgnn
    >>> config = tgnn.nn.transformer.TransformerConfig(50, model_dim=8, num_layers=1, num_heads=2, hidden_dim=16)
    >>> params = tgnn.models.init_sparse_transformer(jax.random.key(0), config)
    >>> tokens = jax.numpy.arange(6)
    >>> tgnn.models.sparse_transformer(params, tgnn.patterns.strided_parts(6, 2), tokens).shape
    (6, 50)
    """
    dropout_rate = check_dropout(dropout_rate, rng)
    block = block_of(partial(split_attention, rotate=rotate, implementation=implementation))
    options = {"encoding": encoding, "dropout_rate": dropout_rate, "rng": rng, "remat": remat}
    return language_model(params, graphs, tokens, block=block, **options)


def split_attention(
    params: Params,
    graphs: Sequence[Graph],
    x: Array,
    *,
    rotate: Rotate | None = None,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Array:
    """Multi-head self-attention whose heads are divided among several graphs, in their order.

    Raises:
        ValueError: if the number of graphs does not divide the number of heads, or `graphs` is no tuple of graphs.
    """
    if isinstance(graphs, jraph.GraphsTuple) or not isinstance(graphs, (tuple, list)):
        raise ValueError(f"graphs must be a tuple of graphs, got {type(graphs).__name__}; pass (graph,) for one")
    query, key, value = (linear(params[name], x) for name in ("query", "key", "value"))  # [n, heads, head_dim]
    heads, parts = query.shape[1], len(graphs)
    if parts == 0 or heads % parts or key.shape[1] != heads:
        raise ValueError(
            f"query and key have {heads} and {key.shape[1]} heads for {parts} graphs; "
            "pass graphs whose number divides the heads, and no grouped queries"
        )
    query, key = rotated(rotate, query), rotated(rotate, key)
    split = zip(*(jnp.split(x, parts, axis=1) for x in (query, key, value)), strict=True)
    options = {"dropout_rate": dropout_rate, "implementation": implementation}
    outputs = []
    for i, (graph, part) in enumerate(zip(graphs, split, strict=True)):
        with share(graphs, range(i * (heads // parts), (i + 1) * (heads // parts))):
            outputs.append(attend(graph, *part, rng=fold(rng, i), **options))  # [n, heads / parts, head_dim]
    return linear(params["output"], jnp.concatenate(outputs, axis=1), in_axes=2)


CHOICES = (
    Choice(
        "Sparse Transformer",
        "two, each for some heads: a window and every k-th word back, or a block and the ends of those before",
        "dot product",
        "softmax",
        "arXiv:1904.10509",
    ),
)
