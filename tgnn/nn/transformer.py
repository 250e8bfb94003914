"""Transformers: encoder, decoder, language model and encoder–decoder, each a choice of graph.

An encoder is a stack of blocks on any graph of its nodes (`Complete` in BERT), a language model the same on the graph
of the past (`Causal`), an encoder–decoder has a third graph from the source to the target. Padded and packed batches
are segments of these layouts.

What the blocks do is chosen with functions: `block=partial(transformer_block, rotate=rotary, activation=jax.nn.gelu)`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tgnn.attention.recording import checkpointed, scope
from tgnn.compiled import compiled
from tgnn.errors import check_dropout
from tgnn.nn.basic import dropout, fold, init_linear, layer_norm
from tgnn.nn.block import TransformerConfig, init_block, init_norm, transformer_block
from tgnn.nn.layer_mixing import init_mixing
from tgnn.nn.positions import sinusoidal
from tgnn.nn.stack import Norm, normed, run_stacked
from tgnn.nn.tokens import Encoding as Encoding
from tgnn.nn.tokens import check_room as check_room
from tgnn.nn.tokens import check_tokens as check_tokens
from tgnn.nn.tokens import embed as embed
from tgnn.nn.tokens import init_tokens
from tgnn.nn.tokens import unembed as unembed
from tgnn.typing import Array, Graph, Params

InitBlock = Callable[..., Params]


class Layouts(NamedTuple):
    """The three graphs of an encoder–decoder."""

    source: Graph  # source to source
    target: Graph  # target to target, causal where the target is predicted token by token
    cross: Graph  # source (senders) to target (receivers)


def init_decoder(rng: Array, config: TransformerConfig, *, cross: bool = True, init: InitBlock = init_block) -> Params:
    """Initialises a stack of blocks: `{"blocks", ["mixing"], ["norm"]}`; a pre-LN stack ends in a norm.

    Args:
        rng: a key.
        config: sizes and parts.
        cross: whether the blocks attend to a memory.
        init: of one block, `(rng, config, cross=cross) -> params`; for blocks other than `transformer_block`.

    Returns:
        Parameters whose blocks are stacked along a leading axis, or a list with `config.stacked=False`; both hold the
        same numbers.
    """
    rngs = jax.random.split(rng, config.num_layers)
    blocks = [init(block_rng, config, cross=cross) for block_rng in rngs]
    params = {"blocks": jax.tree.map(lambda *leaves: jnp.stack(leaves), *blocks) if config.stacked else blocks}
    if config.mixed:
        params["mixing"] = init_mixing(config.num_layers, init_norm(config), norm_first=config.norm_first)
    return params | {"norm": init_norm(config)} if config.norm_first else params


def decoder(
    params: Params,
    layout: Graph,
    x: Array,
    memory: Array | None = None,
    memory_layout: Graph | None = None,
    *,
    block: Callable[..., Array] = transformer_block,
    norm: Norm = layer_norm,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    remat: bool = False,
) -> Array:
    """Runs a stack of blocks on vectors, with cross-attention to the memory if the blocks have it.

    Args:
        params: what `init_decoder` made.
        layout: edges between the nodes.
        x: `[n, model_dim]`.
        memory: `[n_memory, model_dim]`.
        memory_layout: edges from the memory to the nodes.
        block: `transformer_block`, perhaps with some of its keywords bound by `functools.partial`.
        norm: that of the end of a pre-LN stack and of a mixing; bind the blocks' own in `block`.
        dropout_rate: of the blocks.
        rng: key of the dropout, wherever its rate is not 0.
        remat: recompute each block in the backward pass, whose memory is then O(1) blocks and num_layers inputs.

    Returns:
        `[n, model_dim]`. A call outside jit runs stacked blocks as one program, which further calls share.

    Raises:
        ValueError: for a dropout rate without a key, and as the block.
    """
    check_dropout(dropout_rate, rng)
    run = run_stack if isinstance(params["blocks"], (list, tuple)) else compiled(run_stack)
    return run(params, layout, x, memory, memory_layout, block, norm, dropout_rate, rng, remat)


def run_stack(
    params: Params,
    layout: Graph,
    x: Array,
    memory: Array | None,
    memory_layout: Graph | None,
    block: Callable[..., Array],
    norm: Callable[..., Array],
    dropout_rate: float,
    rng: Array | None,
    remat: bool,
) -> Array:
    """The equations of `decoder`."""

    def apply(x, block_params):
        parameters, _, block_rng = block_params
        return block(parameters, layout, x, memory, memory_layout, dropout_rate=dropout_rate, rng=block_rng), None

    apply = checkpointed(apply, prevent_cse=False) if remat else apply
    x, _ = run_stacked(apply, params, x, norm=norm, rng=rng)
    return normed(params, "norm", x, norm)


def init_encoder(rng: Array, config: TransformerConfig) -> Params:
    """Initialises a stack of blocks without cross-attention; see `init_decoder`."""
    return init_decoder(rng, config, cross=False)


def encoder(
    params: Params,
    layout: Graph,
    x: Array,
    *,
    block: Callable[..., Array] = transformer_block,
    norm: Norm = layer_norm,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    remat: bool = False,
) -> Array:
    """Runs blocks without cross-attention, `[n, model_dim] -> [n, model_dim]`; arguments as for `decoder`."""
    return decoder(params, layout, x, block=block, norm=norm, dropout_rate=dropout_rate, rng=rng, remat=remat)


def _init_decoder_only(rng: Array, config: TransformerConfig, *, cross: bool, init: InitBlock = init_block) -> Params:
    embedding_rng, decoder_rng, output_rng = jax.random.split(rng, 3)
    params = init_tokens(embedding_rng, config, config.vocab_size)
    params["decoder"] = init_decoder(decoder_rng, config, cross=cross, init=init)
    if not config.tied:
        params["output"] = init_linear(output_rng, config.model_dim, config.vocab_size, use_bias=config.use_bias)
    return params


def init_language_model(rng: Array, config: TransformerConfig, *, init: InitBlock = init_block) -> Params:
    """Initialises a decoder-only model: `{"embedding", ["positions"], "decoder", ["output"]}`; see `init_decoder`."""
    return _init_decoder_only(rng, config, cross=False, init=init)


def language_model(
    params: Params,
    layout: Graph,
    tokens: Array,
    memory: Array | None = None,
    memory_layout: Graph | None = None,
    *,
    positions: Array | None = None,
    encoding: Encoding | None = sinusoidal,
    embedding_scale: float | None = None,
    block: Callable[..., Array] = transformer_block,
    norm: Norm = layer_norm,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    remat: bool = False,
) -> Array:
    """Logits of the next token at each token, given the tokens that the layout shows it.

    Args:
        params: what `init_language_model` made.
        layout: `Causal(n)`, or a sparser past; with segments for packed documents.
        tokens: ints `[n]`; -1 is padding.
        memory: what an encoder made of a source, for the decoder of `init_transformer`.
        memory_layout: edges from the memory to the tokens.
        positions: ints `[n]` for `encoding`; default row numbers, `segment_positions(segments)` if packed. A rotation
            has its own positions, bound in `block`, but needs none when packed, since it sees distances only.
        encoding: see `embed`.
        embedding_scale: see `embed`.
        block: see `decoder`.
        norm: see `decoder`.
        dropout_rate: of the embeddings and the blocks.
        rng: key of the dropout, wherever its rate is not 0.
        remat: see `decoder`.

    Returns:
        `[n, vocab_size]`.

    Raises:
        ValueError: for tokens of another shape or outside the vocabulary, for more of them than there are learned
            positions, and for a dropout rate without a key.

    >>> from tgnn.graphs import Causal
    >>> params = init_language_model(jax.random.key(0), TransformerConfig(vocab_size=7, model_dim=8))
    >>> language_model(params, Causal(5), jnp.arange(5)).shape
    (5, 7)
    """
    x = embed(params, tokens, positions, encoding=encoding, scale=embedding_scale)  # [n, model_dim]
    x, drop = drop_embeddings(x, dropout_rate, rng)
    options = {"block": block, "norm": norm, "remat": remat}
    return unembed(params, decoder(params["decoder"], layout, x, memory, memory_layout, **options, **drop))


def drop_embeddings(x: Array, dropout_rate: float, rng: Array | None) -> tuple[Array, dict[str, Any]]:
    """Dropout of embedded tokens, and that of the stack behind them: `decoder(..., **drop)`."""
    return dropout(fold(rng, 0), x, dropout_rate), {"dropout_rate": dropout_rate, "rng": fold(rng, 1)}


def init_transformer(rng: Array, config: TransformerConfig) -> Params:
    """Initialises an encoder–decoder: a language model with cross-attention, and a `"source"` with its encoder."""
    source_rng, encoder_rng, target_rng = jax.random.split(rng, 3)
    source = init_tokens(source_rng, config, config.source_vocab_size or config.vocab_size)
    source["encoder"] = init_encoder(encoder_rng, config)
    return _init_decoder_only(target_rng, config, cross=True) | {"source": source}


def encode_source(
    params: Params,
    layout: Graph,
    tokens: Array,
    *,
    positions: Array | None = None,
    encoding: Encoding | None = sinusoidal,
    embedding_scale: float | None = None,
    block: Callable[..., Array] = transformer_block,
    norm: Norm = layer_norm,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    remat: bool = False,
) -> Array:
    """The encoder's memory of the source tokens, `[n] -> [n, model_dim]`; arguments as for `language_model`."""
    source = params["source"]
    x = embed(source, tokens, positions, encoding=encoding, scale=embedding_scale)  # [n, model_dim]
    x, drop = drop_embeddings(x, dropout_rate, rng)
    return encoder(source["encoder"], layout, x, block=block, norm=norm, remat=remat, **drop)


