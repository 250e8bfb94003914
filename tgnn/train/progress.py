"""How a run shows where it is: a bar on a terminal, one line that changes in a notebook, lines in a log."""

import datetime
import sys
import time
from typing import Any, Protocol

import numpy as np

LINE_SECONDS = 30.0  # between lines in a log, which also has one for every evaluation
CELL_SECONDS = 0.5  # between changes in a notebook


class Progress(Protocol):
    """What `Report` shows a run with."""

    def show(self, done: int, status: str, found: str) -> None:
        """The steps that are done, how training goes, and what an evaluation has found, if there was one."""

    def close(self) -> None:
        """After the last step, or an error."""


def start_progress(start: int, num_steps: int, quiet: bool = False, unit: str = "step") -> Progress:
    """What fits the place where the output goes."""
    from rich.console import Console  # here, because applying a model needs no terminal

    terminal = Console(stderr=True)
    if quiet:
        return Silence()
    if terminal.is_jupyter:
        return Cell(num_steps, unit)
    return Bar(start, num_steps, unit, terminal) if terminal.is_terminal else Lines(num_steps, unit)


class Silence:
    """Nothing."""

    def show(self, done: int, status: str, found: str) -> None:
        """Shows nothing."""

    def close(self) -> None:
        """Does nothing."""


class Bar:
    """A bar with the time left; what evaluations find stands above it."""

    def __init__(self, start: int, num_steps: int, unit: str, terminal: Any):
        from rich import progress

        columns = (*progress.Progress.get_default_columns(), progress.TextColumn("{task.fields[status]}"))
        self._bar = progress.Progress(*columns, console=terminal)
        self._task = self._bar.add_task("training", total=num_steps, completed=start, status="")
        self._pace, self._unit = Pace(num_steps, unit), unit
        self._bar.start()

    def show(self, done: int, status: str, found: str) -> None:
        """Moves the bar."""
        rate = self._pace.at(done)[:1]  # it has the time left
        self._bar.update(self._task, completed=done, status=joined(status, *rate))
        if found:
            self._bar.console.print(f"{self._unit} {done:,}: {found}", markup=False, highlight=False)

    def close(self) -> None:
        """Leaves the bar as it is."""
        self._bar.stop()


class Lines:
    """Lines on the error stream, for a file or a pipe: whoever looks into it sees how far a run is."""

    def __init__(self, num_steps: int, unit: str):
        self._pace, self._last = Pace(num_steps, unit), time.monotonic()

    def show(self, done: int, status: str, found: str) -> None:
        """Writes a line, if one is due."""
        words = self._pace.words(done, found, status)
        if found or time.monotonic() >= self._last + LINE_SECONDS:
            print(words, file=sys.stderr, flush=True)
            self._last = time.monotonic()

    def close(self) -> None:
        """Does nothing."""


class Cell:
    """A line below a cell, each in the place of the one before; it keeps what the last evaluation found."""

    def __init__(self, num_steps: int, unit: str):
        from IPython.display import display

        self._pace, self._num_steps, self._last, self._found = Pace(num_steps, unit), num_steps, 0.0, ""
        self._line: Any = display({"text/plain": "training"}, raw=True, display_id=True)

    def show(self, done: int, status: str, found: str) -> None:
        """Changes the line, but not so often that a browser is kept busy."""
        self._found = found or self._found
        words = self._pace.words(done, self._found, status)
        if found or done == self._num_steps or time.monotonic() >= self._last + CELL_SECONDS:
            self._line.update({"text/plain": words}, raw=True)
            self._last = time.monotonic()

    def close(self) -> None:
        """Does nothing."""


class Pace:
    """Steps a second, evaluations and saves included, but not the first steps, which wait for the compiler."""

    def __init__(self, num_steps: int, unit: str):
        self._num_steps, self._unit = num_steps, unit
        self._first: tuple[int, float] | None = None

    def at(self, done: int) -> list[str]:
        """The rate and the time left, in words; nothing before there is a rate."""
        now = time.monotonic()
        self._first = self._first or (done, now)
        steps, seconds = done - self._first[0], now - self._first[1]
        if not (steps and seconds > 0):
            return []
        left = datetime.timedelta(seconds=round((self._num_steps - done) * seconds / steps))
        return [f"{steps / seconds:.3g} {self._unit}s/s", f"{left} left"]

    def words(self, done: int, *more: str) -> str:
        """A line such as "step 120 of 1,000: accuracy 0.8, loss 0.3, 12 steps/s, 0:01:13 left"."""
        return f"{self._unit} {done:,} of {self._num_steps:,}: {joined(*more, *self.at(done))}"


def joined(*words: str) -> str:
    """Those that say anything, with commas."""
    return ", ".join(filter(None, words))


def in_words(metrics: dict[str, Any]) -> str:
    """Names and numbers on one line; what is not one number is left out."""
    found = {name.replace("_", " "): np.asarray(value) for name, value in metrics.items()}
    return joined(*(f"{name} {x.item():.4g}" for name, x in found.items() if x.ndim == 0 and x.dtype.kind not in "OSU"))
