"""LightConv and DynamicConv: the graph is a window, and what a sender weighs depends on its offset, not on its content.

The logits of the offsets are one row for all nodes (LightConv), or a linear map of the receiver (DynamicConv). As
attention: an offset of a window of `width` senders is known from the sender's position modulo `width`, so the key of a
sender is that number as a one-hot vector and the query of a receiver is its row of logits, turned by its own position.
"""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp

from tgnn.attention.api import attend
from tgnn.errors import check_dropout, check_size
from tgnn.graphs import Window
from tgnn.graphs.layout import is_traced
from tgnn.models.cards import Choice
from tgnn.nn.basic import init_linear, linear
from tgnn.nn.block import TransformerConfig, block_of, init_block
from tgnn.nn.draws import normal
from tgnn.nn.positions import sinusoidal
from tgnn.nn.transformer import Encoding, init_language_model, language_model
from tgnn.typing import Array, Params


def init_light_conv(rng: Array, config: TransformerConfig, width: int, *, dynamic: bool = False) -> Params:
    """Initialises a language model whose blocks have convolutions where a Transformer has attention.

    Args:
        rng: a key.
        config: sizes; each head has one kernel for its `head_dim` features.
        width: senders of a receiver, at least 1 (the paper's: 3 to 31, growing with the layer).
        dynamic: DynamicConv, whose kernels are computed from each receiver.

    Returns:
        As `init_language_model`, with `"attention": {"input", "logits", "output"}` in the blocks.

    Raises:
        ValueError: `width` is no such integer.
    """
    width = check_size("width", width, minimum=1)
    return init_language_model(rng, config, init=partial(init_light_conv_block, width=width, dynamic=dynamic))


def init_light_conv_block(
    rng: Array, config: TransformerConfig, *, width: int, dynamic: bool = False, cross: bool = False
) -> Params:
    """Initialises one block; arguments as for `init_light_conv`."""
    block_rng, input_rng, logits_rng = jax.random.split(rng, 3)
    block = init_block(block_rng, config, cross=cross)
    removed, heads = block["attention"], config.num_heads
    shape = removed["value"]["kernel"].shape[1:]
    convolution = {
        "input": init_linear(input_rng, config.model_dim, (2, *shape), use_bias=config.use_bias),
        "logits": init_linear(logits_rng, shape, (width, heads), use_bias=False),
        "output": removed["output"],
    }
    if not dynamic:
        convolution["logits"] = {"bias": normal(logits_rng, (width, heads))}
    around = {name: each for name, each in removed.items() if name == "gru" or name.startswith("norm")}
    return block | {"attention": convolution | around}


def light_conv(
    params: Params,
    graph: Window,
    tokens: Array,
    *,
    encoding: Encoding | None = sinusoidal,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
    remat: bool = False,
) -> Array:
    """Logits of the next token at each token, given a window of tokens in each layer.

    Args:
        params: what `init_light_conv` made, for both kinds.
        graph: `tgnn.patterns.window(n, width - 1)` for a language model, or any other window of that width without
            dilation. One that has been cut to the line, because no node is so far away, is the same convolution; that
            of a single node is taken as one of the past.
        tokens: ints `[n]`.
        encoding: of the positions, where the parameters have none; None leaves them to the kernels.
        dropout_rate: of the embeddings, the blocks and the weights of the kernels (DropConnect).
        rng: key of the dropout.
        implementation: see `tgnn.attend`.
        remat: see `tgnn.nn.transformer.decoder`.

    Returns:
        `[n, vocab_size]`. O(n * width) time and memory.

    Raises:
        ValueError: if the graph is no plain window as wide as the kernels, or has been cut on both sides, so that its
            middle is unknown, or there is a rate above 0 without a key.

    Reference: Wu, Fan, Baevski, Dauphin and Auli, Pay Less Attention with Lightweight and Dynamic Convolutions,
        arXiv:1901.10430, sections 3 and 4. Pre-LN by default, where the paper is post-LN.

    >>> import jax, tgnn
    >>> config = tgnn.nn.transformer.TransformerConfig(50, model_dim=8, num_layers=1, num_heads=2, hidden_dim=16)
    >>> params = tgnn.models.init_light_conv(jax.random.key(0), config, width=3)
    >>> tokens = jax.numpy.arange(6)
    >>> tgnn.models.light_conv(params, tgnn.Window(6, 2, 0), tokens).shape
    (6, 50)
    """
    options = {"encoding": encoding, "dropout_rate": check_dropout(dropout_rate, rng), "rng": rng, "remat": remat}
    block = block_of(partial(convolve, implementation=implementation))
    return language_model(params, graph, tokens, block=block, **options)


