"""When to stop and which epoch to keep, from losses and accuracies on the validation papers alone."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Selection(NamedTuple):
    """The epoch kept so far."""

    params: Any
    epoch: jax.Array  # of the kept parameters, counted from 1
    accuracy: jax.Array  # the highest seen
    loss: jax.Array  # the lowest seen
    waited: jax.Array  # epochs since something improved


def begin(params: Any) -> Selection:
    """Before the first epoch."""
    zero = jnp.zeros((), jnp.int32)
    return Selection(params, zero, jnp.float32(-jnp.inf), jnp.float32(jnp.inf), zero)


def select(
    rule: str, best: Selection, params: Any, epoch: jax.Array, loss: jax.Array, accuracy: jax.Array
) -> Selection:
    """Keeps these parameters if the rule says so.

    "last": always. "loss", "accuracy": if the validation loss or accuracy is at least as good as ever. "either", GAT's:
    if both are, while one of them is enough to go on.
    """
    lower, higher = loss <= best.loss, accuracy >= best.accuracy
    keep, improved = {
        "last": (True, True),
        "loss": (lower, lower),
        "accuracy": (higher, higher),
        "either": (lower & higher, lower | higher),
    }[rule]
    return Selection(
        jax.tree.map(lambda new, old: jnp.where(keep, new, old), params, best.params),
        jnp.where(keep, epoch, best.epoch),
        jnp.maximum(accuracy, best.accuracy),
        jnp.minimum(loss, best.loss),
        jnp.where(improved, 0, best.waited + 1),
    )
