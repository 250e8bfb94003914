"""One run per seed, a line of a file for each, so that a run of many seeds can be interrupted and resumed."""

import datetime
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from experiments.common import command, processes, results
from tgnn.sharding import is_first
from tgnn.train.folder import Lock
from tgnn.train.identity import plain

Metrics = dict[str, list[float]]
T = TypeVar("T")


def run_seeds(
    config: Any,
    options: command.Options,
    measure: Callable[[Sequence[int]], Mapping[str, Sequence[float]]],
    *,
    at_once: int = 1,
    bar: bool = False,
) -> Metrics:
    """The metrics of every seed of `options.all_seeds`, in their order.

    Args:
        config: what the seeds are run with, a dataclass or a dict of them; a resumed run must have the same.
        options: with `resume`, seeds in the file of the run folder are taken from there.
        measure: seeds -> metrics, one value per seed; called with `at_once` of the missing seeds at a time. With
            `--distributed`, where processes share the seeds, each process calls it with seeds of its own.
        at_once: how many.
        bar: whether to show a progress bar of the seeds, on a terminal; not where `measure` shows one of its own.

    Raises:
        command.Mistake: the file is of a run with another config, holds seeds that are not to be resumed, or is in use
            by another process.
    """
    with claimed(options):
        return run_missing(config, options, measure, at_once, bar)


@contextmanager
def claimed(options: command.Options) -> Iterator[None]:
    """Keeps the files of a preset, model and data set for this run: another would replace them in its midst."""
    if not is_first():
        yield
        return
    try:
        lock = Lock(options.folder, f".{command.stem(options)}.lock")
    except ValueError as error:
        raise command.Mistake(str(error)) from None
    with lock:
        yield


def run_missing(config: Any, options: command.Options, measure: Callable, at_once: int, bar: bool) -> Metrics:
    """`run_seeds`, alone in its folder."""
    path = options.folder / f"{command.stem(options)}.seeds.jsonl"
    header = plain(config)
    done = begin(path, header, options.resume)
    missing = [seed for seed in options.all_seeds if seed not in done]
    terminal = Console(stderr=True)
    with (
        Progress(console=terminal, disable=not (bar and terminal.is_terminal)) as shown,
        open(path if is_first() else os.devnull, "a", encoding="utf-8") as file,
    ):
        task = shown.add_task("seeds", total=options.seeds, completed=options.seeds - len(missing))
        number, count = processes.share() if options.distributed and options.distributes == "seeds" else (0, 1)
        turns = chunks(missing, at_once)
        for turn in chunks(turns, count):  # a chunk for each process, while there are enough
            started = time.perf_counter()
            mine = turn[number : number + 1]
            fresh = [(chunk, {k: [float(x) for x in v] for k, v in measure(chunk).items()}) for chunk in mine]
            if count > 1:
                fresh = [(chunk, found) for each in processes.gather(fresh) for chunk, found in each]
            seconds, left = time.perf_counter() - started, len(missing) - missing.index(turn[-1][-1]) - 1
            rest = left * seconds / sum(map(len, turn))
            for chunk, found in fresh:
                print(progress(chunk, found, seconds, left, rest), flush=True)
                for i, seed in enumerate(chunk):
                    done[seed] = {name: values[i] for name, values in found.items()}
                    file.write(json.dumps((seed, done[seed])) + "\n")
                shown.update(task, advance=len(chunk))
            file.flush()
    return {name: [done[seed][name] for seed in options.all_seeds] for name in done[options.seed]}


def begin(path: Path, header: Any, resume: bool) -> dict[int, dict[str, float]]:
    """The seeds that are done; afterwards the file holds them and the header."""
    done = read(path, header) if resume else {}
    if not resume and path.exists() and len(path.read_text(encoding="utf-8").splitlines()) > 1:
        raise command.Mistake(f"{path} holds finished seeds; add --resume to keep them, or choose another --run-dir")
    processes.wait("begin")  # until all have read it
    if not is_first():
        return done
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.partial")  # so that a full disk takes no seed away
    fresh.write_text("".join(json.dumps(line) + "\n" for line in [header, *done.items()]), encoding="utf-8")
    fresh.replace(path)
    return done


def read(path: Path, header: Any) -> dict[int, dict[str, float]]:
    """The seeds of an earlier run; an unfinished last line is left out."""
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
    try:
        found, *rest = [json.loads(line) for line in lines] or [header]
        if found == header:
            return {int(seed): metrics for seed, metrics in rest}
    except (ValueError, TypeError):
        pass
    raise command.Mistake(f"{path} is of a run with another config; leave out --resume, or choose another --run-dir")


def chunks(items: Sequence[T], size: int) -> list[tuple[T, ...]]:
    """Groups of at most this size, in order."""
    return [tuple(items[i : i + size]) for i in range(0, len(items), size)]


def progress(
    chunk: Sequence[int], metrics: Mapping[str, Sequence[float]], seconds: float, left: int = 0, rest: float = 0.0
) -> str:
    """A line on the seeds that are done, and on how many are left for how many seconds."""
    means = ", ".join(f"{name} {results.summarise(values)['mean']:.4g}" for name, values in metrics.items())
    more = f", {left} more in {datetime.timedelta(seconds=round(rest))}" if left else ""
    which = f"seed {chunk[0]}" if len(chunk) == 1 else f"seeds {chunk[0]} to {chunk[-1]}"
    return f"{which}: {means}; {seconds / len(chunk):.1f} s per seed{more}"


def table(title: str, metrics: Metrics) -> Table:
    """Mean, standard deviation and range of every metric over the seeds."""
    shown = Table("metric", "mean", "± sd", "lowest", "highest", "runs", title=title)
    for name, values in metrics.items():
        summary = results.summarise(values)
        numbers = (summary["mean"], summary["std"], min(values), max(values))
        shown.add_row(name.replace("_", " "), *(f"{number:.4g}" for number in numbers), str(len(values)))
    return shown
