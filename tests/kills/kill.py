"""A run that is killed at random moments and goes on after each: it must end as one that nobody disturbed."""

import random
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.kills.runs import differences, end_of, finish, has_begun, is_saving, start, wait_for

SIGNALS = signal.SIGKILL, signal.SIGTERM


def undisturbed(name: str, folder: Path) -> dict:
    """The end of a run that is left alone."""
    finish(start(name, folder, resume=False))
    return end_of(folder)


def kill_often(
    name: str, folder: Path, kills: list[tuple[signal.Signals, bool]], expected: dict, rng: random.Random, say: Callable
) -> int:
    """Kills a run in turn by each signal, in the middle of a save where True; returns how many kills met it alive.

    Raises:
        AssertionError: it says no way to go on, or the end is another one.
    """
    met, resume = 0, False
    for number, in_save in kills:
        process = start(name, folder, resume)
        resume = True
        if not wait_for(process, partial(has_begun, folder, process)):
            break  # it is over, or failed, which the end will show
        if in_save:
            wait_for(process, partial(is_saving, folder))
            time.sleep(rng.uniform(0.0, 0.05))
        else:
            time.sleep(rng.uniform(0.0, 1.5))
        process.send_signal(number)
        _, error = process.communicate()
        if process.returncode == 0:
            say(f"{name}: finished before {number.name} came")
            break
        met += 1
        say(f"{name}: {number.name} {'in a save' if in_save else 'at some moment'}, status {process.returncode}")
        if number == signal.SIGTERM and "--resume" not in error:
            raise AssertionError(f"{name} does not say how to go on after SIGTERM:\n{error[-2000:]}")
    finish(start(name, folder, resume))
    found = differences(end_of(folder), expected)
    if found:
        raise AssertionError(f"{name} in {folder} ends otherwise than the undisturbed run in {', '.join(found[:5])}")
    return met
