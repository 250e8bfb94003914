"""RNN sequence to sequence: two chains, and between them no edge but one, or attention along all of them."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from tgnn.attention.api import attend
from tgnn.attention.scores import Score, dot_product
from tgnn.compiled import compiled
from tgnn.graphs import Complete
from tgnn.models.cards import Choice
from tgnn.models.recurrent.tanh import Tanh
from tgnn.nn.basic import embedding, init_embedding, init_linear, linear
from tgnn.nn.multi_head import KeyValue
from tgnn.nn.transformer import check_tokens
from tgnn.patterns import chain
from tgnn.printing import one_line
from tgnn.recurrent.cells import Levels, gru, init_gru, schedule
from tgnn.typing import Array, Params


@functools.cache
def line(n: int, n_past: int = 0) -> Levels:
    """The schedule of a chain, also where a caller of this module is being traced."""
    with jax.ensure_compile_time_eval():
        return schedule(chain(n, n_past=n_past))


class Decoding(NamedTuple):
    """Where the decoder stands."""

    state: Array  # [1, model_dim]
    memory: KeyValue  # of the source: keys [m, 1, model_dim], values [m, 1, 2 * model_dim]
    segments: Array  # int [m]: 0, and -1 behind the end

    __repr__ = one_line


def init_seq2seq(
    rng: Array, source_vocab_size: int, vocab_size: int, model_dim: int, *, attention: str = "additive"
) -> Params:
    """Initialises a bidirectional GRU over the source and a GRU over the target.

    Args:
        rng: a key.
        source_vocab_size: tokens of the source.
        vocab_size: tokens of the target.
        model_dim: size of the embeddings and of each state.
        attention: "additive" (Bahdanau), "multiplicative" (Luong) or "none": only the first state knows the source.

    Returns:
        `{"source", "embedding", "start", "decoder", "key", ["query", "vector"], "combine", "output"}`; applying reads
        the kind of attention off the parts that are there.

    Raises:
        ValueError: for another kind of attention.
    """
    if attention not in ("additive", "multiplicative", "none"):
        raise ValueError(f'attention must be "additive", "multiplicative" or "none", got {attention!r}')
    rngs = iter(jax.random.split(rng, 12))
    read_dim = 0 if attention == "none" else 2 * model_dim
    params = {
        "source": {
            "embedding": init_embedding(next(rngs), source_vocab_size, model_dim),
            "forward": init_gru(next(rngs), model_dim, model_dim),
            "backward": init_gru(next(rngs), model_dim, model_dim),
        },
        "embedding": init_embedding(next(rngs), vocab_size, model_dim),
        "start": init_linear(next(rngs), 2 * model_dim, model_dim),
        "decoder": init_gru(next(rngs), model_dim + (read_dim if attention == "additive" else 0), model_dim),
        "combine": init_linear(next(rngs), model_dim + read_dim, model_dim),
        "output": init_linear(next(rngs), model_dim, vocab_size),
    }
    if attention != "none":
        params["key"] = init_linear(next(rngs), 2 * model_dim, (1, model_dim), use_bias=False)
    if attention == "additive":
        params["query"] = init_linear(next(rngs), model_dim, (1, model_dim))
        params["vector"] = init_linear(next(rngs), model_dim, 1, use_bias=False)["kernel"].T
    return params


def seq2seq(params: Params, source: Array, target: Array, *, implementation: str | None = None) -> Array:
    """Logits of the next target token at each target token, given the source.

    Args:
        params: what `init_seq2seq` made.
        source: ints `[m]`, -1 behind the end; nothing is read of an empty one, and decoding starts from zeros.
        target: ints `[n]`, beginning with a token that means the start.
        implementation: of the attention; see `tgnn.attend`.

    Returns:
        `[n, vocab_size]`. O(n m) time; n + m steps one after the other.

    Reference: Sutskever, Vinyals and Le, Sequence to Sequence Learning with Neural Networks, arXiv:1409.3215; Bahdanau,
        Cho and Bengio, Neural Machine Translation by Jointly Learning to Align and Translate, arXiv:1409.0473; Luong,
        Pham and Manning, Effective Approaches to Attention-based Neural Machine Translation, arXiv:1508.04025. All
        three with one bidirectional layer of GRUs, Luong's "general" score, no input feeding and no maxout.

    >>> import jax, tgnn
    >>> params = tgnn.models.init_seq2seq(jax.random.key(0), 30, 40, 8)
    >>> source, target = jax.numpy.arange(5), jax.numpy.arange(3)
    >>> tgnn.models.seq2seq(params, source, target).shape
    (3, 40)
    """
    return seq2seq_step(params, init_seq2seq_state(params, source), target, implementation=implementation)[0]


def init_seq2seq_state(params: Params, source: Array) -> Decoding:
    """Reads the source in both directions: what decoding starts from.

    The backward chain runs over each sequence turned around, so that the rows behind its end come last both times.
    """
    check_tokens("source", source)
    parts, scale = params["source"], params["start"]["bias"].shape[0] ** 0.5
    return _read_source(params, jnp.asarray(source), embedding(parts["embedding"], source) * scale)


@compiled
def _read_source(params: Params, source: Array, x: Array) -> Decoding:
    parts, m = params["source"], source.shape[0]
    live = source >= 0
    length = live.sum()
    turned = jnp.where(live, length - 1 - jnp.arange(m), jnp.arange(m))
    forward, backward = gru(parts["forward"], line(m), x), gru(parts["backward"], line(m), x[turned])
    states = jnp.concatenate([forward, backward[turned]], axis=1)  # [m, 2 * model_dim]
    ends = jnp.pad(jnp.concatenate([forward, backward], axis=1), ((1, 0), (0, 0)))[length]  # zeros before the first
    state = jnp.tanh(linear(params["start"], ends))
    key = linear(params["key"], states) if "key" in params else states[:, None]
    return Decoding(state[None], KeyValue(key, states[:, None]), jnp.where(live, 0, -1))


def seq2seq_step(
    params: Params, decoding: Decoding, tokens: Array, *, implementation: str | None = None
) -> tuple[Array, Decoding]:
    """Appends tokens and predicts the one after each, as `tgnn.decoding.greedy` wants it.

    Args:
        params: what `init_seq2seq` made.
        decoding: what `init_seq2seq_state` or the last step made.
        tokens: ints `[n]`.
        implementation: of the attention; see `tgnn.attend`.

    Returns:
        Logits `[n, vocab_size]` and what the next step needs.
    """
    check_tokens("target", tokens)
    x = embedding(params["embedding"], tokens) * params["start"]["bias"].shape[0] ** 0.5
    return _decode(params, decoding, x, implementation)


@compiled
def _decode(params: Params, decoding: Decoding, x: Array, implementation: str | None) -> tuple[Array, Decoding]:
    look = functools.partial(read, params, decoding, implementation=implementation)
    if "vector" not in params:
        states = gru(params["decoder"], line(x.shape[0], 1), x, decoding.state)
        seen = look(states[:, None], dot_product) if "key" in params else states[:, :0]
        return predict(params, states, seen), decoding._replace(state=jnp.concatenate([decoding.state, states])[-1:])

    def step(state, x):
        seen = look(linear(params["query"], state), Tanh(params["vector"]))
        state = gru(params["decoder"], line(1, 1), jnp.concatenate([x[None], seen], axis=1), state)
        return state, (state[0], seen[0])

    state, (states, seen) = jax.lax.scan(step, decoding.state, x)
    return predict(params, states, seen), decoding._replace(state=state)


def read(params: Params, decoding: Decoding, query: Array, score: Score, *, implementation: str | None = None) -> Array:
    """What each query `[n, 1, model_dim]` sees of the source: `[n, 2 * model_dim]`."""
    n = query.shape[0]
    layout = Complete(n, decoding.segments.shape[0]).with_segments(jnp.zeros(n, jnp.int32), decoding.segments)
    options = {"score": score, "scale": 1.0, "implementation": implementation}
    return attend(layout, query, *decoding.memory, **options)[:, 0]


def predict(params: Params, states: Array, seen: Array) -> Array:
    """Logits from states `[n, model_dim]` and what they have read."""
    return linear(params["output"], jnp.tanh(linear(params["combine"], jnp.concatenate([states, seen], axis=1))))


CHOICES = (
    Choice("RNN sequence to sequence", "two chains, joined at their ends", "1", "`gru`", "arXiv:1409.3215"),
    Choice(
        "RNN with Bahdanau's attention",
        "two chains, and all source words to each target word: `Complete`",
        "`Tanh` of a sum",
        "softmax",
        "arXiv:1409.0473",
    ),
    Choice(
        "RNN with Luong's attention",
        "two chains, and all source words to each target word: `Complete`",
        "dot product",
        "softmax",
        "arXiv:1508.04025",
    ),
)
