"""What keeps NaN and infinity out of a run: every step says what of it was not finite, by name."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from tgnn.softmax import wide_dtype
from tgnn.typing import Array, Params


def squared_norms(gradients: Params) -> list[Array]:
    """The squared norm of each leaf, summed in float32 or wider whatever the weights are."""
    return [optax.tree.norm(leaf.astype(wide_dtype(leaf.dtype)), squared=True) for leaf in jax.tree.leaves(gradients)]


def not_finite(loss: Array, squares: list[Array], new: tuple[Any, Any, Any], old: tuple[Any, Any, Any]) -> Array:
    """Which parts of a step are not finite: bool, in the order of `part_names`.

    A squared norm that overflows counts: clipping by it would be a division by infinity. An element that was not
    finite before may stay so, such as the -inf of a maximum that has seen nothing yet; so may the infinities that
    optimizers keep in single numbers, such as the best loss of no step.

    Args:
        loss: of the batch.
        squares: of `squared_norms`.
        new: weights, optimizer's state and carry after the step.
        old: the same before it.
    """
    (params, opt_state, carry), (old_params, old_opt_state, old_carry) = new, old
    spoilt = [
        *_pairwise(_sound, params, old_params),
        *_pairwise(_sound_moment, opt_state, old_opt_state),
        *_pairwise(_sound, carry, old_carry),
    ]
    return jnp.stack([~jnp.isfinite(loss), *(~jnp.isfinite(square) for square in squares), *(~x for x in spoilt)])


def part_names(params: Params, opt_state: Any, carry: Any) -> list[str]:
    """In words, the parts of a step that `not_finite` looks at."""
    weights = _paths(params)
    return [
        "the loss",
        *(f"the gradient of {path}" for path in weights),
        *(f"the new {path}" for path in weights),
        *(f"the optimizer's {path}" for path in _paths(opt_state)),
        *(f"the carry {path}" for path in _paths(carry)),
    ]


def spoilt(what: str, tree: Any) -> list[str]:
    """The arrays of a tree, on the host, that hold NaN, or infinity in more than one number; by name."""
    named = zip(_paths(tree), jax.tree.leaves(tree), strict=True)
    real = ((path, leaf) for path, leaf in named if jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.inexact))
    return [f"{what} {path}" for path, leaf in real if not _sound_moment(leaf, jnp.zeros_like(leaf))]


def check_finite(what: str, tree: Any) -> None:
    """A ValueError that names the first array of a tree that is not finite, where a loop has no guard of its own.

    >>> check_finite("the trained weights", {"kernel": jnp.array([1.0, jnp.nan])})
    Traceback (most recent call last):
    ValueError: the trained weights ['kernel'] are not finite; lower the learning rate, or look at the data
    """
    found = spoilt(what, tree)
    if found:
        raise ValueError(f"{found[0]} are not finite; lower the learning rate, or look at the data")


def choose(keep: Array, new: Any, old: Any) -> Any:
    """`new` where a step is kept, else `old`, in the types of `old`; a select, which fuses, unlike a branch."""
    return jax.tree.map(lambda a, b: jnp.where(keep, a.astype(b.dtype), b), new, old)


def _sound(new: Array, old: Array) -> Array:
    if not jnp.issubdtype(new.dtype, jnp.inexact):
        return jnp.bool_(True)
    return jnp.all(jnp.isfinite(new) | ~jnp.isfinite(old))


def _sound_moment(new: Array, old: Array) -> Array:
    new, old = jnp.asarray(new), jnp.asarray(old)
    if new.ndim or not jnp.issubdtype(new.dtype, jnp.inexact):
        return _sound(new, old)
    return ~jnp.isnan(new) | jnp.isnan(old)


def _pairwise(sound: Callable[[Array, Array], Array], new: Any, old: Any) -> list[Array]:
    return [sound(a, b) for a, b in zip(jax.tree.leaves(new), jax.tree.leaves(old), strict=True)]


def _paths(tree: Any) -> list[str]:
    return [jax.tree_util.keystr(path) or "itself" for path, _ in jax.tree_util.tree_flatten_with_path(tree)[0]]
