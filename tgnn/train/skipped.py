"""Watches for batches that are skipped because something was not finite, and ends a run of them with a reason."""

import logging
from typing import Any

import jax
import numpy as np

from tgnn.train import guard
from tgnn.train.step import TrainState

_LOG = logging.getLogger(__name__)


class SkipWatch:
    """Counts how many batches in a row changed nothing.

    Args:
        state: before the first step that is watched.
        patience: this many in a row are an error; 0 is patient for ever.
    """

    def __init__(self, state: Any, patience: int):
        self._patience, self._in_a_row = patience, 0
        train = train_state(state)
        self._first = self._skipped = 0 if train is None else int(train.skipped)
        self._waiting: tuple[int, Any, Any] | None = None

    def see(self, done: int, metrics: dict[str, Any], state: Any) -> dict[str, Any]:
        """Looks at the step before, whose numbers are there by now: the device never waits for the host.

        Returns:
            The metrics without those that only serve the watch.
        """
        self._look(state)
        metrics = dict(metrics)
        not_finite = metrics.pop("not_finite", None)
        if "skipped" in metrics:
            self._waiting = done, metrics["skipped"], not_finite
        return metrics

    def finish(self, state: Any) -> None:
        """Looks at the last step, and says how many were skipped.

        Raises:
            ValueError: no batch of the whole run changed anything.
        """
        last = self._waiting
        self._look(state)
        if last is not None and self._patience and self._skipped == last[0]:
            raise ValueError(f"all {self._skipped} batches were skipped: {_reason(last[0], last[2], state)}")
        if self._skipped > self._first:
            _LOG.warning(
                "%d batches were skipped because something in them was not finite", self._skipped - self._first
            )

    def _look(self, state: Any) -> None:
        if self._waiting is None:
            return
        (done, skipped, not_finite), self._waiting = self._waiting, None
        self._in_a_row = self._in_a_row + 1 if int(skipped) > self._skipped else 0
        self._skipped = int(skipped)
        if self._patience and self._in_a_row >= self._patience:
            raise ValueError(f"{self._in_a_row} batches in a row were skipped: {_reason(done, not_finite, state)}")


def train_state(state: Any) -> TrainState | None:
    """The `TrainState` that a state is or has inside, None if there is none."""
    is_one = lambda x: isinstance(x, TrainState)  # noqa: E731
    return next((leaf for leaf in jax.tree.leaves(state, is_leaf=is_one) if is_one(leaf)), None)


def _reason(done: int, not_finite: Any, state: Any) -> str:
    """What was not finite in a step, and what to do about it."""
    remedy = "lower the learning rate, clip the gradient, or look at this batch"
    train = train_state(state)
    names = [] if train is None else guard.part_names(train.params, train.carry)
    if not_finite is None or len(names) != len(not_finite):
        return f"in step {done} something was not finite; {remedy}"
    bad = [name for name, flag in zip(names, np.asarray(not_finite), strict=True) if flag]
    shown = ", ".join(bad[:4]) + (f" and {len(bad) - 4} more" if len(bad) > 4 else "")
    return f"not finite in step {done} (batch {done - 1}) was {shown}; {remedy}"
