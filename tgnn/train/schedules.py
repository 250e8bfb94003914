"""Learning rates as functions of the number of updates done so far.

Steps are counted from 0, and the first update already has a positive rate: a warm-up of w steps takes the rates
1/w, 2/w, ... 1 of the peak. (`optax.warmup_cosine_decay_schedule(0, ...)` wastes the first update on rate 0.)
Every rate lies between 0 and the peak, also far beyond the end and however the compiler rounds.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tgnn.typing import Array


def noam(model_dim: int, warmup_steps: int, scale: float = 1.0) -> optax.Schedule:
    """The schedule of the Transformer: scale · model_dim^-½ · min(t^-½, t · warmup_steps^-3/2), with t = step + 1.

    Args:
        model_dim: width of the model.
        warmup_steps: at least 1; the peak is reached by update number `warmup_steps`.
        scale: multiplies every rate.

    Returns:
        A function step -> learning rate.

    Raises:
        ValueError: an argument is not positive.

    Reference: Vaswani et al., Attention Is All You Need, arXiv:1706.03762, equation 3.

    >>> f"{noam(512, 4000)(3999):.4e}"
    '6.9877e-04'
    """
    _positive("model_dim", model_dim)
    _positive("warmup_steps", warmup_steps)
    _positive("scale", scale)
    return inverse_square_root(scale * (model_dim * warmup_steps) ** -0.5, warmup_steps)


def inverse_square_root(learning_rate: float, warmup_steps: int) -> optax.Schedule:
    """Linear warm-up, then decay with the root of time: learning_rate · min(t / w, sqrt(w / t)), with t = step + 1.

    Args:
        learning_rate: the peak.
        warmup_steps: w, at least 1.

    Returns:
        A function step -> learning rate.

    Raises:
        ValueError: an argument is not positive.

    >>> float(inverse_square_root(1.0, 4)(15))
    0.5
    """
    _positive("learning_rate", learning_rate)
    _positive("warmup_steps", warmup_steps)

    def schedule(step):
        time = step.astype(jnp.float32) + 1
        return learning_rate * jnp.minimum(time / warmup_steps, jnp.sqrt(warmup_steps / time))

    return _bounded(schedule, learning_rate)


def warmup_stable_decay(
    learning_rate: float, warmup_steps: int, decay_steps: int, num_steps: int, final_learning_rate: float = 0.0
) -> optax.Schedule:
    """Linear warm-up, a plateau, and a straight line down to the final rate at `num_steps`.

    Args:
        learning_rate: the plateau.
        warmup_steps: updates that rise; 0 and 1 both begin at the plateau.
        decay_steps: length of the descent, at least 1.
        num_steps: length of the run; the plateau is what warm-up and descent leave of it.
        final_learning_rate: the rate from step `num_steps` on.

    Returns:
        A function step -> learning rate.

    Raises:
        ValueError: a rate or length is out of range, or warm-up and descent do not fit in `num_steps`.

    Reference: Hu et al., MiniCPM, arXiv:2404.06395, section 4 (there with an exponential descent).

    >>> rate = warmup_stable_decay(1.0, warmup_steps=2, decay_steps=4, num_steps=10)
    >>> [float(rate(step)) for step in (0, 1, 6, 8, 10)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    _check_run(learning_rate, warmup_steps, num_steps, final_learning_rate)
    _positive("decay_steps", decay_steps)
    if warmup_steps + decay_steps > num_steps:
        raise ValueError(
            f"warmup_steps {warmup_steps} + decay_steps {decay_steps} exceed num_steps {num_steps}; shorten either"
        )
    schedule = optax.join_schedules(
        [
            _warmup(learning_rate, warmup_steps),
            optax.constant_schedule(learning_rate),
            optax.linear_schedule(learning_rate, final_learning_rate, decay_steps),
            optax.constant_schedule(final_learning_rate),  # the line itself misses it by a rounding
        ],
        [warmup_steps, num_steps - decay_steps, num_steps],
    )
    return _bounded(schedule, learning_rate)


def warmup_cosine(
    learning_rate: float, warmup_steps: int, num_steps: int, final_learning_rate: float = 0.0
) -> optax.Schedule:
    """Linear warm-up, then half a cosine from the peak down to the final rate at `num_steps`.

    Args:
        learning_rate: the peak.
        warmup_steps: updates that rise; 0 and 1 both begin at the peak.
        num_steps: length of the run, more than `warmup_steps`.
        final_learning_rate: the rate from step `num_steps` on.

    Returns:
        A function step -> learning rate.

    Raises:
        ValueError: a rate or length is out of range.

    Reference: Loshchilov and Hutter, SGDR, arXiv:1608.03983, equation 5 (one cycle; the warm-up is ours).

    >>> rate = warmup_cosine(1.0, warmup_steps=2, num_steps=10)
    >>> [round(float(rate(step)), 6) for step in (0, 1, 2, 6, 10)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    _check_run(learning_rate, warmup_steps, num_steps, final_learning_rate)
    cosine = optax.cosine_decay_schedule(
        learning_rate, num_steps - warmup_steps, alpha=final_learning_rate / learning_rate
    )
    end = optax.constant_schedule(final_learning_rate)
    schedule = optax.join_schedules([_warmup(learning_rate, warmup_steps), cosine, end], [warmup_steps, num_steps])
    return _bounded(schedule, learning_rate)


def _warmup(learning_rate: float, warmup_steps: int) -> optax.Schedule:
    """learning_rate · (step + 1) / warmup_steps for the steps before `warmup_steps`."""
    return lambda step: learning_rate * ((step + 1) / max(warmup_steps, 1))


def _bounded(schedule: optax.Schedule, peak: float) -> optax.Schedule:
    """The same rates, never outside [0, peak]; steps of any type, of which negative ones count as 0."""

    def bounded(step) -> Array:
        step = step if isinstance(step, jax.Array) else np.asarray(step)
        if jnp.issubdtype(step.dtype, jnp.integer):  # a boundary may not fit into the caller's type, nor that into ours
            step = step if isinstance(step, jax.Array) else np.minimum(step.astype(np.int64), 2**31 - 1)
            step = jnp.asarray(step).astype(jnp.int32)
        with jax.numpy_dtype_promotion("standard"):  # optax divides integers, whatever the caller allows
            return jnp.clip(schedule(jnp.maximum(step, 0)), 0.0, peak)

    return bounded


def _check_run(learning_rate: float, warmup_steps: int, num_steps: int, final_learning_rate: float) -> None:
    _positive("learning_rate", learning_rate)
    if warmup_steps < 0:
        raise ValueError(f"warmup_steps must be 0 or more, got {warmup_steps}; 0 starts at the peak")
    if num_steps <= warmup_steps:
        raise ValueError(f"num_steps must exceed warmup_steps {warmup_steps}, got {num_steps}; shorten the warm-up")
    if not 0 <= final_learning_rate <= learning_rate:
        raise ValueError(f"final_learning_rate must be in [0, {learning_rate}], got {final_learning_rate}")


def _positive(name: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} must be positive and finite, got {value}")
