"""The optimizer that nearly every model here trains with."""

from typing import Any

import optax


def make_optimizer(
    learning_rate: float | optax.Schedule,
    *,
    weight_decay: float = 0.0,
    clip_norm: float | None = 1.0,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    decay_mask: Any = None,
) -> optax.GradientTransformation:
    """AdamW behind clipping by global norm.

    Args:
        learning_rate: a number, or a schedule of `tgnn.schedules`.
        weight_decay: decoupled decay, times the learning rate.
        clip_norm: largest norm of the whole gradient; None does not clip.
        b1: decay of the mean of gradients.
        b2: decay of the mean of their squares.
        eps: added to the root of the latter.
        decay_mask: pytree of bools like the weights, or a function that makes one: which of them decay; None is all.

    Returns:
        An optax transformation.

    Raises:
        ValueError: `clip_norm` is not positive, or a learning rate or `weight_decay` is negative or not finite.

    Reference: Loshchilov and Hutter, Decoupled Weight Decay Regularization, arXiv:1711.05101.

    >>> make_optimizer(1e-3).init({"kernel": 1.0}) is not None
    True
    """
    if not callable(learning_rate) and not 0 <= learning_rate < float("inf"):
        raise ValueError(f"learning_rate must be 0 or more and finite, got {learning_rate}; 1e-3 is usual")
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"clip_norm must be positive, got {clip_norm}; None switches clipping off")
    if not 0 <= weight_decay < float("inf"):
        raise ValueError(f"weight_decay must be 0 or more and finite, got {weight_decay}; 0 switches it off")
    adamw = optax.adamw(learning_rate, b1=b1, b2=b2, eps=eps, weight_decay=weight_decay, mask=decay_mask)
    return adamw if clip_norm is None else optax.chain(optax.clip_by_global_norm(clip_norm), adamw)
