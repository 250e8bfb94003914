"""What keeps NaN and infinity out of a run: every step says what of it was not finite, by name."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from tgnn.softmax import wide_dtype
from tgnn.typing import Array, Params


def squared_norms(gradients: Params) -> list[Array]:
    """The squared norm of each leaf, summed in float32 or wider whatever the weights are."""
    return [optax.tree.norm(leaf.astype(wide_dtype(leaf.dtype)), squared=True) for leaf in jax.tree.leaves(gradients)]


def not_finite(loss: Array, squares: list[Array], new: tuple[Any, Any], old: tuple[Any, Any]) -> Array:
    """Which parts of a step are not finite: bool, in the order of `part_names`.

    A squared norm that overflows counts: clipping by it would be a division by infinity. An element that was not
    finite before may stay so, such as the -inf of a maximum that has seen nothing yet.
    """
    spoilt = [~_sound(a, b) for a, b in zip(jax.tree.leaves(new), jax.tree.leaves(old), strict=True)]
    return jnp.stack([~jnp.isfinite(loss), *(~jnp.isfinite(square) for square in squares), *spoilt])


def part_names(params: Params, carry: Any) -> list[str]:
    """In words, the parts of a step that `not_finite` looks at."""
    weights, carried = _paths(params), _paths(carry)
    gradients = [f"the gradient of {path}" for path in weights]
    return [
        "the loss",
        *gradients,
        *(f"the new {path}" for path in weights),
        *(f"the carry {path}" for path in carried),
    ]


def choose(keep: Array, new: Any, old: Any) -> Any:
    """`new` where a step is kept, else `old`, in the types of `old`; a select, which fuses, unlike a branch."""
    return jax.tree.map(lambda a, b: jnp.where(keep, a.astype(b.dtype), b), new, old)


def _sound(new: Array, old: Array) -> Array:
    if not jnp.issubdtype(new.dtype, jnp.inexact):
        return jnp.bool_(True)
    return jnp.all(jnp.isfinite(new) | ~jnp.isfinite(old))


def _paths(tree: Any) -> list[str]:
    return [jax.tree_util.keystr(path) or "itself" for path, _ in jax.tree_util.tree_flatten_with_path(tree)[0]]
