"""Random cases of fresh seeds until the time is over, or one fails; that one is shrunk and printed as a program."""

import secrets
import time
import traceback
from types import ModuleType
from typing import NamedTuple

import hypothesis
import jax
from hypothesis import HealthCheck, Phase

SHRINKING = 90.0  # seconds for the search of a smaller case that fails too


class Finding(NamedTuple):
    """A case that fails, as small as time allowed, and a program that shows it."""

    program: str
    error: str


def search(
    module: ModuleType, *, seconds: float, seed: int | None = None, max_cases: int = 10**9
) -> tuple[int, Finding | None]:
    """How many cases were tried, and what was found.

    Args:
        module: has `cases()`, a strategy, and `check(case)`, which fails by any exception.
        seconds: to search.
        seed: of the first round; default a fresh one.
        max_cases: to stop after.
    """
    ended, tried = time.monotonic() + seconds, 0
    seed = secrets.randbits(64) if seed is None else seed
    while time.monotonic() < ended and tried < max_cases:
        count, finding = one_round(module, ended, seed, min(100, max_cases - tried))
        tried, seed = tried + count, seed + 1
        if finding is not None:
            return tried, finding
        jax.clear_caches()  # every case compiles programs of its own
    return tried, None


def one_round(module: ModuleType, ended: float, seed: int, examples: int) -> tuple[int, Finding | None]:
    """Hypothesis' search from one seed."""
    failed: dict[str, BaseException] = {}
    tried, found_at = 0, [0.0]

    def fails(case) -> None:
        nonlocal tried
        name = repr(case)
        if name in failed:
            raise failed[name]
        over = time.monotonic() > (found_at[0] + SHRINKING if failed else ended)
        if over:  # what fails is known by now, and all else passes
            return
        tried += not failed
        try:
            module.check(case)
        except Exception as error:
            found_at[0] = found_at[0] or time.monotonic()
            failed[name] = error
            raise

    test = hypothesis.seed(seed)(
        hypothesis.settings(
            max_examples=examples,
            database=None,
            deadline=None,
            derandomize=False,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        )(hypothesis.given(module.cases())(fails))
    )
    try:
        test()
    except Exception as error:
        if not failed:
            raise
        return tried, Finding(
            program_of(module, last_of(failed, error)), "".join(traceback.format_exception_only(error))
        )
    return tried, None


def last_of(failed: dict[str, BaseException], error: BaseException) -> str:
    """The case of which hypothesis raised the error: the smallest."""
    return next((name for name, known in failed.items() if known is error), min(failed, key=len))


def program_of(module: ModuleType, case: str) -> str:
    """Python that fails in the same way."""
    return f"from {module.__name__} import Case, check\nfrom tests.fuzz.graphs import Graph\n\ncheck({case})\n"
