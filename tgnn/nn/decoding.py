"""Decoding token by token: the past is a set of senders, the new token is the one receiver, its position is traced."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tgnn.graphs.layout import is_traced
from tgnn.nn.basic import layer_norm
from tgnn.nn.block import Norm, cached_block, map_blocks, run_blocks
from tgnn.nn.multi_head import KeyValue, Rotate, project_key_value
from tgnn.nn.positions import sinusoidal
from tgnn.nn.transformer import Encoding, embed, unembed
from tgnn.typing import Array, Params

Step = Callable[[Any, Array], tuple[Array, Any]]


class Cache(NamedTuple):
    """What decoding remembers, for each block."""

    past: Any  # KeyValue of the tokens so far, [max_length, key_heads, head_dim] a block
    memory: Any  # KeyValue of the source, or None
    step: Array  # how many tokens there are


def init_cache(
    params: Params,
    max_length: int,
    memory: Array | None = None,
    *,
    dtype: Any = None,
    cross_rotate: Rotate | None = None,
    memory_positions: Array | None = None,
) -> Cache:
    """An empty past for `max_length` tokens, and the source's keys and values, projected once.

    Args:
        params: of a language model or an encoder–decoder.
        max_length: how many tokens will be decoded at most.
        memory: `[n_memory, model_dim]`, what `encode_source` made.
        dtype: of the activations; default that of the embeddings.
        cross_rotate: as for `transformer_block`, where the model was trained with it.
        memory_positions: as for `transformer_block`.

    Returns:
        A `Cache` of 2 x layers x max_length x key_heads x head_dim numbers, and the memory's.
    """
    dtype = dtype or params["embedding"]["table"].dtype

    def past(block):
        shapes = (block["attention"][name]["kernel"].shape[1:] for name in ("key", "value"))
        return KeyValue(*(jnp.zeros((max_length, *shape), dtype) for shape in shapes))

    blocks = params["decoder"]["blocks"]
    places = {"rotate": cross_rotate, "positions": memory_positions}
    project = lambda block: project_key_value(block["cross"], memory, **places)  # noqa: E731
    projected = None if memory is None else map_blocks(project, blocks)
    return Cache(map_blocks(past, blocks), projected, jnp.zeros((), jnp.int32))


def decode_step(
    params: Params,
    cache: Cache,
    tokens: Array,
    memory_layout: Any = None,
    *,
    block: Callable[..., tuple[Array, KeyValue]] = cached_block,
    norm: Norm = layer_norm,
    encoding: Encoding | None = sinusoidal,
) -> tuple[Array, Cache]:
    """Appends tokens to the past and predicts the one after each.

    Equal to the rows of `language_model` on `Causal`, for any split of the tokens into steps.

    Args:
        params: of a language model or an encoder–decoder.
        cache: what `init_cache` or the last step made.
        tokens: ints `[n]`, usually one.
        memory_layout: edges from the memory to the n tokens, such as `Complete(n, n_memory)`.
        block: `cached_block`, with the keywords bound that `transformer_block` had in training.
        norm: as for `decoder`.
        encoding: as for `embed`.

    Returns:
        Logits `[n, vocab_size]` and the next cache. Time O(n max_length); never traced again for another step. Under
        `jax.jit` tokens beyond max_length overwrite the last ones: count your steps.

    Raises:
        ValueError: if the cache is full, where the step is concrete.
    """
    if jnp.ndim(tokens) != 1:
        raise ValueError(f"tokens must have shape [n], got {jnp.shape(tokens)}; one token is jnp.array([token])")
    tokens = jnp.asarray(tokens)
    _check_room(cache, tokens.shape[0], "tokens has", "rows")
    x = embed(params, tokens, cache.step + jnp.arange(tokens.shape[0]), encoding=encoding)
    dtype = jax.tree.leaves(cache.past)[0].dtype

    def apply(x, block_params):
        parameters, (past, memory), _ = block_params
        return block(parameters, past, cache.step, x, memory, memory_layout)

    blocks, each = params["decoder"]["blocks"], (cache.past, cache.memory)
    if isinstance(blocks, (list, tuple)):
        each = list(zip(cache.past, cache.memory or [None] * len(blocks), strict=True))
    x, past = run_blocks(apply, blocks, x.astype(dtype), each)
    x = norm(params["decoder"]["norm"], x) if "norm" in params["decoder"] else x
    return unembed(params, x), Cache(past, cache.memory, cache.step + tokens.shape[0])


def _check_room(cache: Any, count: int, what: str, unit: str) -> None:
    """A ValueError where a cache of ours, with a known number of tokens, has no room for `count` more."""
    if not isinstance(cache, Cache) or is_traced(cache.step):
        return
    room = jax.tree.leaves(cache.past)[0].shape[-3]
    if int(cache.step) + count > room:
        raise ValueError(
            f"{what} {count} {unit} after {cache.step} in the cache, but the cache has room for {room}; "
            "give init_cache a larger max_length"
        )


def greedy(step: Step, cache: Any, first: int | Array, *, end: int, max_length: int) -> Array:
    """Decodes the most probable token after each, until `end` or `max_length` tokens.

    Args:
        step: `(cache, tokens [1]) -> (logits [1, vocab_size], cache)`, such as
            `lambda cache, tokens: decode_step(params, cache, tokens)`.
        cache: the first step's.
        first: the token before the first one.
        end: the token that ends a sequence.
        max_length: how many tokens to decode at most.

    Returns:
        Ints `[max_length]`, without `first`, filled with `end`. Under `jax.vmap` all sequences run as long as the
        longest.

    Raises:
        ValueError: if the cache has no room for them, where that is known before jit.
    """
    return _extend(lambda logits, i: jnp.argmax(logits), step, cache, first, end, max_length)


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
) -> Array:
    """Draws each token from the model's probabilities, until `end` or `max_length` tokens.

    Args:
        step: as for `greedy`.
        cache: as for `greedy`.
        first: as for `greedy`.
        rng: a key, folded with the number of each token.
        end: as for `greedy`; -1 never comes, so that there are always max_length tokens.
        max_length: as for `greedy`.
        temperature: divides the logits; above 0. Towards 0 this is `greedy`.
        top_k: draw from the k most probable tokens only; default all.

    Returns:
        Ints `[max_length]`, as `greedy`.

    Raises:
        ValueError: as `greedy`, and for a top_k below 1 or a temperature that is not above 0.
    """
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must be at least 1, got {top_k}; None draws from all tokens")
    if not is_traced(temperature) and not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature}; use greedy for the most probable token")

    def choose(logits, i):
        if top_k is not None:
            least = jax.lax.top_k(logits, min(top_k, len(logits)))[0][-1]
            logits = jnp.where(logits >= least, logits, -jnp.inf)
        return jax.random.categorical(jax.random.fold_in(rng, i), logits / temperature)

    return _extend(choose, step, cache, first, end, max_length)


def _extend(choose: Callable, step: Step, cache: Any, first: int | Array, end: int, max_length: int) -> Array:
    """Tokens by `choose(logits [vocab_size], number of the token)`, until `end`."""
    _check_room(cache, max_length, "max_length asks for", "tokens")

    def unfinished(state):
        i, token, _, _ = state
        return (i < max_length) & (token != end)

    def extend(state):
        i, token, tokens, cache = state
        logits, cache = step(cache, token[None])
        token = choose(logits[0], i).astype(jnp.int32)
        return i + 1, token, tokens.at[i].set(token), cache

    start = jnp.zeros((), jnp.int32), jnp.asarray(first, jnp.int32), jnp.full(max_length, end, jnp.int32), cache
    return jax.lax.while_loop(unfinished, extend, start)[2]


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

    Reference: Wu et al., Google's Neural Machine Translation System, arXiv:1609.08144, eq. 14; without their coverage
        penalty and pruning.
    """
    _check_room(cache, max_length, "max_length asks for", "tokens")

    def extend(state, i):
        tokens, last, total, cache = state
        logits, cache = jax.vmap(step)(cache, last[:, None])
        log_probability = jax.nn.log_softmax(logits[:, 0].astype(jnp.float32))
        only_end = jnp.where(jnp.arange(log_probability.shape[1]) == end, 0.0, -jnp.inf)
        log_probability = jnp.where(((last == end) & (i > 0))[:, None], only_end[None], log_probability)
        total, best = jax.lax.top_k((total[:, None] + log_probability).reshape(-1), beam_size)
        beam, last = best // log_probability.shape[1], (best % log_probability.shape[1]).astype(jnp.int32)
        tokens, cache = jax.tree.map(lambda x: x[beam], (tokens, cache))
        return (tokens.at[:, i].set(last), last, total, cache), None

    tokens = jnp.full((beam_size, max_length), end, jnp.int32)
    last = jnp.full(beam_size, first, jnp.int32)
    # All beams begin alike: only the first one counts, or they would stay copies of each other.
    total = jnp.where(jnp.arange(beam_size) == 0, 0.0, -jnp.inf)
    cache = jax.tree.map(lambda x: jnp.broadcast_to(x, (beam_size, *x.shape)), cache)
    (tokens, _, total, _), _ = jax.lax.scan(extend, (tokens, last, total, cache), jnp.arange(max_length))
    length = jnp.minimum((tokens != end).sum(1) + 1, max_length)
    score = total / ((5 + length) / 6) ** length_penalty
    return tokens[jnp.argmax(score)], score.max()
