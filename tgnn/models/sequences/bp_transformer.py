"""BP-Transformer: tokens see near tokens and ever longer spans of far ones; spans see their tokens.

The graph is `tgnn.patterns.binary_partition`; the score is a dot product with a vector for each relative place in the
tree.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.attention.api import attend
from tgnn.errors import check_size
from tgnn.graphs import EdgeList
from tgnn.models.cards import Choice
from tgnn.nn.basic import dropout, fold, linear
from tgnn.nn.block import TransformerConfig, block_of, init_block
from tgnn.nn.multi_head import project_key_value
from tgnn.nn.transformer import check_tokens, decoder, embed, init_language_model, unembed
from tgnn.patterns.spans import partition_edges, spans
from tgnn.typing import Array, Params


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Partition:
    """Binary trees over sequences, side by side.

    Attributes:
        layout: edges between tokens and spans.
        relation: int `[n_edge]`, the place of the sender in the receiver's tree; see `tgnn.patterns.relations`.
        tokens: int `[n_token]`, the node of each token, sequence after sequence; `n_node` in the padding.
        roots: int `[n_sequence]`, the node that spans each sequence.
        n_relation: how many places the trees may have; the parameters need a vector for each.
    """

    layout: EdgeList
    relation: Array
    tokens: Array
    roots: Array
    n_relation: int = jax.tree.static()  # pyright: ignore


@jax.ensure_compile_time_eval()  # static, so that it is known under jit too
def partition(
    lengths: Sequence[int],
    k: int = 4,
    *,
    causal: bool = False,
    n_token: int | None = None,
    n_node: int | None = None,
    n_edge: int | None = None,
    max_length: int | None = None,
) -> Partition:
    """The disjoint union of the binary partitions of sequences. Host side, O(n k log n).

    Args:
        lengths: of the sequences, at least 1 each.
        k: see `tgnn.patterns.binary_partition`.
        causal: a token sees only the past.
        n_token: padded number of tokens; default as many as there are.
        n_node: padded number of nodes.
        n_edge: padded number of edges.
        max_length: that of the parameters; default the longest of these sequences. With all four, the partitions of a
            bucket share one compiled program.

    Raises:
        ValueError: for an empty sequence, or a number that is too small.

    >>> graph = partition([2, 1], k=1)
    >>> graph.tokens.tolist(), graph.roots.tolist()
    ([0, 1, 3], [2, 3])
    """
    if any(length < 1 for length in lengths):
        raise ValueError(f"lengths must be at least 1, got {min(lengths)}; leave empty sequences out")
    longest = max(lengths, default=1)
    max_length = check_size("max_length", longest if max_length is None else max_length, minimum=longest)
    parts = [(short if length <= 256 else edges_of)(length, k, causal) for length in lengths]
    starts = np.cumsum([0] + [part[3] for part in parts])
    empty = np.zeros(0, np.int64)
    senders, receivers = (
        np.concatenate([empty, *(part[i] + start for part, start in zip(parts, starts, strict=False))]) for i in (0, 1)
    )
    relation = np.concatenate([empty, *(part[2] for part in parts)])
    tokens = np.concatenate([empty, *(start + np.arange(n) for n, start in zip(lengths, starts, strict=False))])
    n_node = int(starts[-1]) if n_node is None else n_node
    n_token = len(tokens) if n_token is None else n_token
    if n_node < starts[-1] or n_token < len(tokens):
        raise ValueError(
            f"the sequences have {len(tokens)} tokens and {starts[-1]} nodes, more than n_token {n_token} or n_node "
            f"{n_node}; raise them"
        )
    layout = EdgeList.from_edges(senders, receivers, n_receivers=n_node, pad_to=n_edge)
    relation = np.append(relation, np.zeros(layout.n_edge - len(relation), int))
    return Partition(
        layout,
        jnp.asarray(relation.astype(np.int32)),
        jnp.asarray(np.append(tokens, np.full(n_token - len(tokens), n_node)).astype(np.int32)),
        jnp.asarray((starts[1:] - 1).astype(np.int32)),
        count_relations(max_length, k),
    )


def count_relations(max_length: int, k: int) -> int:
    """Places in the tree of the longest sequence."""
    return (2 * k + 1) * ((max_length - 1).bit_length() + 1)


def edges_of(length: int, k: int, causal: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Senders, receivers, relations and the number of nodes of one sequence."""
    return *partition_edges(length, k, causal), len(spans(length))


