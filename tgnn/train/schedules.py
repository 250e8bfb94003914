"""Learning rates as functions of the number of updates done so far.

Steps are counted from 0, and the first update already has a positive rate: a warm-up of w steps takes the rates
1/w, 2/w, ... 1 of the peak. (`optax.warmup_cosine_decay_schedule(0, ...)` wastes the first update on rate 0.)
Every rate lies between 0 and the peak, also far beyond the end and however the compiler rounds.
"""

import inspect
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tgnn.typing import Array

Descent = Literal["linear", "exponential"]


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
    learning_rate: float,
    warmup_steps: int,
    decay_steps: int,
    num_steps: int,
    final_learning_rate: float = 0.0,
    *,
    descent: Descent = "linear",
) -> optax.Schedule:
    """Linear warm-up, a plateau, and a descent to the final rate at `num_steps`.

    A long hold with a slow decay is this with many `decay_steps` and `descent="exponential"`.

    Args:
        learning_rate: the plateau.
        warmup_steps: updates that rise; 0 and 1 both begin at the plateau.
        decay_steps: length of the descent, at least 1.
        num_steps: length of the run; the plateau is what warm-up and descent leave of it.
        final_learning_rate: the rate from step `num_steps` on.
        descent: "linear", or "exponential", which falls by the same factor at each step; to a final rate above 0.

    Returns:
        A function step -> learning rate.

    Raises:
        ValueError: a rate or length is out of range, warm-up and descent do not fit in `num_steps`, or the descent is
            another word, or exponential and to 0.

    Reference: Hu et al., MiniCPM, arXiv:2404.06395, section 4 (there with an exponential descent); with a long
        exponential one: Park et al., SpecAugment, arXiv:1904.08779, section 4.

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
    if descent not in ("linear", "exponential"):
        raise ValueError(f'descent must be "linear" or "exponential", got {descent!r}')
    if descent == "linear":
        falling = optax.linear_schedule(learning_rate, final_learning_rate, decay_steps)
    else:
        _positive("final_learning_rate", final_learning_rate)  # which no number of equal factors makes 0
        falling = optax.exponential_decay(learning_rate, decay_steps, final_learning_rate / learning_rate)
    schedule = optax.join_schedules(
        [
            _warmup(learning_rate, warmup_steps),
            optax.constant_schedule(learning_rate),
            falling,
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


def one_cycle(
    learning_rate: float,
    num_steps: int,
    *,
    rising: float = 0.3,
    start_divisor: float = 25.0,
    end_divisor: float = 1e4,
) -> optax.Schedule:
    """Half a cosine up to the peak, then one down to almost nothing: optax's `cosine_onecycle_schedule`, bounded.

    Args:
        learning_rate: the peak.
        num_steps: length of the run; from here on the rate is the last one.
        rising: share of the steps that rise, at least one of them.
        start_divisor: the first rate is the peak divided by this.
        end_divisor: the last rate is the first one divided by this.

    Returns:
        A function step -> learning rate.

    Raises:
        ValueError: a number is out of range, or no step rises.

    Reference: Smith and Topin, Super-Convergence, arXiv:1708.07120; there the momentum falls while the rate rises,
        which is left out, and both ways are straight lines.

    >>> rate = one_cycle(1.0, num_steps=10, rising=0.4)
    >>> [round(float(rate(step)), 3) for step in (0, 2, 4, 7, 10)]
    [0.04, 0.52, 1.0, 0.5, 0.0]
    """
    _positive("learning_rate", learning_rate)
    for name, divisor in (("start_divisor", start_divisor), ("end_divisor", end_divisor)):
        if not 1 <= divisor < float("inf"):
            raise ValueError(f"{name} must be at least 1 and finite, got {divisor}")
    if not 0 < rising < 1 or int(rising * num_steps) < 1:
        raise ValueError(
            f"rising must be a share between 0 and 1 of which a step is left, got {rising} of {num_steps} steps; "
            "raise it, or take warmup_cosine, which can begin at the peak"
        )
    schedule = optax.cosine_onecycle_schedule(num_steps, learning_rate, rising, start_divisor, end_divisor)
    return _bounded(schedule, learning_rate)


def compressive(num_steps: int = 516_000, learning_rate: float = 3e-4) -> optax.Schedule:
    """The schedule of the Compressive Transformer, scaled to a run: a line up from, half a cosine down to, peak / 300.

    Args:
        num_steps: length of the run, at least 2; 16/516 of it rise, as in the paper's 16,000 + 500,000 steps on words.
        learning_rate: the peak; the paper's is 3e-4, and its first and last rate 1e-6.

    Returns:
        A function step -> learning rate.

    Raises:
        ValueError: a number is out of range.

    Reference: Rae, Potapenko, Jayakumar and Lillicrap, Compressive Transformers for Long-Range Sequence Modelling,
        arXiv:1911.05507, section 5 ("linear warmup from 1e-6 to 3e-4 and a cosine decay back down to 1e-6"). The paper
        does not say whether its decay steps include the warm-up; here they come after it.

    >>> rate = compressive()
    >>> [f"{float(rate(step)):.2e}" for step in (0, 8_000, 16_000, 266_000, 516_000)]
    ['1.00e-06', '1.51e-04', '3.00e-04', '1.51e-04', '1.00e-06']
    """
    _positive("learning_rate", learning_rate)
    if num_steps < 2:
        raise ValueError(f"num_steps must be at least 2, got {num_steps}; one step rises and one falls")
    rising = max(1, round(num_steps * 16 / 516))
    low = learning_rate / 300
    up = optax.linear_schedule(low, learning_rate, rising)
    down = optax.cosine_decay_schedule(learning_rate, num_steps - rising, alpha=1 / 300)
    schedule = optax.join_schedules([up, down, optax.constant_schedule(low)], [rising, num_steps])
    return _bounded(schedule, learning_rate)


def make_schedule(schedule: str, **options: Any) -> optax.Schedule:
    """A schedule from its name and arguments, as a config file has them.

    Args:
        schedule: the name of a function of this module, such as "one_cycle".
        **options: its arguments.

    Returns:
        A function step -> learning rate.

    Raises:
        ValueError: there is no schedule of that name, or it takes other arguments.

    >>> config = {"schedule": "warmup_cosine", "learning_rate": 1.0, "warmup_steps": 2, "num_steps": 10}
    >>> float(make_schedule(**config)(0))
    0.5
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule is {schedule!r}, which is unknown; choose one of {', '.join(SCHEDULES)}")
    make = SCHEDULES[schedule]
    try:
        inspect.signature(make).bind(**options)
    except TypeError as error:
        raise ValueError(f"schedule {schedule!r}: {error}; it takes {inspect.signature(make)}") from None
    return make(**options)


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


SCHEDULES: dict[str, Callable[..., optax.Schedule]] = {
    make.__name__: make
    for make in (noam, inverse_square_root, warmup_stable_decay, warmup_cosine, one_cycle, compressive)
}