def convolve(
    params: Params,
    layout: Window,
    x: Array,
    *,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Array:
    """A gated linear map, the convolution, and a linear map: `[n, model_dim] -> [n, model_dim]`.

    Beyond both ends stand zeros, which have their share of the weights as in any convolution.
    """
    content, gate = jnp.moveaxis(linear(params["input"], x), 1, 0)
    value = content * jax.nn.sigmoid(gate)
    logits = offset_logits(params["logits"], value)
    layout = with_borders(layout, logits.shape[1])
    width, padding = logits.shape[1], ((layout.left, layout.right), (0, 0), (0, 0))
    key = jax.nn.one_hot(jnp.arange(layout.n_senders) % width, width, dtype=x.dtype)[:, None]
    key = jnp.broadcast_to(key, (layout.n_senders, value.shape[1], width))
    query, value = turned(logits), jnp.pad(value, padding)
    options = {"dropout_rate": dropout_rate, "rng": rng, "implementation": implementation}
    return linear(params["output"], attend(layout, query, key, value, scale=1.0, **options), in_axes=2)


def offset_logits(params: Params, value: Array) -> Array:
    """The logit of each offset, `[n, width, heads]`: the same for all nodes unless there is a kernel."""
    if "kernel" in params:
        return linear(params, value, in_axes=2)
    return jnp.broadcast_to(params["bias"].astype(value.dtype)[None], (value.shape[0], *params["bias"].shape))


def turned(logits: Array) -> Array:
    """Queries `[n, heads, width]`: the logit of offset t stands at `(i + t) % width`, the residue of that sender."""
    n, width, _ = logits.shape
    offset = (jnp.arange(width)[None, :] - jnp.arange(n)[:, None]) % width
    return jnp.swapaxes(jnp.take_along_axis(logits, offset[:, :, None], axis=1), 1, 2)


def with_borders(layout: Window, width: int) -> Window:
    """The same window on a line that is longer by what it reaches beyond its ends."""
    plain = layout.form == "band" and layout.dilation == 1 and layout.n_senders == layout.n
    plain = plain and (is_traced(layout.offset) or layout.offset == 0) and layout.receiver_segments is None
    layout = uncut(layout, width) if plain else layout
    if not plain or layout.left + layout.right + 1 != width:
        raise ValueError(
            f"graph must be Window(n, left, right) with left + right + 1 = {width}, the width of the kernels, without "
            f"dilation, offset or segments, and whole where it is cut on both sides; got {layout}"
        )
    return replace(layout, n_senders=layout.n + width - 1, offset=layout.left)


def uncut(layout: Window, width: int) -> Window:
    """The window of that width that `tgnn.patterns.window` has cut to the line on one side; else the window itself."""
    missing, most = width - 1 - layout.left - layout.right, max(layout.n - 1, 0)
    ends_left, ends_right = layout.left == most, layout.right == most > 0
    if missing <= 0 or ends_left == ends_right:
        return layout
    side = "left" if ends_left else "right"
    return replace(layout, **{side: getattr(layout, side) + missing})


CHOICES = (
    Choice(
        "LightConv",
        graph="window: `Window`",
        score="a number for each offset and head",
        reduction="softmax",
        paper="arXiv:1901.10430",
    ),
    Choice(
        "DynamicConv",
        graph="window: `Window`",
        score="a linear map of the receiver, one number for each offset and head",
        reduction="softmax",
        paper="arXiv:1901.10430",
    ),
)
