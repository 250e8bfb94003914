"""ConvS2S: the graph is a window, and a message is a linear map of the sender, one for each distance; nobody attends.

As message passing: every distance is a relation of its own. The layout sums senders along the edges of each relation,
one sender a relation, and the kernel of the convolution is the stack of the relations' maps.
"""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp

from tgnn.errors import check_dropout, check_size
from tgnn.graphs import Window
from tgnn.models.cards import Choice
from tgnn.models.sequences.light_conv import with_borders
from tgnn.nn.basic import dropout, init_linear, linear
from tgnn.nn.block import TransformerConfig
from tgnn.nn.draws import normal
from tgnn.nn.positions import sinusoidal
from tgnn.nn.transformer import Encoding, init_language_model, language_model
from tgnn.typing import Array, Graph, Params

HALF = 0.5**0.5  # keeps the variance of a sum of two


def init_conv_s2s(rng: Array, config: TransformerConfig, width: int) -> Params:
    """Initialises a language model of gated convolutions, without norms.

    Args:
        rng: a key.
        config: sizes; `num_heads`, `hidden_dim` and `norm_first` are not used.
        width: senders of a receiver, at least 1 (the paper's: 3 and, where there are few layers, 5).

    Returns:
        As `init_language_model`, with blocks `{"convolution": {"kernel": [width, model_dim, 2, model_dim], ["bias"]}}`,
        whose last row is that of the farthest sender to the right. Kernels are normal with the paper's deviation,
        `(4 / (width * model_dim)) ** 0.5`.

    Raises:
        ValueError: `width` is no such integer.
    """
    init = partial(init_conv_s2s_block, width=check_size("width", width, minimum=1))
    return init_language_model(rng, replace(config, norm_first=False), init=init)


def init_conv_s2s_block(rng: Array, config: TransformerConfig, *, width: int, cross: bool = False) -> Params:
    """Initialises one block; `cross` must be False, since no memory is read."""
    if cross:
        raise ValueError("cross is True, but the blocks of conv_s2s read no memory; leave it out")
    dim = config.model_dim
    convolution = init_linear(rng, (width, dim), (2, dim), use_bias=config.use_bias)
    kernel = (4 / (width * dim)) ** 0.5 * normal(rng, convolution["kernel"].shape)
    return {"convolution": convolution | {"kernel": kernel}}


def conv_s2s(
    params: Params,
    graph: Window,
    tokens: Array,
    *,
    encoding: Encoding | None = sinusoidal,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    remat: bool = False,
) -> Array:
    """Logits of the next token at each token, given a window of tokens in each layer.

    Args:
        params: what `init_conv_s2s` made.
        graph: `tgnn.patterns.window(n, width - 1)` for a language model, or any other window of that width, as for
            `light_conv`.
        tokens: ints `[n]`.
        encoding: of the positions, where the parameters have none; None leaves them to the kernels.
        dropout_rate: of the embeddings and the input of each block.
        rng: key of the dropout.
        remat: see `tgnn.nn.transformer.decoder`.

    Returns:
        `[n, vocab_size]`. O(n * width) time and memory.

    Raises:
        ValueError: if the graph is no plain window as wide as the kernels, or has been cut on both sides, or there is a
            rate above 0 without a key.

    Reference: Gehring, Auli, Grangier, Yarats and Dauphin, Convolutional Sequence to Sequence Learning,
        arXiv:1705.03122, section 3.2: the decoder without a source, which is the language model of Dauphin, Fan, Auli
        and Grangier, arXiv:1612.08083. Weights are not normalised, and embeddings are as wide as the blocks.

    >>> import jax, tgnn
    >>> config = tgnn.nn.transformer.TransformerConfig(50, model_dim=8, num_layers=2)
    >>> params = tgnn.models.init_conv_s2s(jax.random.key(0), config, width=3)
    >>> tokens = jax.numpy.arange(6)
    >>> tgnn.models.conv_s2s(params, tgnn.Window(6, 2, 0), tokens).shape
    (6, 50)
    """
    options = {"encoding": encoding, "dropout_rate": check_dropout(dropout_rate, rng), "rng": rng, "remat": remat}
    return language_model(params, graph, tokens, block=conv_s2s_block, **options)


def conv_s2s_block(
    params: Params,
    graph: Window,
    x: Array,
    memory: Array | None = None,
    memory_layout: Graph | None = None,
    *,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """`sqrt(0.5) * (x + content * sigmoid(gate))`, both of one convolution: `[n, model_dim] -> [n, model_dim]`."""
    output = convolve_distances(params["convolution"], graph, dropout(rng, x, dropout_rate))  # [n, 2, model_dim]
    content, gate = jnp.moveaxis(output, 1, 0)
    return HALF * (x + content * jax.nn.sigmoid(gate))


def convolve_distances(params: Params, layout: Window, x: Array) -> Array:
    """The sum over in-edges of the sender times the matrix of its distance: `[n, dim] -> [n, *out_shape]`.

    Args:
        params: `{"kernel": [width, dim, *out_shape], ["bias"]}`.
        layout: a window of that width; beyond its ends stand zeros.
        x: `[n, dim]`.
    """
    width = params["kernel"].shape[0]
    layout = with_borders(layout, width)
    senders = jnp.pad(x, ((layout.left, layout.right), (0, 0)))[:, None]  # [n + width - 1, 1, dim]
    # one relation a distance: of the senders of a receiver, the t-th stands t rows behind it on the padded line
    relation = jax.nn.one_hot(layout.sender_index - layout.receiver_index, width, dtype=x.dtype)
    relation = layout.zero_dead_edges(jnp.broadcast_to(relation, (*layout.edge_shape, width)))
    each = jnp.broadcast_to(senders, (senders.shape[0], width, senders.shape[2]))
    return linear(params, layout.aggregate(relation, each).astype(x.dtype), in_axes=2)


CHOICES = (
    Choice(
        "ConvS2S",
        graph="window: `Window`",
        score="a matrix for each distance",
        reduction="`aggregate`: sum, then a gate",
        paper="arXiv:1705.03122",
    ),
)
