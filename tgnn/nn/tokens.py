"""Tokens to vectors and back: embeddings with positions at the one end of a model, logits at the other."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.errors import check_floating
from tgnn.nn.basic import embedding, init_embedding, layer_norm, linear
from tgnn.nn.block import TransformerConfig
from tgnn.nn.positions import init_learned_positions, learned_positions, sinusoidal
from tgnn.nn.row_product import row_product
from tgnn.nn.stack import Norm
from tgnn.typing import Array, Params

Encoding = Callable[[Array, int], Array]


def init_tokens(rng: Array, config: TransformerConfig, vocab_size: int) -> Params:
    """Initialises what `embed` reads: `{"embedding", ["positions"]}`."""
    table_rng, position_rng = jax.random.split(rng)
    params = {"embedding": init_embedding(table_rng, vocab_size, config.model_dim)}
    if config.max_length is not None:
        params["positions"] = init_learned_positions(position_rng, config.max_length, config.model_dim)
    return params


def embed(
    params: Params,
    tokens: Array,
    positions: Array | None = None,
    *,
    encoding: Encoding | None = sinusoidal,
    scale: float | None = None,
    types: Array | None = None,
    norm: Norm = layer_norm,
) -> Array:
    """Vectors of tokens at positions: learned positions if the parameters have them, else the encoding's.

    Args:
        params: `{"embedding", ["positions", "types", "embedding_norm", "projection"]}`: what is there is used, in
            this order; the last three are BERT's and, for an embedding narrower than the model, ALBERT's.
        tokens: ints `[n]`; -1 is padding.
        positions: ints `[n]`; default row numbers.
        encoding: `(positions, model_dim) -> [n, model_dim]`, or None where biases or rotations tell positions.
        scale: of what is looked up in tables; default `model_dim ** 0.5` (as in arXiv:1706.03762, section 3.4), 1 in
            GPT-2 and Llama.
        types: ints `[n]`, the part of the text that a token stands in, where the parameters have `"types"`; default 0.
        norm: of the sum, where the parameters have an `"embedding_norm"`.

    Returns:
        `[n, model_dim]`: rows of the tables times the scale, plus the encoding, normalised and projected if need be.

    Raises:
        ValueError: for tokens or positions of another shape, or more tokens than there are learned positions.
            Positions that are given must be in the table; see `tgnn.nn.embedding`.

    >>> params = {"embedding": {"table": jnp.eye(4)}}
    >>> embed(params, jnp.array([2]), encoding=None).tolist()
    [[0.0, 0.0, 2.0, 0.0]]
    """
    check_tokens("tokens", tokens)
    if positions is None:
        positions = jnp.arange(len(tokens), dtype=jnp.int32)
        check_room(params, len(tokens))
    if np.shape(positions) != np.shape(tokens):
        raise ValueError(
            f"positions must have shape {np.shape(tokens)}, one per token, got {np.shape(positions)}; "
            "use segment_positions for packed documents"
        )
    x = embedding(params["embedding"], tokens)  # [n, model_dim]
    if "positions" in params:
        x, encoding = x + learned_positions(params["positions"], positions).astype(x.dtype), None
    if "types" in params:
        x = x + embedding(params["types"], jnp.zeros_like(tokens) if types is None else types).astype(x.dtype)
    x = x * (x.shape[-1] ** 0.5 if scale is None else scale)
    x = x if encoding is None else x + encoding(positions, x.shape[-1]).astype(x.dtype)
    x = norm(params["embedding_norm"], x) if "embedding_norm" in params else x
    return linear(params["projection"], x) if "projection" in params else x  # [n, embedding_dim] -> [n, model_dim]


def check_tokens(name: str, tokens: Array, shape: tuple[str, ...] = ("n",)) -> None:
    """Tokens with an axis for each name in `shape`, or a ValueError."""
    if np.ndim(tokens) != len(shape):
        raise ValueError(
            f"{name} must have shape [{', '.join(shape)}], got {np.shape(tokens)}; use jax.vmap for a batch axis, and "
            "an axis of length 1 for a single one"
        )


def check_room(params: Params, n: int) -> None:
    """Learned positions for n rows, if there are any: under jit the ones beyond the table would be zeros."""
    if "positions" in params and n > (room := params["positions"]["table"].shape[0]):
        raise ValueError(
            f"tokens has {n} rows, but params have learned positions for {room}; initialise them with "
            f"max_length={n}, or pass positions that are in the table"
        )


def unembed(params: Params, x: Array) -> Array:
    """Logits over the vocabulary `[n, model_dim] -> [n, vocab_size]`, tied to the embedding if there is no output."""
    if "output" in params:
        return linear(params["output"], x)
    check_floating("x", x)
    return row_product(x, params["embedding"]["table"].T.astype(x.dtype))
