"""Performer: a Transformer whose heads attend to everything, or to the whole past, in linear time: a kernel."""

from collections.abc import Callable
from functools import partial

import jax

from tgnn.attention.kernels import Kernel, RandomFeatures, random_projection
from tgnn.errors import check_dropout
from tgnn.models.cards import Choice
from tgnn.nn.block import TransformerConfig, block_of, init_block
from tgnn.nn.multi_head import multi_head_attention
from tgnn.nn.positions import sinusoidal
from tgnn.nn.transformer import Encoding, init_language_model, language_model
from tgnn.typing import Array, Graph, Params


def init_performer(rng: Array, config: TransformerConfig, *, num_features: int | None = None) -> Params:
    """Initialises a language model whose attentions have a `"projection"`, `[num_features, head_dim]`, shared by heads.

    Args:
        rng: a key.
        config: sizes and parts.
        num_features: random features of a head; default `head_dim * log(head_dim)`, rounded up. The error falls as
            `num_features ** -0.5`.
    """
    return init_language_model(rng, config, init=partial(_init_block, num_features=num_features))


def _init_block(rng: Array, config: TransformerConfig, *, cross: bool, num_features: int | None) -> Params:
    block = init_block(rng, config, cross=cross)
    return block | {"attention": _projected(jax.random.fold_in(rng, 3), block["attention"], num_features)}


def _projected(rng: Array, attention: Params, num_features: int | None) -> Params:
    head_dim = attention["query"]["kernel"].shape[-1]
    return attention | {"projection": random_projection(rng, head_dim, num_features)}


def performer(
    params: Params,
    graph: Graph,
    tokens: Array,
    *,
    kernel: Callable[[Array], Kernel] = RandomFeatures,
    encoding: Encoding | None = sinusoidal,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
    remat: bool = False,
) -> Array:
    """Logits for each token, by attention through random features.

    Args:
        params: what `init_performer` made. Projections get no gradient: leave them out of weight decay, too.
        graph: `Causal(n)` for a language model, `Complete(n)` for an encoder, with segments for several texts: linear
            in n; or any other graph, at the cost of its edges.
        tokens: ints `[n]`.
        kernel: of a projection: `RandomFeatures`, which approximates softmax attention, or `ReluFeatures`.
        encoding: of the positions, where the parameters have none.
        dropout_rate: of the embeddings and the blocks, not of attention weights, which nobody computes.
        rng: key of the dropout.
        implementation: see `tgnn.attend`.
        remat: recompute each block in the backward pass; see `tgnn.nn.transformer.decoder`.

    Returns:
        `[n, vocab_size]`. Time and memory O(n).

    Raises:
        ValueError: there is a rate above 0 without a key, or projections are of another size than the heads.

    Reference: Choromanski et al., Rethinking Attention with Performers, arXiv:2009.14794: orthogonal positive features.
        They draw the features again every thousand steps or so: `redraw`.

    >>> import tgnn
    >>> config = TransformerConfig(50, model_dim=8, num_layers=1, num_heads=2, hidden_dim=16)
    >>> params = init_performer(jax.random.key(0), config)
    >>> performer(params, tgnn.Causal(6), jax.numpy.arange(6)).shape
    (6, 50)
    """
    dropout_rate = check_dropout(dropout_rate, rng)
    block = block_of(partial(kernel_attention, kernel=kernel, implementation=implementation))
    options = {"encoding": encoding, "dropout_rate": dropout_rate, "rng": rng, "remat": remat}
    return language_model(params, graph, tokens, block=block, **options)


def kernel_attention(
    params: Params,
    graph: Graph,
    x: Array,
    *,
    kernel: Callable[[Array], Kernel] = RandomFeatures,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Array:
    """Multi-head self-attention with a kernel of random features as its score; no weights to drop."""
    score = kernel(jax.lax.stop_gradient(params["projection"]))
    return multi_head_attention(params, graph, x, score=score, implementation=implementation)


def redraw(rng: Array, params: Params) -> Params:
    """The parameters with new projections of the same sizes: features that one draw misses, another has.

    >>> config = TransformerConfig(50, model_dim=8, num_layers=2, num_heads=2, hidden_dim=16)
    >>> params = init_performer(jax.random.key(0), config)
    >>> jax.tree.structure(redraw(jax.random.key(1), params)) == jax.tree.structure(params)
    True
    """

    def drawn(block, rng):
        num_features = block["attention"]["projection"].shape[-2]
        return block | {"attention": _projected(rng, block["attention"], num_features)}

    blocks = params["decoder"]["blocks"]
    if isinstance(blocks, list | tuple):
        blocks = [drawn(block, jax.random.fold_in(rng, i)) for i, block in enumerate(blocks)]
    else:
        depth = blocks["attention"]["projection"].shape[0]
        blocks = jax.vmap(drawn)(blocks, jax.random.split(rng, depth))
    return params | {"decoder": params["decoder"] | {"blocks": blocks}}


CHOICES = (
    Choice(
        "Performer",
        "complete, or the past",
        "logarithm of a kernel: `RandomFeatures`",
        "softmax, as sums of features",
        "arXiv:2009.14794",
    ),
)
