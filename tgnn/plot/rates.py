"""Learning rates over the steps of a run."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from tgnn.plot.canvas import AS_WRITTEN, axes_of
from tgnn.plot.shades import curve_style

POINTS = 400  # of a curve


def learning_rates(
    schedules: Mapping[str, Callable[[Any], Any]],
    num_steps: int,
    *,
    log: bool = False,
    title: str = "",
    ax: Any = None,
) -> Any:
    """Draws schedules over the steps of a run.

    Args:
        schedules: name -> schedule, a function step -> learning rate, such as those of `tgnn.schedules`; of a config
            `tgnn.schedules.make_schedule(**config)` makes one.
        num_steps: steps to draw, at least 1; of more than 400, as many at equal distances.
        log: whether the vertical axis is logarithmic.
        title: of the picture.
        ax: matplotlib axes; default a new figure's.

    Returns:
        The axes.

    Raises:
        ValueError: there is no schedule, or `num_steps` is below 1.

    >>> from tgnn.schedules import noam, one_cycle
    >>> ax = learning_rates({"Noam": noam(512, 40), "one cycle": one_cycle(7e-3, 300)}, 300)
    >>> len(ax.lines)
    2
    """
    if not schedules:
        raise ValueError("schedules is empty; pass at least one, such as {'Noam': noam(512, 4000)}")
    if num_steps < 1:
        raise ValueError(f"num_steps must be at least 1, got {num_steps}")
    ax = axes_of(ax, title)
    steps = np.unique(np.linspace(0, num_steps - 1, min(num_steps, POINTS)).round().astype(np.int32))
    for i, (name, schedule) in enumerate(schedules.items()):
        rates = jax.jit(jax.vmap(schedule))(steps)  # one program; step by step is a hundred times slower
        ax.plot(steps, np.asarray(rates), label=name, **curve_style(i) | {"marker": ""})
    ax.set_yscale("log" if log else "linear")
    ax.set_xlabel("step")
    ax.set_ylabel("learning rate")
    ax.grid(alpha=0.3)
    for text in ax.legend().get_texts():
        text.set(**AS_WRITTEN)
    return ax
