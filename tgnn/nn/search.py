"""Searches for sequences, token by token: the most probable next one, a draw, or a beam of beginnings."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.compiled import compiled
from tgnn.errors import as_index, check_size
from tgnn.graphs.layout import is_traced
from tgnn.nn.decoding import Step, check_left
from tgnn.softmax import wide_dtype
from tgnn.typing import Array


def greedy(step: Step, cache: Any, first: int | Array, *, end: int, max_length: int) -> Array:
    """Decodes the most probable token after each, until `end` or `max_length` tokens.

    Args:
        step: `(cache, tokens [1]) -> (logits [1, vocab_size], cache)`, such as
            `lambda cache, tokens: decode_step(params, cache, tokens)`.
        cache: the first step's.
        first: the token before the first one; it may be `end` itself.
        end: the token that ends a sequence.
        max_length: how many tokens to decode at most.

    Returns:
        Ints `[max_length]`, without `first`, filled with `end`. Under `jax.vmap` all sequences run as long as the
        longest.

    Raises:
        ValueError: if the cache has no room for them, where that is known before jit; for a max_length below 1, a first
            that is no integer, and logits of another shape.

    >>> following = jnp.eye(4)[jnp.array([1, 2, 3, 0])]  # after each token the next one, 0 after 3
    >>> greedy(lambda cache, tokens: (following[tokens], cache), 0, 0, end=0, max_length=5).tolist()
    [1, 2, 3, 0, 0]
    """
    cache, first, max_length = _checked(cache, first, max_length)
    return run_greedy(step, cache, first, end, max_length)


@compiled
def run_greedy(step, cache, first, end, max_length) -> Array:
    """The loop of `greedy`."""
    return extend(lambda logits, i: jnp.argmax(logits), step, cache, first, end, max_length)


def sample(
    step: Step,
    cache: Any,
    first: int | Array,
    rng: Array,
    *,
    end: int,
    max_length: int,
    temperature: float | Array = 1.0,
    top_k: int | None = None,
    top_p: float | Array | None = None,
) -> Array:
    """Draws each token from the model's probabilities, until `end` or `max_length` tokens.

    Args:
        step: as for `greedy`; logits of any precision, drawn from in float32 or wider.
        cache: as for `greedy`.
        first: as for `greedy`.
        rng: a key, folded with the number of each token.
        end: as for `greedy`; -1 never comes, so that there are always max_length tokens.
        max_length: as for `greedy`.
        temperature: divides the logits; above 0. Towards 0 this is `greedy`.
        top_k: draw from the k most probable tokens only, the first ones among equals; default all.
        top_p: draw from the nucleus only: the fewest most probable tokens, of those k, at this temperature, whose
            probabilities sum to top_p or more; above 0, up to 1; default all.

    Returns:
        Ints `[max_length]`, as `greedy`.

    Raises:
        ValueError: as `greedy`, and for a top_k below 1, a temperature that is not above 0, or a top_p outside (0, 1].

    Reference: nucleus: Holtzman et al., The Curious Case of Neural Text Degeneration, arXiv:1904.09751, eq. 2 and 3.
    """
    check_top_p(top_p)
    top_k = None if top_k is None else check_size("top_k", top_k, minimum=1)
    if not is_traced(temperature) and not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature}; use greedy for the most probable token")
    cache, first, max_length = _checked(cache, first, max_length)
    nucleus = None if top_p is None else jnp.asarray(top_p)
    return run_sample(step, cache, first, rng, jnp.asarray(temperature), nucleus, end, max_length, top_k)


@compiled
def run_sample(step, cache, first, rng, temperature, top_p, end, max_length, top_k) -> Array:
    """The loop of `sample`."""

    def choose(logits, i):
        logits, tokens = _wide(logits), jnp.arange(len(logits))
        if top_k is not None or top_p is not None:  # from the most probable one downwards
            logits, tokens = jax.lax.top_k(logits, min(top_k or len(logits), len(logits)))  # [top_k]
        # From the best one downwards, at a temperature that is no denormal: neither infinite nor 0 / 0.
        cold = jnp.maximum(temperature.astype(logits.dtype), jnp.finfo(logits.dtype).tiny)
        logits = (logits - logits.max()) / cold
        if top_p is not None:
            logits = jnp.where(in_nucleus(logits, top_p), logits, -jnp.inf)
        return tokens[jax.random.categorical(jax.random.fold_in(rng, i), logits)]

    return extend(choose, step, cache, first, end, max_length)


def in_nucleus(logits: Array, top_p: Array) -> Array:
    """Which of the logits `[k]`, largest first, are the fewest that have the probability top_p together; always one."""
    probabilities = jax.nn.softmax(logits)
    before = jnp.cumsum(probabilities) - probabilities  # of all that are more probable
    # Rounding may bring a sum to 1 early: all tokens are asked for by top_p = 1, so that none is lost.
    return (before < top_p.astype(before.dtype)) | (top_p >= 1) | (jnp.arange(len(logits)) == 0)


def check_top_p(top_p: float | Array | None) -> None:
    """A top_p is None or in (0, 1], or a ValueError."""
    if top_p is not None and not is_traced(top_p) and not (np.ndim(top_p) == 0 and 0 < top_p <= 1):
        raise ValueError(f"top_p must be above 0 and at most 1, got {top_p}; leave it out to draw from all tokens")


def _wide(logits: Array) -> Array:
    """Logits in float32 or wider."""
    return logits.astype(wide_dtype(logits.dtype))


def _checked(cache: Any, first: int | Array, max_length: int) -> tuple[Any, Array, int]:
    """Cache and first token as arrays, or a ValueError, before anything is compiled."""
    max_length = check_size("max_length", max_length, minimum=1)
    first = as_index("first", first)
    if np.ndim(first):
        raise ValueError(f"first must be one token, got shape {np.shape(first)}; use jax.vmap for a batch")
    check_left(cache, max_length, "max_length asks for", "tokens")
    cache = jax.tree.map(lambda x: jnp.asarray(x) if isinstance(x, bool | int | float | complex) else x, cache)
    return cache, jnp.asarray(first, jnp.int32), max_length


def next_logits(step: Step, cache: Any, token: Array) -> tuple[Array, Any]:
    """What follows one token: logits `[vocab_size]`, and the cache."""
    logits, cache = step(cache, token[None])
    if np.ndim(logits) != 2 or logits.shape[0] != 1:
        raise ValueError(
            f"step gave logits of shape {np.shape(logits)}, expected [1, vocab_size], a row for each of the tokens "
            "[1] that it is given; add an axis with logits[None]"
        )
    return logits[0], cache


def extend(choose: Callable, step: Step, cache: Any, first: Array, end: int, max_length: int) -> Array:
    """Tokens by `choose(logits [vocab_size], number of the token)`, until `end`."""

    def unfinished(state):
        i, token, _, _ = state
        return (i < max_length) & ((i == 0) | (token != end))  # what stands before the first token ends nothing

    def append(state):
        i, token, tokens, cache = state
        logits, cache = next_logits(step, cache, token)
        token = choose(logits, i).astype(jnp.int32)
        return i + 1, token, tokens.at[i].set(token), cache

    start = jnp.zeros((), jnp.int32), first, jnp.full(max_length, end, jnp.int32), cache
    return jax.lax.while_loop(unfinished, append, start)[2]


def beam_search(
    step: Step,
    cache: Any,
    first: int | Array,
    *,
    end: int,
    max_length: int,
    beam_size: int,
    length_penalty: float = 0.6,
) -> tuple[Array, Array]:
    """Keeps the `beam_size` most probable beginnings and returns the sequence of the best score.

    Args:
        step: as for `greedy`.
        cache: as for `greedy`; it is copied for each beam.
        first: as for `greedy`.
        end: as for `greedy`.
        max_length: as for `greedy`.
        beam_size: how many beginnings are kept; 1 is `greedy`.
        length_penalty: scores are log probabilities over `((5 + length) / 6) ** length_penalty`.

    Returns:
        Ints `[max_length]`, filled with `end`, and its score in nats. A finished beginning stays in the beam at its log
        probability; the search ends after max_length steps.

    Raises:
        ValueError: as `greedy`, and for a beam_size below 1.

    Reference: Wu et al., Google's Neural Machine Translation System, arXiv:1609.08144, eq. 14; without their coverage
        penalty and pruning.
    """
    beam_size = check_size("beam_size", beam_size, minimum=1)
    cache, first, max_length = _checked(cache, first, max_length)
    return run_beams(step, cache, first, end, max_length, beam_size, length_penalty)


@compiled
def run_beams(step, cache, first, end, max_length, beam_size, length_penalty) -> tuple[Array, Array]:
    """The loop of `beam_search`."""

    def append(state, i):
        tokens, last, total, cache = state
        logits, cache = jax.vmap(lambda cache, token: next_logits(step, cache, token))(cache, last)
        log_probability = jax.nn.log_softmax(_wide(logits)).astype(total.dtype)  # [beam_size, vocab_size]
        vocab_size = log_probability.shape[1]
        only_end = jnp.where(jnp.arange(vocab_size) == end, 0.0, -jnp.inf).astype(total.dtype)
        finished = (last == end) & (i > 0)
        log_probability = jnp.where(finished[:, None], only_end[None], log_probability)
        # Of all beams' next tokens, [beam_size * vocab_size], the best ones.
        total, best = jax.lax.top_k((total[:, None] + log_probability).reshape(-1), beam_size)
        beam, last = best // vocab_size, (best % vocab_size).astype(jnp.int32)
        tokens, cache = jax.tree.map(lambda x: x[beam], (tokens, cache))
        return (tokens.at[:, i].set(last), last, total, cache), None

    tokens = jnp.full((beam_size, max_length), end, jnp.int32)
    last = jnp.full(beam_size, first, jnp.int32)
    # All beams begin alike: only the first one counts, or they would stay copies of each other.
    total = jnp.where(jnp.arange(beam_size) == 0, 0.0, -jnp.inf).astype(jnp.float32)
    cache = jax.tree.map(lambda x: jnp.broadcast_to(x, (beam_size, *x.shape)), cache)
    steps = jnp.arange(max_length, dtype=jnp.int32)
    (tokens, _, total, _), _ = jax.lax.scan(append, (tokens, last, total, cache), steps)
    length = jnp.minimum((tokens != end).sum(1) + 1, max_length)
    score = total / ((5 + length) / 6).astype(total.dtype) ** length_penalty
    return tokens[jnp.argmax(score)], score.max()
