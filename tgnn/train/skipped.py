"""Watches for batches that are skipped because something was not finite, and ends a run of them with a reason."""

import contextlib
import logging
from collections.abc import Callable
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
        batch_at: step number -> batch, to look once more at one that was skipped.
    """

    def __init__(self, state: Any, patience: int, batch_at: Callable[[int], Any]):
        self._patience, self._in_a_row, self._batch_at = patience, 0, batch_at
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
            raise ValueError(f"all {self._skipped} batches were skipped: {self._reason(last[0], last[2], state)}")
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
            raise ValueError(f"{self._in_a_row} batches in a row were skipped: {self._reason(done, not_finite, state)}")

    def _reason(self, done: int, not_finite: Any, state: Any) -> str:
        """What was not finite in a step, in the order in which one spoils the next, and what to do about it."""
        bad = [*self._given(done, state), *_made(not_finite, state)]
        if not bad:
            return f"in step {done} (batch {done - 1}) something was not finite; {_remedy(bad)}"
        first, rest = bad[0], bad[1:4]
        then = f", then {', '.join(rest)}" + (f" and {len(bad) - 4} more" if len(bad) > 4 else "") if rest else ""
        return f"not finite in step {done} (batch {done - 1}) was first {first}{then}; {_remedy(bad)}"

    def _given(self, done: int, state: Any) -> list[str]:
        """What was so before the step: in the batch, and in the state, which a skipped batch leaves as it was."""
        found, train = [], train_state(state)
        with contextlib.suppress(Exception):  # not every batch can be had a second time
            found = guard.spoilt("the batch", self._batch_at(done - 1))
        return found if train is None else found + guard.spoilt("the given", train._replace(step=0, skipped=0, rng=0))


def train_state(state: Any) -> TrainState | None:
    """The `TrainState` that a state is or has inside, None if there is none."""
    is_one = lambda x: isinstance(x, TrainState)  # noqa: E731
    return next((leaf for leaf in jax.tree.leaves(state, is_leaf=is_one) if is_one(leaf)), None)


def _made(not_finite: Any, state: Any) -> list[str]:
    """What the step itself made of it."""
    train = train_state(state)
    if train is None or not_finite is None:
        return []
    names = guard.part_names(train.params, train.opt_state, train.carry)
    return [name for name, flag in zip(names, np.asarray(not_finite), strict=True) if flag]


def _remedy(bad: list[str]) -> str:
    if bad and bad[0].startswith("the given"):
        return "start from weights and a state that are finite"
    if bad and bad[0].startswith("the batch"):
        return "look at this batch"
    return "lower the learning rate, clip the gradient, or look at this batch"
