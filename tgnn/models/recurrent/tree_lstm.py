"""Tree-LSTM: the graph is a tree whose children send to their parents; the reduction is a gated sum."""

import jax

from tgnn.errors import check_dropout
from tgnn.graphs import Layout
from tgnn.models.cards import Choice
from tgnn.nn.basic import dropout, embedding, fold, init_embedding, init_linear, linear
from tgnn.recurrent.cells import Levels, init_lstm, init_nary_lstm, lstm, nary_lstm
from tgnn.typing import Array, Params


def init_tree_lstm(
    rng: Array, vocab_size: int, embedding_dim: int, hidden_dim: int, num_classes: int, *, arity: int | None = None
) -> Params:
    """Initialises a classifier of the nodes of a tree.

    Args:
        rng: a key.
        vocab_size: number of words.
        embedding_dim: size of their vectors (the paper's: 300).
        hidden_dim: size of the states (the paper's: 150 for constituency trees).
        num_classes: of each node.
        arity: children that are told apart, 2 for binary constituency trees; None sums them (child-sum).

    Returns:
        `{"embedding", "cell", "output"}`.
    """
    embedding_rng, cell_rng, output_rng = jax.random.split(rng, 3)
    if arity is None:
        cell = init_lstm(cell_rng, embedding_dim, hidden_dim)
    else:
        cell = init_nary_lstm(cell_rng, embedding_dim, hidden_dim, arity)
    return {
        "embedding": init_embedding(embedding_rng, vocab_size, embedding_dim),
        "cell": cell,
        "output": init_linear(output_rng, hidden_dim, num_classes),
    }


def tree_lstm(
    params: Params, graph: Layout | Levels, tokens: Array, *, dropout_rate: float = 0.0, rng: Array | None = None
) -> Array:
    """Logits of the classes of every node, from the subtree below it; on a chain, the ordinary LSTM's.

    Args:
        params: what `init_tree_lstm` made.
        graph: `tgnn.patterns.constituency(n, children)` or another acyclic layout, concrete, or its
            `tgnn.recurrent.schedule`, which may be traced. A batch of trees is their disjoint union.
        tokens: ints `[n_node]`, the word of each node; -1 where it has none, such as at inner nodes.
        dropout_rate: of the words' vectors and of the states that are read out (the paper's: 0.5).
        rng: key of the dropout.

    Returns:
        `[n_node, num_classes]`.

    Raises:
        ValueError: there is a rate above 0 without a key.

    Reference: Tai, Socher and Manning, Improved Semantic Representations From Tree-Structured Long Short-Term Memory
        Networks, arXiv:1503.00075, section 4.1.

    >>> import jax, tgnn
    >>> params = tgnn.models.init_tree_lstm(jax.random.key(0), 50, 8, 8, 5)
    >>> tree = tgnn.EdgeList.from_edges([0, 1], [2, 2], n_receivers=3)  # two words and their phrase
    >>> tgnn.models.tree_lstm(params, tgnn.recurrent.schedule(tree), jax.numpy.arange(3)).shape
    (3, 5)
    """
    dropout_rate = check_dropout(dropout_rate, rng)
    x = dropout(fold(rng, 0), embedding(params["embedding"], tokens), dropout_rate)
    hidden = states(params["cell"], graph, x)
    return linear(params["output"], dropout(fold(rng, 1), hidden, dropout_rate))


def states(cell: Params, graph: Layout | Levels, x: Array) -> Array:
    """The hidden states `[n_node, hidden_dim]`, of the kind of cell that the weights are made for."""
    is_nary = cell["state"]["kernel"].ndim == 4
    return (nary_lstm if is_nary else lstm)(cell, graph, x).hidden


CHOICES = (
    Choice(
        "Tree-LSTM",
        graph="tree: the children",
        score="sigmoid gate for every feature",
        reduction="`nary_lstm`: gated sum",
        paper="arXiv:1503.00075",
    ),
)
