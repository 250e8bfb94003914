"""Lets a trained model of `language` write."""

import jax
import jax.numpy as jnp
import numpy as np

from experiments.language.signature import LanguageModel
from tgnn.typing import Array, Params


def generate(
    model: LanguageModel,
    params: Params,
    prompt: np.ndarray,
    length: int,
    context: int,
    rng: Array,
    temperature: float = 1.0,
) -> Array:
    """Continues a prompt character by character; the model sees the last `context` ones and an empty memory.

    Returns:
        Ints `[length]`.
    """
    prompt = prompt[-context:]
    start = jnp.zeros(context, jnp.int32).at[: len(prompt)].set(prompt)

    def extend(carry, step_rng):
        tokens, filled = carry
        logits = model.apply(params, tokens, model.init_state()).logits[filled - 1]
        token = jax.random.categorical(step_rng, logits / temperature).astype(jnp.int32)
        full = filled == context
        tokens = jnp.where(full, jnp.roll(tokens, -1), tokens).at[jnp.where(full, context - 1, filled)].set(token)
        return (tokens, jnp.minimum(filled + 1, context)), token

    carry = start, jnp.asarray(len(prompt))
    return jax.jit(lambda carry: jax.lax.scan(extend, carry, jax.random.split(rng, length))[1])(carry)
