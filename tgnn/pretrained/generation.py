"""Continuing texts token by token with a loaded decoder, whose past is kept."""

from functools import partial

import jax
import jax.numpy as jnp

from tgnn.compiled import compiled
from tgnn.errors import check_size
from tgnn.graphs.layout import is_traced
from tgnn.nn.cached_block import cached_block
from tgnn.nn.decoding import decode_step, init_cache, prefill
from tgnn.nn.search import check_top_p, greedy, sample
from tgnn.nn.stack import listed
from tgnn.pretrained.model import Model, checked_tokens
from tgnn.typing import Array, Params


def generate(
    params: Params,
    model: Model,
    token_ids: Array,
    *,
    max_length: int,
    mask: Array | None = None,
    end: int = -1,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    rng: Array | None = None,
) -> Array:
    """The tokens that follow each prompt: the most probable ones, or drawn ones at a temperature above 0.

    Args:
        params: what `load` gave.
        model: what `load` gave, a decoder.
        token_ids: prompts, ints `[batch, n]`; padding is -1 or masked, on either side.
        max_length: how many tokens to append at most.
        mask: bool or 0/1 `[batch, n]`, True = token.
        end: the token that ends a text; -1 never comes.
        temperature: divides the logits; 0 takes the most probable token.
        top_k: draw from the k most probable tokens only; default all.
        top_p: draw from the fewest most probable tokens that have this probability together (the nucleus of Holtzman et
            al., arXiv:1904.09751), after temperature and top_k; default all.
        rng: a key, needed for a temperature above 0; each prompt draws with a key of its own.

    Returns:
        Ints `[batch, max_length]`, filled with `end`. Time O(max_length) steps of one token, each O(n + max_length).

    Raises:
        ValueError: for an encoder, prompts that leave no room for max_length tokens, a prompt without tokens, a
            temperature below 0, one above 0 without a key, a top_k below 1, and a top_p outside (0, 1].
    """
    if not model.is_causal:
        raise ValueError(f"generate needs a decoder, but {model.architecture} is an encoder; load GPT-2 or Llama")
    max_length = check_size("max_length", max_length, minimum=1)
    token_ids, keep = checked_tokens("token_ids", token_ids, mask, model.vocab_size, model.max_length)
    room = token_ids.shape[1] + max_length
    if room > model.max_length:
        raise ValueError(f"prompts and max_length are {room} tokens, but {model.max_length} fit; cut the prompts")
    temperature = float(temperature)
    top_k = None if top_k is None else check_size("top_k", top_k, minimum=1)
    if not temperature >= 0 or (temperature > 0 and rng is None):
        raise ValueError(f"temperature is {temperature} and rng {rng}; use 0, or above 0 with a PRNG key")
    check_top_p(top_p)
    prompts = token_ids if keep is None else jnp.where(keep, token_ids, -1)
    if not is_traced(prompts) and bool((prompts < 0).all(1).any()):
        raise ValueError("token_ids has a prompt without tokens; begin it with the token that stands before a text")
    rngs = None if rng is None else jax.random.split(rng, len(prompts))
    return run_generate(model, params, prompts, rngs, max_length, end, temperature, top_k, top_p)


@compiled
def run_generate(model, params, prompts, rngs, max_length, end, temperature, top_k, top_p) -> Array:
    """The searches of `generate`."""
    options, decoder = model.options, params["decoder"]
    params = params | {"decoder": decoder | {"blocks": listed(decoder["blocks"])}}  # cut out once, not at every token
    places = {"block": partial(cached_block, **options), "norm": options["norm"], "encoding": None}

    def step(cache, tokens):
        return decode_step(params, cache, tokens, embedding_scale=1.0, **places)

    def run(prompt, rng):
        cache, first = prefill(step, init_cache(params, len(prompt) + max_length), prompt)
        if temperature == 0:
            return greedy(step, cache, first, end=end, max_length=max_length)
        drawn = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        return sample(step, cache, first, rng, end=end, max_length=max_length, **drawn)

    return jax.vmap(run)(prompts, rngs)
