"""The one signature of all language models."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from tgnn.typing import Array, Params


class Output(NamedTuple):
    """What a model makes of a sequence."""

    logits: Array  # [n, vocab_size]
    state: Any  # what it remembers of the sequence; () where nothing
    penalty: Array | float = 0.0  # added to the loss in training


class LanguageModel(NamedTuple):
    """A pair of functions, and what a model without memory leaves at its default."""

    init: Callable[[Array], Params]  # rng -> params
    apply: Callable[..., Output]  # (params, tokens [n], state, *, rng) -> Output; rng is None without dropout
    edges_per_token: float  # in-edges of a token in one layer, on average
    init_state: Callable[[], Any] = tuple  # the memory before the first sequence; () is none

    @property
    def remembers(self) -> bool:
        """Whether the next sequence is to be the one that follows."""
        return len(jax.tree.leaves(jax.eval_shape(self.init_state))) > 0


def stateless(init: Callable[[Array], Params], logits: Callable[..., Array], edges_per_token: float) -> LanguageModel:
    """A model that remembers nothing: `logits(params, tokens [n], *, rng) -> [n, vocab_size]`."""

    def apply(params, tokens, state, *, rng=None):
        return Output(logits(params, tokens, rng=rng), state)

    return LanguageModel(init, apply, edges_per_token)
