"""The optimizer that nearly every model here trains with."""

from typing import Any

import jax
import optax
import optax.contrib


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
    if not 0 <= weight_decay < float("inf"):
        raise ValueError(f"weight_decay must be 0 or more and finite, got {weight_decay}; 0 switches it off")
    adamw = optax.adamw(learning_rate, b1=b1, b2=b2, eps=eps, weight_decay=weight_decay, mask=decay_mask)
    return clipped(clip_norm, adamw)


def schedule_free(
    learning_rate: float,
    *,
    warmup_steps: int = 0,
    weight_decay: float = 0.0,
    clip_norm: float | None = 1.0,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
) -> optax.GradientTransformation:
    """AdamW without a schedule behind clipping by global norm: an average of the weights stands in for a decay.

    The weights that are trained are not those to evaluate: these are `evaluated(state, params)`.

    Args:
        learning_rate: the rate after the warm-up; optax advises more than for AdamW.
        warmup_steps: updates that rise; 0 begins at the full rate.
        weight_decay: decoupled decay, times the learning rate.
        clip_norm: largest norm of the whole gradient; None does not clip.
        b1: share of the average in the weights at which gradients are taken, above 0.
        b2: decay of the mean of their squares.
        eps: added to the root of the latter.

    Returns:
        An optax transformation, `optax.contrib.schedule_free_adamw` underneath.

    Raises:
        ValueError: a number is out of range.

    Reference: Defazio et al., The Road Less Scheduled, arXiv:2405.15682.

    >>> optimizer = schedule_free(1e-2)
    >>> params = {"kernel": jax.numpy.ones(2)}
    >>> evaluated(optimizer.init(params), params)["kernel"].tolist()
    [1.0, 1.0]
    """
    if not 0 < learning_rate < float("inf"):
        raise ValueError(f"learning_rate must be positive and finite, got {learning_rate}; 2.5e-3 is optax's")
    if warmup_steps < 0:
        raise ValueError(f"warmup_steps must be 0 or more, got {warmup_steps}; 0 begins at the full rate")
    if not 0 < b1 < 1:
        raise ValueError(f"b1 must be between 0 and 1, got {b1}; 0.9 is usual")
    if not 0 <= weight_decay < float("inf"):
        raise ValueError(f"weight_decay must be 0 or more and finite, got {weight_decay}; 0 switches it off")
    options = {"b1": b1, "b2": b2, "eps": eps, "weight_decay": weight_decay}
    # optax's own warm-up wastes the first update on a rate of 0
    rising = lambda step: learning_rate * jax.numpy.minimum(1.0, (step + 1) / max(warmup_steps, 1))  # noqa: E731
    adamw = optax.contrib.schedule_free_adamw(rising if warmup_steps else learning_rate, **options)
    return clipped(clip_norm, adamw)


def evaluated(state: optax.OptState, params: Any) -> Any:
    """The weights to evaluate of a `schedule_free` optimizer: the average, of its state and the trained weights.

    Raises:
        ValueError: the state is another optimizer's.
    """
    kind = optax.contrib.ScheduleFreeState
    found = [each for each in jax.tree.leaves(state, is_leaf=lambda x: isinstance(x, kind)) if isinstance(each, kind)]
    if len(found) != 1:
        raise ValueError(f"state holds {len(found)} states of schedule_free, expected 1; pass opt_state of such a run")
    return optax.contrib.schedule_free_eval_params(found[0], params)


def clipped(clip_norm: float | None, optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """An optimizer behind a limit of the whole gradient's norm."""
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"clip_norm must be positive, got {clip_norm}; None switches clipping off")
    return optimizer if clip_norm is None else optax.chain(optax.clip_by_global_norm(clip_norm), optimizer)
