"""The one format of results: a JSON file that says what ran, what came out, on what, and from which commit."""

import dataclasses
import importlib.metadata
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

WATTS = 10  # of one busy core: a server processor of 250 W with 24 to 28 cores
PACKAGES = ("tgnn", "jax", "jaxlib", "numpy", "flax", "optax", "jraph")


def summarise(values: float | Sequence[float]) -> dict[str, Any]:
    """Mean, sample standard deviation (0 for a single value) and the values themselves, one per seed."""
    each: list[float] = np.asarray(values, np.float64).ravel().tolist()
    if not each:
        raise ValueError("a metric has no values; report at least one per seed")
    if not all(map(math.isfinite, each)):
        return {"mean": math.nan, "std": math.nan, "values": each}
    return {"mean": statistics.fmean(each), "std": statistics.stdev(each) if each[1:] else 0.0, "values": each}


def describe(
    experiment: str,
    config: Any,
    metrics: Mapping[str, float | Sequence[float]],
    seconds: float,
    *,
    preset: str | None = None,
    seed: int | None = None,
    commit: str | None = None,
) -> dict:
    """The record of one run: what the experiment measured, and everything needed to repeat it.

    Args:
        experiment: its name.
        config: the whole configuration, after everything that the run has chosen or completed.
        metrics: values of each, one per seed.
        seconds: of the run.
        preset: that the config came from, where there are presets.
        seed: of the first value; the others count up from it.
        commit: of the code, as `commit_of_code` said when the run began; default now.
    """
    given = {name: value for name, value in (("preset", preset), ("seed", seed)) if value is not None}
    return {
        "experiment": experiment,
        **given,
        "config": config,
        "metrics": {name: summarise(values) for name, values in metrics.items()},
        "seconds": seconds,
        "processor_seconds": processor_seconds(),
        "watt_hours": watt_hours(processor_seconds()),
        "peak_memory_bytes": peak_memory_bytes(),
        "device": device(),
        "threads": threads(),
        "versions": versions(),
        "commit": commit_of_code() if commit is None else commit,
    }


def write(path: str | Path, record: Mapping[str, Any]) -> Path:
    """Writes the record as JSON; the file is replaced in one step, so that a reader never sees half of it.

    Numbers that JSON lacks (NaN, inf) become null: a diverged run is recorded, not lost.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_as_json(record), indent=2, allow_nan=False) + "\n"
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return path


def read(path: str | Path) -> dict[str, Any]:
    """Reads a record; a file of another format is a ValueError that says what is missing."""
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not a results file: {error}") from error
    missing = {"experiment", "config", "metrics", "seconds"} - set(record if isinstance(record, dict) else ())
    if missing:
        raise ValueError(f"{path} is not a results file: it has no {', '.join(sorted(missing))}")
    return record


def last(run_dir: str | Path) -> tuple[Path, dict[str, Any]] | None:
    """The newest results file of a run directory and its record, or None where there is none."""
    for path in sorted(Path(run_dir).glob("*.json"), key=lambda p: p.stat().st_mtime, reverse=True):
        try:
            return path, read(path)
        except ValueError:
            continue  # some other JSON file of the run
    return None


def processor_seconds() -> float:
    """Of this process and of those it has started that are over; not what a resumed run did before."""
    each = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(sum(x.ru_utime + x.ru_stime for x in each), 3)


def watt_hours(seconds: float) -> float | None:
    """The energy of processor seconds by a rule, not measured: WATTS for a busy core. None with an accelerator."""
    return round(seconds * WATTS / 3600, 5) if jax.default_backend() == "cpu" else None


def peak_memory_bytes() -> int:
    """The most memory in use so far: of the accelerator where there is one, else of this process."""
    stats = None if jax.default_backend() == "cpu" else jax.devices()[0].memory_stats()
    if stats and "peak_bytes_in_use" in stats:
        return stats["peak_bytes_in_use"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB


def device() -> str:
    """The devices in words, such as "1 NVIDIA H200" or "cpu, 2 cores"."""
    if jax.default_backend() == "cpu":
        return f"cpu, {os.cpu_count()} cores"
    return f"{jax.device_count()} {jax.devices()[0].device_kind}"


def threads() -> int:
    """Processors that this process may use: sums of many threads round otherwise than those of one."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that make the numbers."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # tgnn itself, when it runs from a checkout that is not installed
    return found


def commit_of_code() -> str | None:
    """The commit of this checkout, with "-dirty" when tracked files differ from it; None outside a repository.

    TGNN_COMMIT names it where the code came without its repository, as by `git archive`.
    """

    def git(*arguments: str) -> str:
        folder = Path(__file__).parent
        done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    if named := os.environ.get("TGNN_COMMIT"):
        return named
    try:
        return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _as_json(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _as_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _as_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int | None) else str(value)
