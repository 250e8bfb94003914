"""The all-attention network: vectors that every token sees stand where a Transformer has feed-forward layers."""

from functools import partial

import jax
import jax.numpy as jnp

from tgnn.attention.api import attend
from tgnn.attention.merging import merge
from tgnn.errors import check_dropout, check_size
from tgnn.graphs import Complete
from tgnn.graphs.interop import as_layout
from tgnn.models.cards import Choice
from tgnn.nn.basic import linear
from tgnn.nn.block import TransformerConfig, block_of, init_block
from tgnn.nn.draws import normal
from tgnn.nn.positions import rotary
from tgnn.nn.transformer import init_language_model, language_model
from tgnn.typing import Array, Graph, Params


def init_all_attention(rng: Array, config: TransformerConfig, *, num_vectors: int | None = None) -> Params:
    """Initialises a language model whose blocks are attention with `"persistent"` keys and values, and nothing else.

    Args:
        rng: a key.
        config: sizes and parts; `hidden_dim` is only the default of `num_vectors`.
        num_vectors: persistent vectors of a head; default the hidden features of the feed-forward layer that they
            stand for, which has as many weights.

    Returns:
        As `init_language_model`, with `"attention": {..., "persistent": {"key", "value"}}` of shape
        `[num_vectors, heads, head_dim]` each, and no `"mlp"` in the blocks.

    Raises:
        ValueError: `num_vectors` is no integer of at least 0.
    """
    number = 4 * config.model_dim if config.hidden_dim is None else config.hidden_dim
    number = number if num_vectors is None else check_size("num_vectors", num_vectors)
    return init_language_model(rng, config, init=partial(init_all_attention_block, num_vectors=number))


def init_all_attention_block(rng: Array, config: TransformerConfig, *, num_vectors: int, cross: bool = False) -> Params:
    """Initialises one block; arguments as for `init_all_attention`."""
    block_rng, key_rng, value_rng = jax.random.split(rng, 3)
    block = {name: part for name, part in init_block(block_rng, config, cross=cross).items() if name != "mlp"}
    heads, head_dim = block["attention"]["key"]["kernel"].shape[1:]
    shape = num_vectors, heads, head_dim
    persistent = {
        "key": normal(key_rng, shape) * head_dim**-0.5,
        "value": normal(value_rng, shape) * max(num_vectors, 1) ** -0.5,
    }
    return block | {"attention": block["attention"] | {"persistent": persistent}}


def all_attention(
    params: Params,
    graph: Graph,
    tokens: Array,
    *,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
    remat: bool = False,
) -> Array:
    """Logits of the next token at each token: blocks of one attention each, without a feed-forward layer.

    Args:
        params: what `init_all_attention` made.
        graph: edges between the tokens, such as `Causal(n)`; those from the persistent vectors are added.
        tokens: ints `[n]`.
        dropout_rate: of the embeddings, the blocks and the attention weights.
        rng: key of the dropout.
        implementation: of the attention to tokens; see `tgnn.attend`.
        remat: recompute each block in the backward pass; see `tgnn.nn.transformer.decoder`.

    Returns:
        `[n, vocab_size]`. Beyond the graph's edges O(n num_vectors) time and memory.

    Raises:
        ValueError: there is a rate above 0 without a key.

    Reference: Sukhbaatar, Grave, Lample, Jegou and Joulin, Augmenting Self-attention with Persistent Memory,
        arXiv:1907.01470, section 4; sizes of the vectors as in the authors' code. Positions are rotations, where the
        paper learns relative ones; pre-LN by default, where the paper is post-LN; no adaptive spans.

    >>> import jax, tgnn
    >>> config = tgnn.nn.transformer.TransformerConfig(50, model_dim=8, num_layers=1, num_heads=2)
    >>> params = tgnn.models.init_all_attention(jax.random.key(0), config, num_vectors=16)
    >>> tgnn.models.all_attention(params, tgnn.Causal(6), jax.numpy.arange(6)).shape
    (6, 50)
    """
    options = {"dropout_rate": check_dropout(dropout_rate, rng), "rng": rng, "remat": remat}
    block = block_of(partial(persistent_attention, implementation=implementation))
    return language_model(params, graph, tokens, encoding=None, block=block, **options)


def persistent_attention(
    params: Params,
    graph: Graph,
    x: Array,
    *,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Array:
    """One softmax over the senders of a graph and over vectors that all receivers see.

    Both parts are attention of their own, merged by their log-sum-exps, so that the graph may be any layout. A
    persistent vector has no position: only the query of the other part is turned.

    Args:
        params: of multi-head attention, and `"persistent": {"key", "value"}`, `[num_vectors, key_heads, head_dim]`
            each, which are used times `head_dim ** .5` and `num_vectors ** .5`: so initial numbers are of size 1, and
            steps of Adam are larger by as much.
        graph: edges between the rows of x.
        x: `[n, model_dim]`.
        dropout_rate: of the weights.
        rng: key of the dropout.
        implementation: of the attention to x; see `tgnn.attend`.

    Returns:
        `[n, model_dim]`.
    """
    n, places = x.shape[0], jnp.arange(x.shape[0])
    layout = as_layout(graph, n, n)
    query, key, value = (linear(params[name], x) for name in ("query", "key", "value"))
    number, _, head_dim = params["persistent"]["key"].shape
    sizes = {"key": head_dim**0.5, "value": number**0.5}
    own = {name: (size * params["persistent"][name]).astype(x.dtype) for name, size in sizes.items()}
    options = {"dropout_rate": dropout_rate, "rng": rng, "return_lse": True}
    turned = rotary(query, places), rotary(key, places)  # [n, heads, head_dim]
    tokens = attend(layout, *turned, value, implementation=implementation, **options)
    # numbered behind the tokens, so that dropout is that of one call
    shared = attend(Complete(n, number), query, own["key"], own["value"], origin=(0, n, 0), **options)
    output, _ = merge(*zip(tokens, shared, strict=True))
    return linear(params["output"], output, in_axes=2)  # [n, heads, head_dim] -> [n, model_dim]


CHOICES = (
    Choice(
        "All-attention network",
        "the past and persistent vectors: `Complete` from these",
        "dot product",
        "softmax over both: `attend`, `merge`",
        "arXiv:1907.01470",
    ),
)
