"""What a network without some heads costs, beside the whole one."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax


def shares(
    whole: Callable[[], Any], pruned: Callable[[], Any], params: Any, fewer: Any, calls: int
) -> dict[str, float]:
    """The share of parameters and of processor time that is left; the two are called in turn, the median counts."""
    times: dict[str, list[float]] = {"whole": [], "pruned": []}
    for run in (whole, pruned):
        jax.block_until_ready(run())  # compiles
    for _ in range(calls):
        for name, run in (("whole", whole), ("pruned", pruned)):
            started = time.process_time()
            jax.block_until_ready(run())
            times[name].append(time.process_time() - started)
    time_left = statistics.median(times["pruned"]) / statistics.median(times["whole"])
    return {"parameters_left": count(fewer) / count(params), "time_left": time_left}


def count(params: Any) -> int:
    """Numbers in a pytree."""
    return sum(x.size for x in jax.tree.leaves(params))
