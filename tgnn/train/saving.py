"""The checkpoints of a run: which run may go on from them, and when there is a new one."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from tgnn.train import checkpoint, identity
from tgnn.train.folder import check_space
from tgnn.train.leaves import as_target, check_structure
from tgnn.train.skipped import train_state
from tgnn.train.step import Step

_LOG = logging.getLogger(__name__)


class NoSaves:
    """A run without a folder."""

    def begin(self, state: Any, step: Step, batch_at: Callable[[int], Any], num_steps: int, resume: bool):
        """The state and the step as they are."""
        return state, step

    def offer(self, done: int, state: Any, last: bool) -> None:
        """Nothing is saved."""

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
    """

    def __init__(self, run_dir: Path, config: Any, every: int, seconds: float):
        self._run_dir, self._directory = run_dir, run_dir / "checkpoints"
        self._every, self._seconds = every, seconds
        self._about: dict[str, Any] = {"config": identity.plain(config)}
        self._saved, self._next = -1, time.monotonic() + seconds

    def begin(self, state: Any, step: Step, batch_at: Callable[[int], Any], num_steps: int, resume: bool):
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

    def offer(self, done: int, state: Any, last: bool) -> None:
        """Saves the state if it is time to."""
        if last or (self._every and done % self._every == 0) or time.monotonic() >= self._next:
            self._save(state)

    def rescue(self, state: Any) -> str:
        """Saves the state after the loop was broken off, if it is whole and new; says how to go on."""
        leaves = [leaf for leaf in jax.tree.leaves(state) if isinstance(leaf, jax.Array)]
        if "at" in self._about and not any(leaf.is_deleted() for leaf in leaves) and int(state.step) > self._saved:
            try:
                self._save(state)
            except OSError as error:
                _LOG.warning("%s", error)
        if self._saved < 0:
            return f"{self._run_dir} holds no checkpoint yet"
        return f"{self._run_dir} holds step {self._saved}; go on with resume=True"

    def _save(self, state: Any) -> None:
        started = time.monotonic()
        checkpoint.save(self._directory, int(state.step), state, config=self._about)
        self._saved, ended = int(state.step), time.monotonic()
        self._next = ended + max(self._seconds, 9 * (ended - started))


def _begin(state: Any, batch: Any) -> dict[str, Any]:
    """What a run begins with."""
    train = train_state(state)
    rng = None if train is None else identity.key_bits(train.rng)
    return {"at": int(state.step), "rng": rng, "batch": identity.describe_batch(batch)}


def weights(state: Any) -> list:
    """Copies on the host of the weights in a state; nothing of a state of another kind."""
    train = train_state(state)
    return [] if train is None else identity.numbers(train.params)
