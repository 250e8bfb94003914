"""Gradients of a batch in parts, each weighed by its live labels, so that the sum is that of the batch as a whole."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tgnn.softmax import wide_dtype
from tgnn.typing import Array


def accumulated(loss_fn: Callable, weight_fn: Callable[[Any], Array]) -> Callable:
    """`jax.value_and_grad(loss_fn, has_aux=True)` for a stack of parts, one part in memory at a time.

    A mean over live labels is not the mean of the parts' means where parts have unequal numbers of labels; weighed by
    those numbers it is, and so is its gradient.

    Args:
        loss_fn: (params, carry, batch, rng) -> (loss, (metrics, carry)), the loss and the metrics being means.
        weight_fn: part of a batch -> how many labels it averages over.

    Returns:
        A function of the same arguments, where leaves of `batch` and `carry` have an axis of parts in front. Gradients
        are summed in float32 or wider.
    """
    gradient_fn = jax.value_and_grad(loss_fn, has_aux=True)

    def value_and_grad(params: Any, carry: Any, batch: Any, rng: Array) -> tuple[Any, Any]:
        def add_part(total: Any, part: Any) -> tuple[Any, Any]:
            (loss, (metrics, new_carry)), gradients = gradient_fn(params, *part[:-1])
            means = (loss, metrics), gradients
            return jax.tree.map(lambda a, b: a + jnp.asarray(b, a.dtype) * part[-1], total, means), new_carry

        parts = _parts(batch, carry, rng, weight_fn)
        first = jax.tree.map(lambda leaf: leaf[0], parts)
        (loss, (metrics, _)), gradients = jax.eval_shape(gradient_fn, params, *first[:-1])
        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, wide_dtype(x.dtype)), ((loss, metrics), gradients))
        ((loss, metrics), gradients), carry = jax.lax.scan(add_part, zeros, parts)
        return (loss, (metrics, carry)), jax.tree.map(lambda a, b: a.astype(b.dtype), gradients, params)

    return value_and_grad


def accumulated_loss(loss_fn: Callable, weight_fn: Callable[[Any], Array]) -> Callable:
    """The loss alone, for line searches; its own gradient computes every part a second time instead of keeping it."""

    def loss_of(params: Any, carry: Any, batch: Any, rng: Array) -> Array:
        @jax.checkpoint
        def part_loss(params: Any, part: Any) -> Array:
            loss = loss_fn(params, *part[:-1])[0]
            return loss.astype(wide_dtype(loss.dtype)) * part[-1]

        def add_part(total: Array, part: Any) -> tuple[Array, None]:
            return total + part_loss(params, part), None

        parts = _parts(batch, carry, rng, weight_fn)
        loss = jax.eval_shape(part_loss, params, jax.tree.map(lambda leaf: leaf[0], parts))
        return jax.lax.scan(add_part, jnp.zeros_like(loss), parts)[0]

    return loss_of


def _parts(batch: Any, carry: Any, rng: Array, weight_fn: Callable[[Any], Array]) -> tuple[Any, Any, Array, Array]:
    """For every part its carry, batch, key and share of the labels, with an axis of parts in front."""
    sizes = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves((batch, carry))}
    if len(sizes) != 1 or sizes in ({()}, {(0,)}):
        raise ValueError(
            f"batch and carry must be stacks of parts, [parts, ...] in every leaf, got first axes {sorted(sizes)}; "
            "stack the parts, or leave out weight_fn"
        )
    weights = jax.lax.map(lambda part: jnp.asarray(weight_fn(part), float), batch)  # [parts]
    total = jnp.sum(weights)
    shares = weights / jnp.where(total > 0, total, 1)  # no live label at all: loss and gradient are 0
    return carry, batch, jax.random.split(rng, len(weights)), shares
