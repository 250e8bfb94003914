"""`make mutations`: takes each guard away in turn, in a copy of the project, and runs the tests that should notice.

Prints what survives, and ends with exit status 1 where something does. Takes some seconds for each guard: every run of
tests is a fork of this process, which has imported all libraries but the one that is changed.
"""

import argparse
import compileall
import importlib
import os
import py_compile
import shlex
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import NoReturn

import pytest

from tests.mutations import ALL
from tests.mutations.guard import Guard

ROOT = Path(__file__).parents[2]
COPIED = "tgnn", "tests", "experiments"
LIBRARIES = "jax", "optax", "flax", "jraph", "chex", "orbax.checkpoint", "scipy.sparse", "networkx"
PASSED, FAILED, BROKEN = 0, 1, -1  # exit status of pytest, or our own
INTERRUPTED, NO_TEST = 2, 5  # pytest's: by a signal that nobody held back; all tests are of the other tier


def main() -> int:
    """Exit status 1 where a guard is missed by nobody, 2 where the list is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="guards whose file or text has these words")
    parser.add_argument("--slice", default=":", help="such as 20:40, of the list")
    parser.add_argument("--numbers", type=int, nargs="*", help="these of the list")
    parser.add_argument("--seconds", type=float, default=600.0, help="the longest that one run of tests may take")
    parser.add_argument("--list", action="store_true", help="print the guards and end")
    options = parser.parse_args()
    first, last = (int(x) if x else None for x in options.slice.split(":"))
    chosen = [
        (i, guard)
        for i, guard in list(enumerate(ALL))[first:last]
        if options.only in f"{guard.path} {guard.before}" and (options.numbers is None or i in options.numbers)
    ]
    if options.list:
        print(*(f"{i:3} {guard.name}" for i, guard in chosen), sep="\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="tgnn-mutations-") as folder:
        return run_all(Path(folder), chosen, options.seconds)


def run_all(folder: Path, chosen: list[tuple[int, Guard]], seconds: float) -> int:
    """Each guard in a copy of the project."""
    copy(folder)
    importlib.import_module("tests.conftest")  # settings that JAX reads once
    for name in LIBRARIES:  # none of which starts a thread before it is used
        importlib.import_module(name)
    survivors, broken, passing = [], [], set()
    for i, guard in chosen:
        started = time.monotonic()
        for tests in tiers(guard.tests):  # the slow ones where the quick ones notice nothing
            if tests not in passing:
                status, output = run(folder, tests, seconds)
                if status != PASSED:
                    print(f"{i:3} the tests do not pass as it is: pytest {tests}\n{output[-2000:]}", flush=True)
                    status = BROKEN
                    break
                passing.add(tests)
            with without(folder, guard):
                status, output = run(folder, tests, seconds)
            if status != PASSED:
                break
        said = {PASSED: "SURVIVES", FAILED: "noticed"}.get(status, f"no result, status {status}: {output[-1500:]}")
        print(f"{i:3} {said} ({time.monotonic() - started:.0f} s) {guard.name}", flush=True)
        if status == PASSED:
            survivors.append(guard)
        elif status != FAILED:
            broken.append(guard)
    print(f"{len(chosen)} guards: {len(survivors)} survive, {len(broken)} could not be tried")
    for guard in survivors:
        print(f"\n{guard.path}\n- {guard.before}\n+ {guard.after}\nno failure in: pytest {guard.tests}")
    return 1 if survivors else 2 if broken else 0


def tiers(tests: str) -> list[str]:
    """Arguments of pytest: for the quick tests and for the slow ones, unless they say themselves which."""
    return [tests] if "-m" in shlex.split(tests) else [f"{tests} -m 'not slow'", f"{tests} -m slow"]


def copy(folder: Path) -> None:
    """The code and its tests; compiled once, so that a change of a file is seen whatever its time and length."""
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    checked = py_compile.PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(folder, quiet=2, invalidation_mode=checked)


class without:
    """The copy without a guard; a context manager."""

    def __init__(self, folder: Path, guard: Guard):
        self._path, self._guard = folder / guard.path, guard

    def __enter__(self) -> None:
        self._text = self._path.read_text(encoding="utf-8")
        self._path.write_text(mutated(self._text, self._guard), encoding="utf-8")

    def __exit__(self, *_: object) -> None:
        self._path.write_text(self._text, encoding="utf-8")


def mutated(text: str, guard: Guard) -> str:
    """A file without a guard.

    Raises:
        ValueError: the guard stands there never or more than once, or what is left is no Python.
    """
    if text.count(guard.before) != 1:
        raise ValueError(
            f"{guard.path} has {text.count(guard.before)} times\n{guard.before}\nexpected once; whoever changes a "
            "guard changes its line in tests/mutations too"
        )
    changed = text.replace(guard.before, guard.after)
    compile(changed, guard.path, "exec")
    return changed


def run(folder: Path, tests: str, seconds: float) -> tuple[int, str]:
    """Pytest's exit status in a folder, and what it said; FAILED where it takes too long, such as for ever."""
    said = folder / "said.txt"
    child = os.fork()
    if not child:
        quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of what is imported by now
        become(folder, said, ["-q", "-x", "-p", "no:cacheprovider", "--no-header", *quiet, *shlex.split(tests)])
    ends = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            code = {NO_TEST: PASSED, INTERRUPTED: FAILED}.get(code, code)
            return code, said.read_text(encoding="utf-8", errors="replace")
        if time.monotonic() > ends:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return FAILED, "too slow"
        time.sleep(0.05)


def become(folder: Path, said: Path, arguments: list[str]) -> NoReturn:
    """Lets this process, a fork, run the tests of a folder and end."""
    status = 70
    try:
        os.chdir(folder)
        file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        for name in [name for name in sys.modules if name.split(".")[0] in COPIED]:
            del sys.modules[name]
        sys.path[:] = [str(folder), *(path for path in sys.path if Path(path or ".").resolve() != ROOT)]
        os.environ["PYTHONPATH"] = str(folder)  # of what the tests start
        sys.dont_write_bytecode = True
        status = int(pytest.main(arguments))
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    sys.exit(main())
