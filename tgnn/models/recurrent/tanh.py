"""The additive score of the first attention, between the words of two sentences."""

from dataclasses import dataclass

import jax.numpy as jnp

from tgnn.attention.scores import Score
from tgnn.pytrees import register
from tgnn.softmax import wide_dtype
from tgnn.typing import Array


@register
@dataclass(frozen=True)
class Tanh(Score):
    """Bahdanau's additive score: `<v, tanh(query_i + key_j)>`.

    Args:
        vector: [heads, head_dim].
    """

    vector: Array

    def pair(self, receiver: Array, sender: Array, edge: Array | None = None) -> Array:
        """The logits of edges."""
        wide = wide_dtype(receiver.dtype, sender.dtype)
        active = jnp.tanh(receiver.astype(wide) + sender.astype(wide))
        return (active * self.vector.astype(wide).reshape((1,) * (active.ndim - 2) + self.vector.shape)).sum(-1)
