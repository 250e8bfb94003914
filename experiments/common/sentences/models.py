"""Four models of the class of a sentence: what differs is the graph.

The Tree-LSTM works on the tree, the LSTM on the chain of words, the BP-Transformer on a binary partition, the
Transformer on all pairs. The class is read at the root, the last word, the root span, or a node that sees all words.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from experiments.common.sentences.config import Config
from experiments.common.sentences.examples import Batch, Bins, Example, depth, union
from experiments.common.training import dropping
from tgnn.graphs import Complete
from tgnn.models.recurrent.tree_lstm import init_tree_lstm, tree_lstm
from tgnn.models.sequences.bp_transformer import bp_nodes, init_bp_transformer, partition
from tgnn.nn.basic import dropout, fold, init_linear, linear
from tgnn.nn.positions import segment_positions
from tgnn.nn.transformer import TransformerConfig, decoder, embed, init_language_model
from tgnn.patterns.partition import partition_edges, spans
from tgnn.typing import Array, Params

Name = Literal["tree_lstm", "lstm", "transformer", "bp_transformer"]
WIDTH = 64  # nodes of a step of a recurrent model


class Classifier(NamedTuple):
    """A model and the graphs that it wants."""

    init: Callable[[Array], Params]  # rng -> params, with the words' vectors in params["embedding"]["table"]
    apply: Callable[..., Array]  # (params, graph, tokens, *, rng) -> logits; rng is None without dropout
    bins: Bins


class Corpus(NamedTuple):
    """What a model must know of the data."""

    vocab_size: int
    num_classes: int
    arity: int | None  # of the Tree-LSTM; None sums children in whatever order
    examples: Sequence[Example]  # all that it will ever see: the longest ones tell the shapes


def make(name: Name, config: Config, corpus: Corpus) -> Classifier:
    """The classifier of that name."""
    build = {"tree_lstm": recurrent, "lstm": recurrent, "transformer": transformer, "bp_transformer": bp_transformer}
    return build[name](config, corpus)


def room(config: Config, corpus: Corpus, extra: int = 0) -> tuple[int, int]:
    """Rows and slots of a batch: a slot for each node of the largest example, and about as many nodes as asked."""
    largest = max(len(example.tokens) for example in corpus.examples) + extra
    slots = -(-largest // 16) * 16
    return max(1, config.nodes // slots), slots


def recurrent(config: Config, corpus: Corpus) -> Classifier:
    """An LSTM along the tree of each example; chains are trees."""
    rows, slots = room(config, corpus)
    children = max(example.children.shape[1] for example in corpus.examples)
    arity = corpus.arity if children > 1 else None
    steps = rows * slots // WIDTH + max(map(depth, corpus.examples))
    dims = (config.embedding_dim, config.hidden_dim)

    def lay_out(filled: list[list[Example]]) -> Batch:
        examples = [example for members in filled for example in members]
        return union(examples, rows * slots, width=WIDTH, n_step=steps + 1, arity=children)

    def init(rng):
        return init_tree_lstm(rng, corpus.vocab_size, *dims, corpus.num_classes, arity=arity)

    def apply(params, graph, tokens, *, rng=None):
        return tree_lstm(params, graph, tokens, **dropping(config.dropout_rate, rng))

    return Classifier(init, apply, Bins(node_count, lay_out, rows, slots))


def node_count(example: Example) -> int:
    """Nodes of an example."""
    return len(example.tokens)


def sizes(config: Config, vocab_size: int) -> TransformerConfig:
    """The sizes that the library asks for; the heads share the width of the words as far as it can be divided."""
    return TransformerConfig(
        vocab_size,
        model_dim=config.embedding_dim,
        num_layers=config.num_layers,
        num_heads=config.num_heads,
        head_dim=max(1, config.embedding_dim // config.num_heads),
        hidden_dim=config.mlp_dim,
    )


def with_classes(init: Callable[[Array], Params], config: Config, corpus: Corpus) -> Callable[[Array], Params]:
    """Initialises also the linear map to the classes."""

    def init_both(rng):
        model_rng, classes_rng = jax.random.split(rng)
        return init(model_rng) | {"classes": init_linear(classes_rng, config.embedding_dim, corpus.num_classes)}

    return init_both


def transformer(config: Config, corpus: Corpus) -> Classifier:
    """All pairs of words of a sentence, and one node more that sees them all and has the label."""
    rows, slots = room(config, corpus, extra=1)
    whole = corpus.vocab_size  # the token of that node

    def lay_out(filled: list[list[Example]]) -> Batch:
        segments, tokens, labels = np.full((3, rows, slots), -1, np.int32)
        for row, members in enumerate(filled):
            start = 0
            for segment, example in enumerate(members):
                here = slice(start, start + len(example.tokens) + 1)
                segments[row, here] = segment
                tokens[row, here] = [whole, *example.tokens]
                labels[row, start] = example.labels[-1]
                start = here.stop
        return Batch(segments, tokens, labels)

    def one_row(params, segments, tokens, rng):
        layout = Complete(slots).with_segments(segments)
        rate = dropping(config.dropout_rate, rng)["dropout_rate"]
        x = dropout(fold(rng, 0), embed(params, tokens, segment_positions(segments)), rate)
        x = decoder(params["decoder"], layout, x, dropout_rate=rate, rng=fold(rng, 1))
        return linear(params["classes"], x)

    def apply(params, segments, tokens, *, rng=None):
        rngs = None if rng is None else jax.random.split(rng, rows)
        return jax.vmap(one_row, (None, 0, 0, 0))(params, segments, tokens, rngs)

    init = partial(init_language_model, config=sizes(config, corpus.vocab_size + 1))
    bins = Bins(lambda x: node_count(x) + 1, lay_out, rows, slots)
    return Classifier(with_classes(init, config, corpus), apply, bins)


def bp_transformer(config: Config, corpus: Corpus) -> Classifier:
    """Words and spans; the label belongs to the span of the whole sentence."""
    rows, slots = room(config, corpus)
    lengths = sorted({len(example.tokens) for example in corpus.examples})
    longest = max(lengths)
    n_node = 1 + int(rows * slots * max(len(spans(n)) / n for n in lengths))
    n_edge = 1 + int(rows * slots * max(len(partition_edges(n, config.k, False)[0]) / n for n in lengths))

    def lay_out(filled: list[list[Example]]) -> Batch:
        examples = [example for members in filled for example in members]
        lengths = [len(example.tokens) for example in examples]
        graph = partition(lengths, config.k, n_token=rows * slots, n_node=n_node, n_edge=n_edge, max_length=longest)
        tokens, labels = np.full(rows * slots, -1, np.int32), np.full(n_node, -1, np.int32)
        tokens[: sum(lengths)] = np.concatenate([example.tokens for example in examples])
        labels[np.asarray(graph.roots)] = [example.labels[-1] for example in examples]
        return Batch(replace(graph, roots=None), tokens, labels)  # whose number differs from batch to batch

    def apply(params, graph: Any, tokens, *, rng=None):
        return linear(params["classes"], bp_nodes(params, graph, tokens, **dropping(config.dropout_rate, rng)))

    init = partial(init_bp_transformer, config=sizes(config, corpus.vocab_size), max_length=longest, k=config.k)
    return Classifier(with_classes(init, config, corpus), apply, Bins(node_count, lay_out, rows, slots))
