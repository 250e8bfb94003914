"""Equality first, then time: contestants in turn, so that all of them meet the same weather."""

import gc
import resource
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from experiments.speed.config import Config
from experiments.speed.contestant import Contestant

ROUNDING = 0.01  # the least scale of an array, in units of the largest one: a gradient that is 0 in exact arithmetic,
# as that of a key's bias, is rounding of terms as large as the other gradients
# Seconds from which on it does not matter who ran before. In a shorter call one's own data would come from memory
# because another side has filled the caches, so each timed call follows an untimed one of the same side.
LONG = 0.5


class Unequal(ValueError):
    """Two sides of a comparison do not compute the same."""


def check_equal(contestants: Mapping[str, Contestant], baseline: str, tolerance: float) -> dict[str, float]:
    """The largest error of values and of gradients of each side, as a share of the largest number.

    Where sides train, of the root mean square.

    Raises:
      Unequal: for an error above `tolerance`, naming the side and the array.
    """
    expected = contestants[baseline].compared()
    errors = {}
    for side, contestant in contestants.items():
        for name, got in (expected if side == baseline else contestant.compared()).items():
            if name not in expected:
                continue
            if len(got) != len(expected[name]):
                raise Unequal(f"{side} returns {len(got)} arrays, {baseline} {len(expected[name])}")
            largest = max(float(np.abs(x).max(initial=0.0)) for x in expected[name])
            size = root_mean_square if contestant.proof is not None else greatest
            each = [error(a, b, ROUNDING * largest, size) for a, b in zip(got, expected[name], strict=True)]
            if not max(each) <= tolerance:  # also where it is NaN
                at = int(np.argmax(each))
                what = named(at, training=contestant.proof is not None)
                of = "root mean square" if contestant.proof is not None else "largest number"
                raise Unequal(f"{side} differs from {baseline} by {max(each):.1e} of the {of} in {what}")
            errors[f"{side}/{name}_error"] = max(each)
    return errors


def named(at: int, *, training: bool) -> str:
    """An array of those that are compared."""
    first, others = ("the losses", "change of weights") if training else ("the output", "gradient")
    return first if at == 0 else f"{others} {at}"


def greatest(x: np.ndarray) -> float:
    """The largest number."""
    return float(np.abs(x).max(initial=0.0))


def root_mean_square(x: np.ndarray) -> float:
    """Of what training does: a unit whose input is 0 but for rounding is on at one side and off at the other."""
    return float(np.sqrt(np.mean(np.square(x)))) if x.size else 0.0


def error(got: np.ndarray, expected: np.ndarray, least: float, size=greatest) -> float:
    """The size of the difference over that of the numbers, or over `least` where that is larger."""
    if got.shape != expected.shape:
        return float("inf")
    return size(got - expected) / max(size(expected), least, 1e-30)


def time_all(contestants: Mapping[str, Contestant], config: Config) -> dict[str, list[float]]:
    """Wall and processor seconds of every call, `side/direction_seconds` and `side/direction_cpu_seconds`."""
    times: dict[str, list[float]] = {}
    for direction in ("forward", "both"):
        calls = {side: x.calls()[direction] for side, x in contestants.items() if direction in x.calls()}
        first = {side: timed(call)[0] for side, call in calls.items()}  # also warms up
        rounds = config.budget / max(sum(first.values()), 1e-9)
        for _ in range(int(np.clip(rounds, config.least_rounds, config.most_rounds))):
            for side, call in calls.items():
                if first[side] < LONG:
                    call()
                wall, cpu = timed(call)
                times.setdefault(f"{side}/{direction}_seconds", []).append(wall)
                times.setdefault(f"{side}/{direction}_cpu_seconds", []).append(cpu)
    return times


def timed(call) -> tuple[float, float]:
    """Wall and processor seconds of one call; its result is freed outside of them."""
    cpu, wall = processor_seconds(), time.perf_counter()
    result = call()
    wall, cpu = time.perf_counter() - wall, processor_seconds() - cpu
    del result
    return wall, cpu


def processor_seconds() -> float:
    """Of this process and of those that it has started and that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def peaks(contestants: Mapping[str, Contestant]) -> dict[str, float]:
    """How far one call raises the memory of the process, without what it returns. Linux alone tells."""
    found = {}
    for side, contestant in contestants.items():
        for direction, call in {} if contestant.elsewhere else contestant.calls().items():
            rise = peak_rise(call, contestant)
            if rise is not None:
                found[f"{side}/{direction}_peak_bytes"] = rise
    return found


def peak_rise(call, contestant: Contestant) -> float | None:
    """The peak of resident memory during `call` over what it was before, less the returned arrays."""
    gc.collect()
    reset, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    try:
        reset.write_text("5")
    except OSError:
        return None
    before = resident(status, "VmRSS")
    result = call()
    peak = resident(status, "VmHWM")
    returned = sum(x.nbytes for x in contestant.to_numpy(result))
    return max(peak - before - returned, 0.0)


def resident(status: Path, name: str) -> float:
    """A line of the process's status in bytes."""
    line = next(line for line in status.read_text().splitlines() if line.startswith(name))
    return float(line.split()[1]) * 1024