short = functools.lru_cache(maxsize=256)(edges_of)  # batches of sentences have the same few lengths again and again


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
    table = jax.random.normal(relation_rng, (n_relation, *shape)) * shape[-1] ** -0.5
    return block | {"attention": block["attention"] | {"relation": table}}


def bp_transformer(
    params: Params,
    graph: Partition,
    tokens: Array,
    *,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    remat: bool = False,
) -> Array:
    """Logits of the next token at each token (of a causal partition), or of any class of each token.

    Args:
        params: what `init_bp_transformer` made.
        graph: a `partition`.
        tokens: ints `[n_token]`.
        dropout_rate: of the embeddings, the blocks and the attention weights.
        rng: key of the dropout; None switches it off.
        remat: see `tgnn.transformer.decoder`.

    Returns:
        `[n_token, vocab_size]`. O(k n log(n / k)) time and memory.

    Raises:
        ValueError: `graph` is no partition, or has longer sequences or another k than the parameters are for.

    Reference: Ye, Guo, Gan, Qiu and Zhang, BP-Transformer: Modelling Long-Range Context via Binary Partitioning,
        arXiv:1911.04070, section 3. As there, spans begin as zeros and no other positions are added. Pre-LN by default.
    """
    nodes = bp_nodes(params, graph, tokens, dropout_rate=dropout_rate, rng=rng, remat=remat)
    return unembed(params, rows(nodes, graph.tokens))


def bp_nodes(
    params: Params,
    graph: Partition,
    tokens: Array,
    *,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    remat: bool = False,
) -> Array:
    """The vectors of all nodes, `[n_node, model_dim]`; `rows(nodes, graph.roots)` are those of whole sequences."""
    check_tokens("tokens", tokens)
    check_relations(params["decoder"]["blocks"], graph)
    n_node = graph.layout.n_receivers
    words = jnp.full(n_node, -1, jnp.int32).at[graph.tokens].set(tokens, mode="drop", unique_indices=False)
    x = dropout(fold(rng, 0), embed(params, words, encoding=None), dropout_rate)
    options = {"dropout_rate": dropout_rate, "rng": fold(rng, 1), "remat": remat}
    return decoder(params["decoder"], graph, x, block=block_of(partition_attention), **options)


def check_relations(blocks: Params | list[Params], graph: Partition) -> None:
    """A vector for each place in the trees: those beyond the table would have none."""
    if not isinstance(graph, Partition):
        raise ValueError(f"graph must be a Partition, got {type(graph).__name__}; make it with partition(lengths, k)")
    stacked = isinstance(blocks, dict)
    table = (blocks if stacked else blocks[0])["attention"]["relation"]
    n_relation = table.shape[1 if stacked else 0]
    if graph.n_relation > n_relation:
        raise ValueError(
            f"graph tells {graph.n_relation} places apart, but params have vectors for {n_relation}; initialise them "
            "with the k of the partition and with max_length the longest sequence"
        )


def partition_attention(
    params: Params, graph: Partition, x: Array, *, dropout_rate: float = 0.0, rng: Array | None = None
) -> Array:
    """Logits `<query_i, key_j + relation_ij>`; the second product is taken once a node and place, not once an edge."""
    query, memory = linear(params["query"], x), project_key_value(params, x)
    places = jnp.einsum("nhd,rhd->nrh", query, params["relation"].astype(x.dtype)) * query.shape[-1] ** -0.5
    bias = places.at[graph.layout.receivers, graph.relation].get(mode="fill", fill_value=0)
    output = attend(graph.layout, query, *memory, bias=bias, dropout_rate=dropout_rate, rng=rng)
    return linear(params["output"], output, in_axes=2)


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
