"""Compressive Transformer: what leaves the memory is compressed into a second, coarser one."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tgnn.compiled import compiled
from tgnn.errors import check_dropout, check_size
from tgnn.graphs import Complete
from tgnn.models.cards import Choice
from tgnn.models.sequences.transformer_xl import (
    check_stacked,
    init_transformer_xl,
    remembered,
    shift,
    xl_block,
)
from tgnn.nn.basic import dropout, fold, init_linear, linear
from tgnn.nn.block import TransformerConfig, run_stacked
from tgnn.nn.multi_head import multi_head_attention
from tgnn.nn.stack import normed
from tgnn.nn.transformer import embed, unembed
from tgnn.printing import one_line
from tgnn.train.losses import masked_mean
from tgnn.typing import Array, Params


class Memories(NamedTuple):
    """The inputs of each block at the nodes of the past, oldest first, and which rows hold a node."""

    compressed: Array  # [layers, n_compressed, model_dim]
    recent: Array  # [layers, n_recent, model_dim]
    compressed_live: Array  # bool [n_compressed]
    recent_live: Array  # bool [n_recent]

    __repr__ = one_line


class Compressed(NamedTuple):
    """What the model makes of a segment."""

    logits: Array  # [n, vocab_size]
    memories: Memories  # for the segment after it
    reconstruction: Array  # the loss that trains the compression, to be added to that of the logits


def init_compressive_transformer(
    rng: Array, config: TransformerConfig, *, rate: int = 3, position_dim: int | None = None
) -> Params:
    """Initialises a Transformer-XL and, in each block, a convolution that makes one row of `rate` rows.

    Args:
        rng: a key.
        config: sizes and parts; `max_length` is not used.
        rate: how many rows become one, at least 1.
        position_dim: see `init_transformer_xl`.

    Returns:
        What `init_transformer_xl` makes, and in each block a `"compression"`.

    Raises:
        ValueError: `rate` is no integer of at least 1.
    """
    rate = check_size("rate", rate, minimum=1)
    model_rng, compression_rng = jax.random.split(rng)
    params = init_transformer_xl(model_rng, config, position_dim=position_dim)
    check_stacked(params)
    rngs = jax.random.split(compression_rng, config.num_layers)
    compression = jax.vmap(lambda rng: init_linear(rng, (rate, config.model_dim), config.model_dim))(rngs)
    params["decoder"]["blocks"] |= {"compression": compression}
    return params


def init_compressive_transformer_state(params: Params, n_recent: int, n_compressed: int) -> Memories:
    """The memories before the first segment: no row is live."""
    n_recent, n_compressed = check_size("n_recent", n_recent), check_size("n_compressed", n_compressed)
    kernel = params["decoder"]["blocks"]["compression"]["kernel"]  # [layers, rate, model_dim, model_dim]
    rows = [jnp.zeros((kernel.shape[0], n, kernel.shape[-1]), kernel.dtype) for n in (n_compressed, n_recent)]
    return Memories(*rows, jnp.zeros(n_compressed, bool), jnp.zeros(n_recent, bool))


def compressive_transformer(
    params: Params,
    tokens: Array,
    memories: Memories,
    *,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Compressed:
    """Logits of the next token in one segment of a text, the memories for the next one, and the loss of compressing.

    Without compressed rows it is `transformer_xl`.

    Args:
        params: what `init_compressive_transformer` made, its blocks stacked.
        tokens: ints `[n]`, n a multiple of the rate.
        memories: what `init_compressive_transformer_state` or the segment before made.
        dropout_rate: of the embeddings and the blocks.
        rng: key of the dropout.
        implementation: see `tgnn.attend`.

    Returns:
        `Compressed`. Time O(n (n + n_recent + n_compressed)).

    Raises:
        ValueError: n is no multiple of the rate, or there is a dropout rate above 0 without a key.

    Reference: Rae, Potapenko, Jayakumar and Lillicrap, Compressive Transformers for Long-Range Sequence Modelling,
        arXiv:1911.05507, section 3. Of the paper's compressions this has one, the convolution (it also tries pooling,
        dilated convolutions and the most used rows), and of its losses the best one, attention reconstruction.

    >>> import jax, tgnn
    >>> config = tgnn.nn.transformer.TransformerConfig(50, model_dim=8, num_layers=1, num_heads=2, hidden_dim=16)
    >>> params = tgnn.models.init_compressive_transformer(jax.random.key(0), config)
    >>> memories = tgnn.models.init_compressive_transformer_state(params, 6, 4)
    >>> tgnn.models.compressive_transformer(params, jax.numpy.arange(6), memories).logits.shape
    (6, 50)
    """
    dropout_rate = check_dropout(dropout_rate, rng)
    check_stacked(params)
    x, rate = embed(params, tokens, encoding=None), params["decoder"]["blocks"]["compression"]["kernel"].shape[1]
    if len(x) % rate:
        raise ValueError(f"tokens has {len(x)} rows, but {rate} of them become one; pass a multiple of {rate}")
    return _run(params, x, memories, dropout_rate, rng, implementation)


@compiled
def _run(params, x, memories, dropout_rate, rng, implementation):
    x, options = dropout(fold(rng, 0), x, dropout_rate), {"implementation": implementation}
    n, rate = x.shape[0], params["decoder"]["blocks"]["compression"]["kernel"].shape[1]
    layout = remembered(n, jnp.concatenate([memories.compressed_live, memories.recent_live]))
    leaving = jnp.concatenate([memories.recent_live, jnp.ones(n, bool)])[:n]

    def apply(x, block_params):
        block, (compressed, recent), block_rng = block_params
        both = jnp.concatenate([compressed, recent])
        y = xl_block(block, layout, x, both, dropout_rate=dropout_rate, rng=block_rng, **options)
        old = jax.lax.stop_gradient(jnp.concatenate([recent, x])[:n])
        # [n / rate, model_dim]
        new = linear(block["compression"], old.reshape(n // rate, rate, x.shape[1]), in_axes=2)
        return y, (shift(compressed, new), shift(recent, x), reconstruction(block, x, old, new, leaving))

    each = memories.compressed, memories.recent
    x, (compressed, recent, losses) = run_stacked(apply, params["decoder"], x, each, rng=fold(rng, 1))
    live = shift(memories.compressed_live, coarse(leaving, rate)), shift(memories.recent_live, jnp.ones(n, bool))
    x = normed(params["decoder"], "norm", x)
    return Compressed(unembed(params, x), Memories(compressed, recent, *live), losses.sum())


def coarse(live: Array, rate: int) -> Array:
    """Which compressed rows hold a node: `[n] -> [n // rate]`."""
    return live.reshape(-1, rate).any(axis=1)


def reconstruction(block: Params, x: Array, old: Array, new: Array, live: Array) -> Array:
    """How differently x attends to the rows that leave the memory and to what they are compressed into.

    Mean squared distance of the two messages, without positions; its gradient reaches `new` only.
    """
    fixed, x = jax.lax.stop_gradient((block["attention"], x))
    n = x.shape[0]

    def message(rows, live):
        segments = jnp.where(live, 0, -1)
        layout = Complete(n, rows.shape[0]).with_segments(jnp.zeros(n, jnp.int32), segments)
        return multi_head_attention(fixed, layout, *(normed(fixed, "norm_before", each) for each in (x, rows)))

    difference = message(old, live) - message(new, coarse(live, block["compression"]["kernel"].shape[0]))
    return masked_mean(jnp.square(difference))


CHOICES = (
    Choice(
        "Compressive Transformer",
        "the past, the segments before and a coarse memory",
        "as in Transformer-XL",
        "softmax",
        "arXiv:1911.05507",
    ),
)
