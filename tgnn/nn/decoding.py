"""Decoding token by token: the past is a set of senders, the new token is the one receiver, its position is traced."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.compiled import compiled
from tgnn.errors import as_index, check_size
from tgnn.graphs.layout import is_traced
from tgnn.nn.basic import check_ids, layer_norm
from tgnn.nn.cached_block import cached_block
from tgnn.nn.multi_head import KeyValue, Rotate, project_key_value
from tgnn.nn.positions import sinusoidal
from tgnn.nn.stack import Norm, listed, normed, run_stacked
from tgnn.nn.tokens import Encoding, check_tokens, embed, unembed
from tgnn.printing import one_line
from tgnn.typing import Array, Graph, Params

Step = Callable[[Any, Array], tuple[Array, Any]]


class Cache(NamedTuple):
    """What decoding remembers, for each block."""

    past: list[KeyValue]  # of the tokens so far, [key_heads, max_length, head_dim] a block
    memory: list[KeyValue] | None  # of the source, [n_memory, key_heads, head_dim] a block, or None
    step: Array  # how many tokens there are

    __repr__ = one_line


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

    Raises:
        ValueError: for a max_length below 1, or a dtype that is not floating point.
    """
    max_length = check_size("max_length", max_length, minimum=1)
    dtype = params["embedding"]["table"].dtype if dtype is None else jnp.dtype(dtype)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"dtype must be floating point, got {dtype}; keys and values are real numbers")

    def past(block):
        shapes = (block["attention"][name]["kernel"].shape[1:] for name in ("key", "value"))
        return KeyValue(*(jnp.zeros((heads, max_length, dim), dtype) for heads, dim in shapes))

    blocks = listed(params["decoder"]["blocks"])
    places = {"rotate": cross_rotate, "positions": memory_positions}
    project = lambda block: project_key_value(block["cross"], memory, **places)  # noqa: E731
    projected = None if memory is None else [project(block) for block in blocks]
    return Cache([past(block) for block in blocks], projected, jnp.zeros((), jnp.int32))


def decode_step(
    params: Params,
    cache: Cache,
    tokens: Array,
    memory_layout: Graph | None = None,
    *,
    block: Callable[..., tuple[Array, KeyValue]] = cached_block,
    norm: Norm = layer_norm,
    encoding: Encoding | None = sinusoidal,
    embedding_scale: float | None = None,
) -> tuple[Array, Cache]:
    """Appends tokens to the past and predicts the one after each.

    Equal to the rows of `language_model` on `Causal`, for any split of the tokens into steps. Tokens of -1 are padding,
    on either side or between: they leave no trace in the cache and have no position, so that under `jax.vmap` prompts
    of unequal length decode as each alone.

    Args:
        params: of a language model or an encoder–decoder.
        cache: what `init_cache` or the last step made.
        tokens: ints `[n]`, usually one; -1 is padding.
        memory_layout: edges from the memory to the n tokens, such as `Complete(n, n_memory)`; receiver i is the i-th
            token that is no padding.
        block: `cached_block`, with the keywords bound that `transformer_block` had in training.
        norm: as for `decoder`.
        encoding: as for `embed`.
        embedding_scale: as for `embed`.

    Returns:
        Logits `[n, vocab_size]`, zeros at padding, and the next cache. Time O(n max_length); never traced again for
        another step, nor compiled for another call outside jit. Under `jax.jit` tokens beyond max_length are forgotten:
        count your steps.

    Raises:
        ValueError: for tokens of another shape or outside the vocabulary, and if the cache is full, where the step is
            known.
    """
    check_tokens("tokens", tokens)
    tokens = as_index("tokens", tokens)
    check_ids(tokens, params["embedding"]["table"].shape[0])
    check_left(cache, int(np.sum(np.asarray(tokens) >= 0)) if not is_traced(tokens) else len(tokens), "tokens has")
    return run_step(params, cache, jnp.asarray(tokens), memory_layout, block, norm, encoding, embedding_scale)


@compiled
def run_step(params, cache, tokens, memory_layout, block, norm, encoding, embedding_scale):
    """The equations of `decode_step`."""
    order = jnp.argsort(tokens < 0, stable=True)  # padding last, where what comes next overwrites its keys
    tokens = tokens[order]
    live, step = tokens >= 0, cache.step
    places = jnp.where(live, step + jnp.arange(len(tokens), dtype=step.dtype), -1)
    x = embed(params, tokens, places, encoding=encoding, scale=embedding_scale)  # [n, model_dim]

    def apply(x, block_params):
        parameters, (past, memory), _ = block_params
        return block(parameters, past, step, x, memory, memory_layout)

    stack = params["decoder"] | {"blocks": listed(params["decoder"]["blocks"])}
    each = list(zip(cache.past, cache.memory or [None] * len(cache.past), strict=True))
    x, past = run_stacked(apply, stack, x.astype(jax.tree.leaves(cache.past)[0].dtype), each, norm=norm)
    x = normed(params["decoder"], "norm", x, norm)
    logits = jnp.where(live[:, None], unembed(params, x), 0)[jnp.argsort(order)]  # [n, vocab_size], as tokens came
    return logits, Cache(past, cache.memory, step + live.sum(dtype=step.dtype))


def check_left(cache: Any, count: int, what: str, unit: str = "rows") -> None:
    """A ValueError where a cache of ours, with a known number of tokens, has no room for `count` more."""
    if not isinstance(cache, Cache) or is_traced(cache.step):
        return
    room = jax.tree.leaves(cache.past)[0].shape[-2]
    if int(cache.step) + count > room:
        raise ValueError(
            f"{what} {count} {unit} after {cache.step} in the cache, but the cache has room for {room}; "
            "give init_cache a larger max_length"
        )


def prefill(step: Step, cache: Any, prompt: Array) -> tuple[Any, Array]:
    """Puts a prompt into the cache but for its last token, from which `greedy` and the other searches go on.

    Args:
        step: `(cache, tokens [n]) -> (logits [n, vocab_size], cache)`, such as
            `lambda cache, tokens: decode_step(params, cache, tokens)`.
        cache: the first step's.
        prompt: ints `[n]`, padded with -1 on either side; one token at least is none.

    Returns:
        The next cache, and the last token: `greedy(step, *prefill(step, cache, prompt), end=0, max_length=9)`. A batch
        of prompts is a `jax.vmap` over this.

    Raises:
        ValueError: for a prompt of another shape, or of padding only, where that is known before jit.
    """
    check_tokens("prompt", prompt)
    prompt = as_index("prompt", prompt)
    if len(prompt) == 0 or (not is_traced(prompt) and np.max(np.asarray(prompt)) < 0):
        raise ValueError("prompt has no token but padding; begin with the token that stands before the first one")
    prompt = jnp.asarray(prompt)
    last = jnp.max(jnp.where(prompt >= 0, jnp.arange(len(prompt), dtype=jnp.int32), 0))
    _, cache = step(cache, prompt.at[last].set(-1))
    return cache, prompt[last]