def transformer(
    params: Params,
    layouts: Layouts,
    source: Array,
    target: Array,
    *,
    source_positions: Array | None = None,
    positions: Array | None = None,
    encoder_block: Callable[..., Array] = transformer_block,
    decoder_block: Callable[..., Array] = transformer_block,
    encoding: Encoding | None = sinusoidal,
    embedding_scale: float | None = None,
    norm: Norm = layer_norm,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    remat: bool = False,
) -> Array:
    """Logits of the next target token at each target token, given the source.

    Args:
        params: what `init_transformer` made.
        layouts: the three graphs.
        source: ints `[n_source]`; -1 is padding.
        target: ints `[n_target]`; -1 is padding.
        source_positions: ints `[n_source]`; default row numbers.
        positions: ints `[n_target]`; default row numbers.
        encoder_block: the encoder's block, such as one with a `bias` of its own.
        decoder_block: the decoder's block.
        encoding: see `embed`; for both sides, as what follows.
        embedding_scale: see `embed`.
        norm: see `decoder`.
        dropout_rate: of the embeddings and the blocks.
        rng: key of the dropout, wherever its rate is not 0.
        remat: see `decoder`.

    Returns:
        `[n_target, vocab_size]`.

    Reference: Vaswani et al., Attention Is All You Need, arXiv:1706.03762; pre-LN by default, see `TransformerConfig`.
    """
    tokens = {"encoding": encoding, "embedding_scale": embedding_scale}
    shared = {"norm": norm, "dropout_rate": dropout_rate, "remat": remat} | tokens
    encoder_options = {"positions": source_positions, "block": encoder_block, "rng": fold(rng, 0)}
    with scope("encoder"):
        memory = encode_source(params, layouts.source, source, **encoder_options, **shared)
    decoder_options = {"positions": positions, "block": decoder_block, "rng": fold(rng, 1)}
    with scope("decoder"):
        return language_model(params, layouts.target, target, memory, layouts.cross, **decoder_options, **shared)
