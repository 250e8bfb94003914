"""The checkpoints of a run: which run may go on from them, and when there is a new one."""

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from tgnn.train import checkpoint, identity
from tgnn.train.folder import check_space
from tgnn.train.leaves import as_target, check_structure
from tgnn.train.skipped import train_state
from tgnn.train.step import Step
from tgnn.train.writing import Writing

_LOG = logging.getLogger(__name__)


class NoSaves:
    """A run without a folder."""

    def begin(
        self, state: Any, step: Step, batch_at: Callable[[int], Any], num_steps: int, resume: bool
    ) -> tuple[Any, Step]:
        """The state and the step as they are."""
        return state, step

    def offer(self, done: int, state: Any, last: bool, metrics: dict[str, Any]) -> None:
        """Nothing is saved."""

    def finish(self) -> None:
        """There is nothing to wait for."""

    def rescue(self, state: Any) -> str:
        """How to go on after the loop was broken off."""
        return "nothing is saved without run_dir"


class Saves:
    """The checkpoints of one run, in `checkpoints/` of its folder, which this process has locked.

    Args:
        run_dir: the folder.
        config: what the caller says of the run.
        every: steps between checkpoints, 0 for none by steps.
        seconds: time between checkpoints; a tenth of the time goes into saving at most.
        keep: how many stay.
        best: the name of the metric whose highest value is saved, and stays.
    """

    def __init__(self, run_dir: Path, config: Any, every: int, seconds: float, keep: int, best: str | None):
        self._run_dir, self._directory = run_dir, run_dir / "checkpoints"
        self._every, self._seconds, self._keep, self._best = every, seconds, keep, best
        self._about: dict[str, Any] = {"config": identity.plain(config)}
        self._saved, self._next = -1, time.monotonic() + seconds
        self._highest = -math.inf
        self._writing: Writing | None = None

    def begin(
        self, state: Any, step: Step, batch_at: Callable[[int], Any], num_steps: int, resume: bool
    ) -> tuple[Any, Step]:
        """The state and the step to go on with, or a ValueError, before anything is written."""
        if checkpoint.is_empty(self._directory):
            if resume:
                _LOG.warning("%s holds no checkpoint, starting at %d", self._run_dir, int(state.step))
            check_space(self._run_dir, sum(leaf.nbytes for leaf in jax.tree.leaves(state)))
            return state, self._remembering(step)
        done, manifest = checkpoint.find(self._directory)
        if not resume:
            raise ValueError(f"{self._run_dir} holds a run at step {done}; pass resume=True or choose another folder")
        if num_steps < done:
            raise ValueError(f"num_steps is {num_steps}, but {self._run_dir} holds a run at step {done}; raise it")
        target = jax.tree.map(as_target, state)
        self._check(manifest, state, step, batch_at, goes_on=num_steps > done)
        self._about |= {name: value for name, value in (manifest["config"] or {}).items() if value is not None}
        self._saved = done
        if self._best is not None:
            scores = checkpoint.scores(self._directory)
            self._highest = max([score for step, score in scores.items() if step <= done], default=-math.inf)
        return checkpoint.read(self._directory, manifest, target), step

    def _check(self, manifest: dict, state: Any, step: Step, batch_at: Callable[[int], Any], goes_on: bool) -> None:
        """Whether the run that was saved began like this one; uses up the state."""
        where, saved = str(self._run_dir), manifest["config"] or {}
        identity.check_config(where, saved.get("config"), self._about["config"])
        check_structure(self._directory, manifest, state)
        at = int(state.step)
        if saved.get("at") != at:
            return
        batch = batch_at(at)
        identity.check_begin(where, saved, _begin(state, batch))
        if goes_on:
            before = weights(state)
            after, metrics = step(state, batch)
            identity.check_step(where, saved["first_step"], identity.describe_step(before, weights(after), metrics))

    def _remembering(self, step: Step) -> Step:
        """The same step, which remembers what it did the first time: nothing else shows, for example, the rate."""

        def stepped(state: Any, batch: Any) -> tuple[Any, Any]:
            if "at" in self._about:
                return step(state, batch)
            before, about = weights(state), _begin(state, batch)
            state, metrics = step(state, batch)
            self._about |= about | {"first_step": identity.describe_step(before, weights(state), metrics)}
            return state, metrics

        return stepped

    def offer(self, done: int, state: Any, last: bool, metrics: dict[str, Any]) -> None:
        """Saves the state if it is time to, or if it is the best so far; training goes on meanwhile."""
        score = self._score(done, metrics)
        best = self._highest if score is None else max(self._highest, score)  # NaN is never larger
        if self._writing is not None and not self._writing.in_progress:
            self.finish()
        late = self._writing is None and agreed(time.monotonic() >= self._next, done)
        if last or best > self._highest or late or (self._every and done % self._every == 0):
            self._save(state, score)
            self._highest = best
        if last:
            self.finish()

    def finish(self) -> None:
        """Waits for the save in progress; an OSError where it failed."""
        if self._writing is None:
            return
        writing, self._writing = self._writing, None
        saved = int(writing.finish().name)
        self._saved, self._next = saved, writing.ended + max(self._seconds, 9 * (writing.ended - writing.started))

    def rescue(self, state: Any) -> str:
        """Saves the state after the loop was broken off, if it is whole and new; says how to go on."""
        try:
            self.finish()
            leaves = [leaf for leaf in jax.tree.leaves(state) if isinstance(leaf, jax.Array)]
            if "at" in self._about and not any(leaf.is_deleted() for leaf in leaves) and int(state.step) > self._saved:
                self._save(state, None)
                self.finish()
        except OSError as error:
            _LOG.warning("%s", error)
        if self._saved < 0:
            return f"{self._run_dir} holds no checkpoint yet"
        return f"{self._run_dir} holds step {self._saved}; go on with resume=True"

    def _save(self, state: Any, score: float | None) -> None:
        self.finish()
        step = int(state.step)
        writing = checkpoint.begin(self._directory, step, state, keep=self._keep, config=self._about, score=score)
        self._writing = writing.in_background()

    def _score(self, done: int, metrics: dict[str, Any]) -> float | None:
        """What an evaluation says of the state, None between evaluations."""
        if self._best is None or not metrics:
            return None
        if self._best not in metrics:
            raise ValueError(f"best is {self._best!r}, but evaluate gave {sorted(metrics)}; name one of these")
        return float(metrics[self._best])


def agreed(said: bool, done: int) -> bool:
    """What the first of many processes says; it is asked at every tenth step, since asking waits for the device."""
    if jax.process_count() == 1:
        return said
    return done % 10 == 0 and bool(multihost_utils.broadcast_one_to_all(np.bool_(said)))


def _begin(state: Any, batch: Any) -> dict[str, Any]:
    """What a run begins with."""
    train = train_state(state)
    rng = None if train is None else identity.key_bits(train.rng)
    return {"at": int(state.step), "rng": rng, "batch": identity.describe_batch(batch)}


def weights(state: Any) -> list[Any]:
    """Copies on the host of the weights in a state; nothing of a state of another kind."""
    train = train_state(state)
    return [] if train is None else identity.numbers(train.params)
