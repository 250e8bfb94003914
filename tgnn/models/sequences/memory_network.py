"""End-to-end memory network: questions read a memory in hops, along the edges of a bipartite graph."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from tgnn.attention.api import attend
from tgnn.compiled import compiled
from tgnn.errors import check_size
from tgnn.graphs.interop import as_layout
from tgnn.models.cards import Choice
from tgnn.nn.basic import embedding, init_linear, linear
from tgnn.nn.draws import normal
from tgnn.nn.transformer import check_tokens
from tgnn.pytrees import register
from tgnn.typing import Array, Graph, Params


@register
@dataclass(frozen=True)
class Recency:
    """A learned bias for the age of a memory: `table[min(receiver + offset - sender, last)]`, of one head."""

    table: Array  # [max_age]
    offset: Array | int = 0

    def __call__(self, receiver: Array, sender: Array) -> Array:
        """The bias of one pair: `[1]`."""
        age = jnp.clip(receiver + self.offset - sender, 0, self.table.shape[0] - 1)
        return self.table[age][None]


def init_memory_network(
    rng: Array, vocab_size: int, model_dim: int, num_hops: int = 3, *, max_age: int = 1, deviation: float = 0.1
) -> Params:
    """Initialises one table of words more than there are hops, and a map between them.

    Args:
        rng: a key.
        vocab_size: words.
        model_dim: size of a word's vectors.
        num_hops: how often the memory is read, at least once.
        max_age: ages that are told apart, at least 1, which is a memory without order.
        deviation: standard deviation of the tables (0.1 in the paper).

    Returns:
        `{"tables": [num_hops + 1, vocab_size, model_dim], "recency": [num_hops, max_age], "hop"}`: hop k compares with
        table k and reads table k + 1, and the last one is the output's (the paper's adjacent sharing).

    Raises:
        ValueError: `num_hops` or `max_age` is no such integer.
    """
    num_hops = check_size("num_hops", num_hops, minimum=1)
    max_age = check_size("max_age", max_age, minimum=1)
    table_rng, hop_rng = jax.random.split(rng)
    return {
        "tables": deviation * normal(table_rng, (num_hops + 1, vocab_size, model_dim)),
        "recency": jnp.zeros((num_hops, max_age)),
        "hop": init_linear(hop_rng, model_dim, model_dim, use_bias=False),
    }


def memory_network(
    params: Params,
    graph: Graph,
    memory: Array,
    query: Array | None = None,
    *,
    offset: Array | int = 0,
    implementation: str | None = None,
) -> Array:
    """Logits of the answer to each question.

    Args:
        params: what `init_memory_network` made.
        graph: edges from the memories (senders) to the questions (receivers): `Complete(n_questions, n_memories)`, or
            for a language model the past of each word, `tgnn.patterns.window(n, max_age - 1)`.
        memory: ints `[n_memories, words]`, -1 behind the last word; a memory is the sum of its words' vectors.
        query: ints `[n_questions, words]`; None asks the same constant question everywhere: what comes next?
        offset: position of question 0 among the memories, for their age.
        implementation: see `tgnn.attend`.

    Returns:
        `[n_questions, vocab_size]`. A question without memories is answered from its own words.

    Raises:
        ValueError: for a memory or a query of another shape.

    Reference: Sukhbaatar, Szlam, Weston and Fergus, End-To-End Memory Networks, arXiv:1503.08895, sections 2 and 5.
        Age is one number, added to a logit, where the paper adds vectors to keys and values; words are not weighed by
        their position in a sentence; half of the units are rectified after
        every hop, as in their language model.

    >>> import jax, tgnn
    >>> params = tgnn.models.init_memory_network(jax.random.key(0), 50, 8)
    >>> sentences, question = jax.numpy.ones((3, 4), int), jax.numpy.ones((1, 4), int)
    >>> tgnn.models.memory_network(params, tgnn.Complete(1, 3), sentences, question).shape
    (1, 50)
    """
    layout = as_layout(graph, None if query is None else len(query), len(memory))
    check_tokens("memory", memory, ("n_memories", "words"))
    _check_words(params, memory)
    if query is not None:
        check_tokens("query", query, ("n_questions", "words"))
        _check_words(params, query)
    return _run(params, layout, memory, query, offset, implementation)


@compiled
def _run(params, layout, memory, query, offset, implementation):
    tables = params["tables"]
    dim = tables.shape[-1]
    if query is None:
        state = jnp.full((layout.n_receivers, dim), 0.1, tables.dtype)
    else:
        state = words(tables[0], query)  # [n_questions, model_dim]

    def hop(state, part):
        key_table, value_table, recency = part
        key, value = words(key_table, memory)[:, None], words(value_table, memory)[:, None]  # one head
        options = {"bias": Recency(recency, offset), "scale": 1.0, "implementation": implementation}
        state = linear(params["hop"], state) + attend(layout, state[:, None], key, value, **options)[:, 0]
        return jnp.concatenate([state[:, : dim // 2], jax.nn.relu(state[:, dim // 2 :])], axis=1), None

    state, _ = jax.lax.scan(hop, state, (tables[:-1], tables[1:], params["recency"]))
    return state @ tables[-1].T


def _check_words(params: Params, ids: Array) -> None:
    """Ids that are known must be in the table: what follows is compiled, where others are zeros."""
    embedding({"table": jnp.zeros((params["tables"].shape[1], 0))}, ids)


def words(table: Array, ids: Array) -> Array:
    """The sum of the vectors of each row's words: `[n, words] -> [n, model_dim]`."""
    return embedding({"table": table}, ids).sum(axis=-2)


CHOICES = (
    Choice(
        "End-to-end memory network",
        "bipartite: memories to questions",
        "dot product and `Recency`",
        "softmax, in hops",
        "arXiv:1503.08895",
    ),
)
