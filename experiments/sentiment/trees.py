"""A Transformer on all nodes of a treebank's trees, words and phrases: only which nodes hear which differs.

`syntax`: a node hears itself, its parent and its children; `complete`: all nodes of its sentence; `both`: all of them,
and is told which ones are itself, parent and children. The relation of two nodes is a learned number for each head
that is added to their logit (0 where they are not neighbours in the tree, or the graph does not tell).

A word is its vector, a phrase one learned vector, both with the places of their first and last word. The blocks run
`rounds` times with the same weights (Dehghani et al., Universal Transformers, arXiv:1807.03819), so that with edges
of the tree alone the root hears words that are `rounds * num_layers` steps below it.
"""

from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.common.sentences.config import Config
from experiments.common.sentences.examples import Batch, Bins, Example
from experiments.common.sentences.models import Classifier, Corpus, node_count, room, sizes, with_classes
from experiments.common.training import dropping
from tgnn.attention.api import attend
from tgnn.graphs import Dense
from tgnn.nn.basic import dropout, fold, linear
from tgnn.nn.block import TransformerConfig, block_of, init_block
from tgnn.nn.multi_head import project_key_value
from tgnn.nn.positions import sinusoidal
from tgnn.nn.transformer import decoder, embed, init_language_model
from tgnn.typing import Array, Params

Name = Literal["syntax", "complete", "syntax_and_complete"]
NUM_RELATIONS = 5  # of a sender to its receiver: itself, parent of a left or a right child, left or right child


class Trees(NamedTuple):
    """Trees side by side in rows of slots; of each node:"""

    sentence: np.ndarray  # int32 [rows, slots], -1 for padding
    parent: np.ndarray  # int32 [rows, slots], the slot; -1 for roots and padding
    side: np.ndarray  # int32 [rows, slots], 0 for left children, 1 for right ones
    ends: np.ndarray  # int32 [rows, slots, 2], the places of the first and the last word below it


class Neighbors(NamedTuple):
    """A sentence's graph: who hears whom, and what a learned bias knows of it."""

    layout: Dense
    relation: Array  # [slots, slots, NUM_RELATIONS] 1 for the relation that two nodes have, else 0


def tree_transformer(name: Name, config: Config, corpus: Corpus) -> Classifier:
    """The classifier on the graph of that name; all three have the same weights."""
    rows, slots = room(config, corpus)
    phrase = corpus.vocab_size  # the token of every node that is no word

    def one_row(params: Params, trees: Trees, tokens: Array, rng: Array | None) -> Array:
        rate = dropping(config.dropout_rate, rng)["dropout_rate"]
        graph = neighbors(name, trees)
        x = embed(params, tokens, encoding=None) + places(trees.ends, config.embedding_dim)
        x = dropout(fold(rng, 0), x, rate)  # [slots, model_dim]

        def once(x, step):
            options = {"dropout_rate": rate, "rng": None if rng is None else jax.random.fold_in(rng, step)}
            return decoder(params["decoder"], graph, x, block=block_of(related_attention), **options), None

        x, _ = jax.lax.scan(once, x, jnp.arange(1, config.rounds + 1))
        return linear(params["classes"], x)

    def apply(params, trees, tokens, *, rng=None):
        rngs = None if rng is None else jax.random.split(rng, rows)
        return jax.vmap(one_row, (None, 0, 0, 0))(params, trees, tokens, rngs)

    init = partial(init_language_model, config=sizes(config, corpus.vocab_size + 1), init=init_related_block)
    bins = Bins(node_count, partial(lay_out, rows=rows, slots=slots, phrase=phrase), rows, slots)
    return Classifier(with_classes(init, config, corpus), apply, bins)


def init_related_block(rng: Array, config: TransformerConfig, *, cross: bool = False) -> Params:
    """A block whose attention also has a bias for each relation and head, 0 to begin with."""
    block = init_block(rng, config, cross=cross)
    relation = jnp.zeros((NUM_RELATIONS, config.num_heads))
    return block | {"attention": block["attention"] | {"relation": relation}}


def related_attention(
    params: Params, graph: Neighbors, x: Array, *, dropout_rate: float = 0.0, rng: Array | None = None
) -> Array:
    """Attention along the graph, `[n, model_dim] -> [n, model_dim]`; its weights are never dropped."""
    query, memory = linear(params["query"], x), project_key_value(params, x)  # [n, heads, head_dim]
    bias = graph.relation.astype(x.dtype) @ params["relation"]  # [n, n, heads]
    heard = attend(graph.layout, query, *memory, bias=bias)
    return linear(params["output"], heard, in_axes=2)


def neighbors(name: Name, trees: Trees) -> Neighbors:
    """The graph of a row."""
    slot = jnp.arange(len(trees.parent))
    itself = (slot[:, None] == slot[None]) & (trees.sentence >= 0)[:, None]  # [receiver, sender]
    above, below = trees.parent[:, None] == slot[None], trees.parent[None] == slot[:, None]
    mine, its = (trees.side == 1)[:, None], (trees.side == 1)[None]
    relation = jnp.stack([itself, above & ~mine, above & mine, below & ~its, below & its], axis=-1)
    if name == "syntax":
        return Neighbors(Dense(relation.any(axis=-1)), relation)
    same = (trees.sentence[:, None] == trees.sentence[None]) & (trees.sentence >= 0)[:, None]
    return Neighbors(Dense(same), relation & (name == "syntax_and_complete"))


def places(ends: Array, model_dim: int) -> Array:
    """Encodings of the first and of the last word, each in a half of the features, `[n, model_dim]`."""
    half = model_dim // 4 * 2
    return jnp.concatenate([sinusoidal(ends[:, 0], half), sinusoidal(ends[:, 1], model_dim - half)], axis=-1)


def lay_out(filled: list[list[Example]], *, rows: int, slots: int, phrase: int) -> Batch:
    """The trees of each row one after another."""
    sentence, parent, tokens, labels = np.full((4, rows, slots), -1, np.int32)
    side, ends = np.zeros((rows, slots), np.int32), np.zeros((rows, slots, 2), np.int32)
    for row, members in enumerate(filled):
        start = 0
        for number, example in enumerate(members):
            here, inner = slice(start, start + len(example.tokens)), example.tokens < 0
            sentence[row, here], labels[row, here] = number, example.labels
            tokens[row, here] = np.where(inner, phrase, example.tokens)
            for which, children in enumerate(example.children[inner].T):
                parent[row, start + children] = start + np.flatnonzero(inner)
                side[row, start + children] = which
            ends[row, here] = spans(example)
            start = here.stop
    return Batch(Trees(sentence, parent, side, ends), tokens, labels)


def spans(example: Example) -> np.ndarray:
    """The places of the first and last word below each node, int `[n_node, 2]`; a word is below itself."""
    found = np.repeat(np.cumsum(example.tokens >= 0)[:, None] - 1, 2, axis=1)
    for node in np.flatnonzero(example.tokens < 0):
        left, right = example.children[node]
        found[node] = found[left, 0], found[right, 1]
    return found
