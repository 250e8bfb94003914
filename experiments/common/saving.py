"""Saves a run while it trains: every minute or more often, and when Ctrl-C stops it."""

import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from experiments.common.failures import Interrupted
from tgnn.train import checkpoint

OFTEN, SELDOM = 5.0, 60.0  # seconds between checkpoints: the least and the most
SHARE = 0.05  # of the time, for saving: between the two, as often as that allows
CHECKPOINTS = "checkpoints"  # where `fit` has them too


class Saver:
    """The step of `fit`, and between two steps a checkpoint if one is due; a context manager around `fit`.

    Inside, the first Ctrl-C (or SIGTERM) lets the step end, saves and raises `Interrupted`; the second one stops at
    once. The state between two steps is whole, while within a step it has been given away to the new one.
    """

    def __init__(self, step: Callable[[Any, Any], tuple[Any, Any]], folder: Path):
        self.step, self.folder = step, folder
        self.wait, self.due = OFTEN, time.monotonic() + OFTEN
        self.asked = False
        self.saved: int | None = None  # the step that needs no saving
        self.state: Any = None
        self.handlers: dict[int, Any] = {}

    def __call__(self, state: Any, batch: Any) -> tuple[Any, Any]:
        """One step, after whatever has to be done before it."""
        if self.saved is None:
            self.saved = int(state.step)  # begins there, or was read from there
        self.state = state
        if self.asked or time.monotonic() >= self.due:
            self.save()
        if self.asked:
            self.interrupt()
        self.state = None
        self.state, metrics = self.step(state, batch)
        return self.state, metrics

    def save(self) -> None:
        """A checkpoint of the state, unless it is on the disk already."""
        step, started = int(self.state.step), time.monotonic()
        if step != self.saved:
            checkpoint.save(self.folder / CHECKPOINTS, step, self.state)
            self.saved = step
            self.wait = min(max((time.monotonic() - started) / SHARE, OFTEN), SELDOM)
        self.due = time.monotonic() + self.wait

    def interrupt(self) -> None:
        """Stops the run, and says where it stands."""
        raise Interrupted(f"interrupted at step {self.saved}, which is saved in {self.folder}")

    def ask(self, *_: Any) -> None:
        """What a signal does."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        print("stopping after this step; Ctrl-C once more stops at once", file=sys.stderr, flush=True)

    def __enter__(self) -> "Saver":
        if threading.current_thread() is threading.main_thread():
            self.handlers = {kind: signal.signal(kind, self.ask) for kind in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        for which, handler in self.handlers.items():
            signal.signal(which, handler)
        if kind is None and self.asked:  # too late to stop before the last step, which `fit` has saved
            raise Interrupted(f"interrupted after the last step, which is saved in {self.folder}")
        if kind is KeyboardInterrupt and self.is_whole():
            self.save()
            self.interrupt()

    def is_whole(self) -> bool:
        """Whether there is a state whose arrays no step has been given."""
        leaves = jax.tree.leaves(self.state)
        return bool(leaves) and not any(leaf.is_deleted() for leaf in leaves if isinstance(leaf, jax.Array))
