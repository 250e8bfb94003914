"""BP-Transformer: tokens see near tokens and ever longer spans of far ones; spans see their tokens.

The graph is `tgnn.patterns.binary_partition`; the score is a dot product with a vector for each relative place in the
tree.
"""

import functools

import jax
import jax.numpy as jnp

from tgnn.attention.api import attend
from tgnn.errors import check_dropout, check_size
from tgnn.models.cards import Choice
from tgnn.models.sequences.partitions import Partition, check_relations, count_relations
from tgnn.models.sequences.partitions import partition as partition
from tgnn.nn.basic import linear
from tgnn.nn.block import TransformerConfig, block_of, init_block
from tgnn.nn.draws import normal
from tgnn.nn.multi_head import project_key_value
from tgnn.nn.transformer import check_tokens, decoder, drop_embeddings, embed, init_language_model, unembed
from tgnn.softmax import wide_dtype
from tgnn.typing import Array, Params


def init_bp_transformer(rng: Array, config: TransformerConfig, *, max_length: int, k: int = 4) -> Params:
    """Initialises a language model with vectors for relative places.

    Args:
        rng: a key.
        config: sizes; `num_key_heads` must be that of the queries, `max_length` None: the tree tells positions.
        max_length: the longest sequence, at least 1.
        k: that of the partition, at least 1.

    Returns:
        As `init_language_model`, with `"relation"` `[n_relation, heads, head_dim]` in the attention of the blocks.

    Raises:
        ValueError: `max_length` or `k` is no such integer.
    """
    n_relation = count_relations(check_size("max_length", max_length, minimum=1), check_size("k", k, minimum=1))
    return init_language_model(rng, config, init=functools.partial(init_bp_block, n_relation=n_relation))


def init_bp_block(rng: Array, config: TransformerConfig, *, n_relation: int, cross: bool = False) -> Params:
    """Initialises one block, with vectors for `n_relation` places."""
    block_rng, relation_rng = jax.random.split(rng)
    block = init_block(block_rng, config, cross=cross)
    shape = block["attention"]["query"]["kernel"].shape[1:]
    table = normal(relation_rng, (n_relation, *shape)) * shape[-1] ** -0.5
    return block | {"attention": block["attention"] | {"relation": table}}


def bp_transformer(
    params: Params,
    graph: Partition,
    tokens: Array,
    *,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
    remat: bool = False,
) -> Array:
    """Logits of the next token at each token (of a causal partition), or of any class of each token.

    Args:
        params: what `init_bp_transformer` made.
        graph: a `partition`.
        tokens: ints `[n_token]`.
        dropout_rate: of the embeddings, the blocks and the attention weights.
        rng: key of the dropout.
        implementation: see `tgnn.attend`.
        remat: see `tgnn.nn.transformer.decoder`.

    Returns:
        `[n_token, vocab_size]`. O(k n log(n / k)) time and memory.

    Raises:
        ValueError: `graph` is no partition, or has longer sequences or another k than the parameters are for, or there
            is a rate above 0 without a key.

    Reference: Ye, Guo, Gan, Qiu and Zhang, BP-Transformer: Modelling Long-Range Context via Binary Partitioning,
        arXiv:1911.04070, section 3. As there, spans begin as zeros and no other positions are added. Pre-LN by default.

    >>> import jax, tgnn
    >>> config = tgnn.nn.transformer.TransformerConfig(50, model_dim=8, num_layers=1, num_heads=2, hidden_dim=16)
    >>> graph = tgnn.models.sequences.partitions.partition([6], 1)
    >>> params = tgnn.models.init_bp_transformer(jax.random.key(0), config, max_length=6, k=1)
    >>> tokens = jax.numpy.arange(6)
    >>> tgnn.models.bp_transformer(params, graph, tokens).shape
    (6, 50)
    """
    options = {"dropout_rate": dropout_rate, "rng": rng, "implementation": implementation, "remat": remat}
    nodes = bp_nodes(params, graph, tokens, **options)
    return unembed(params, rows(nodes, graph.tokens))


def bp_nodes(
    params: Params,
    graph: Partition,
    tokens: Array,
    *,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
    remat: bool = False,
) -> Array:
    """The vectors of all nodes, `[n_node, model_dim]`; `rows(nodes, graph.roots)` are those of whole sequences."""
    dropout_rate = check_dropout(dropout_rate, rng)
    check_tokens("tokens", tokens)
    check_relations(params["decoder"]["blocks"], graph)
    n_node = graph.layout.n_receivers
    words = jnp.full(n_node, -1, jnp.int32).at[graph.tokens].set(tokens, mode="drop", unique_indices=False)
    x, drop = drop_embeddings(embed(params, words, encoding=None), dropout_rate, rng)
    block = block_of(functools.partial(partition_attention, implementation=implementation))
    return decoder(params["decoder"], graph, x, block=block, remat=remat, **drop)


def partition_attention(
    params: Params,
    graph: Partition,
    x: Array,
    *,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Array:
    """Logits `<query_i, key_j + relation_ij>`; the second product is taken once a node and place, not once an edge."""
    query, memory = linear(params["query"], x), project_key_value(params, x)  # [n, heads, head_dim]
    places = jnp.einsum("nhd,rhd->nrh", query, params["relation"].astype(x.dtype)) * query.shape[-1] ** -0.5
    places = places.astype(wide_dtype(x.dtype))  # what edges say of a place is summed in its gradient
    bias = places.at[graph.layout.receivers, graph.relation].get(mode="fill", fill_value=0)  # [n_edge, heads]
    options = {"dropout_rate": dropout_rate, "rng": rng, "implementation": implementation}
    return linear(params["output"], attend(graph.layout, query, *memory, bias=bias, **options), in_axes=2)


def rows(x: Array, index: Array) -> Array:
    """Rows of `x`, zeros where the index is out of range, as in the padding."""
    return x.at[index].get(mode="fill", fill_value=0)


CHOICES = (
    Choice(
        "BP-Transformer",
        graph="near tokens, ever longer spans of far ones: `Partition`",
        score="dot product with a vector for each place in the tree",
        reduction="softmax",
        paper="arXiv:1911.04070",
    ),
)
