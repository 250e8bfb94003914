"""The command line that all experiments share.

An experiment's `run.py` declares its presets and one function, and hands them over:

    PRESETS = {"smoke": Config(...), "cpu": Config(...), "full": Config(...)}

    def run(config: Config, options: Options) -> dict[str, list[float]]:
        ...                                   # one value per seed of options.all_seeds under each metric's name

    def main() -> None:
        command.main("pronounce", PRESETS, run)

and its `__main__.py` calls `main()`. An experiment with a choice of its own (--model, --dataset, --say) subclasses
Options and passes the subclass as `options_type`.
"""

import dataclasses
import inspect
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import tyro

from experiments.common import results, terminal

Config = TypeVar("Config")
Metrics = Mapping[str, float | Sequence[float]]


@dataclass(frozen=True)
class Options:
    """What every experiment can be told on its command line."""

    preset: str = "cpu"
    """Size of the run; the presets are listed above."""
    seeds: int = 1
    """How many runs, each with a seed of its own; the results hold their mean and standard deviation."""
    seed: int = 0
    """Seed of the first run; the next ones count up from it."""
    data_dir: Path | None = None
    """Folder of the data sets (default: the environment variable TGNN_DATA_DIR)."""
    run_dir: Path | None = None
    """Folder for checkpoints, figures and results (default: runs/NAME)."""
    resume: bool = False
    """Go on from the last checkpoint of the run folder."""
    json: Path | None = None
    """File for the results (default: PRESET.json in the run folder)."""

    @property
    def all_seeds(self) -> range:
        """The seeds of this run."""
        return range(self.seed, self.seed + self.seeds)


class Mistake(ValueError):
    """A mistake on the command line that only the run itself can see, such as --resume of another run."""


def main(
    name: str,
    presets: Mapping[str, Config],
    run: Callable[[Config, Any], Metrics],
    *,
    options_type: type[Options] = Options,
    argv: Sequence[str] | None = None,
) -> dict:
    """Parses the command line, runs the experiment, writes its results and returns them.

    A mistake on the command line ends the process with exit status 2 and one line that says what would be right.
    """
    terminal.any_terminal()
    options = parse(name, presets, options_type=options_type, doc=inspect.getdoc(inspect.getmodule(run)), argv=argv)
    with mistakes(name, ValueError):
        config = preset(presets, options.preset)
        options = complete(name, options)
    started = time.perf_counter()
    with mistakes(name, Mistake, FileNotFoundError):
        metrics = run(config, options)
    record = results.describe(name, recorded(config, options), metrics, time.perf_counter() - started)
    print(f"results: {results.write(options.json, record)}")
    return record


@contextmanager
def mistakes(name: str, *kinds: type[Exception]) -> Iterator[None]:
    """Errors of these kinds inside end the process with exit status 2 and one line instead of a traceback."""
    try:
        yield
    except kinds as error:
        # The system's own say nothing of a remedy; those of the data sets do, and have no file name.
        if isinstance(error, FileNotFoundError) and error.filename is not None:
            raise
        print(f"python -m experiments.{name}: {error}", file=sys.stderr)
        raise SystemExit(2) from error


def recorded(config: Any, options: Options) -> dict[str, Any]:
    """What a results file holds as its config: the preset's and the choices that are the experiment's own (--model)."""
    own = {field.name for field in dataclasses.fields(options)} - {field.name for field in dataclasses.fields(Options)}
    return dataclasses.asdict(config) | {choice: getattr(options, choice) for choice in sorted(own)}


def parse(name, presets, *, options_type=Options, doc=None, argv=None) -> Any:
    """The options of the command line `argv` (default: the process's own); --help lists the presets."""
    return tyro.cli(
        options_type,
        prog=f"python -m experiments.{name}",
        description=f"{doc or ''}\n\nPresets: {', '.join(presets)}.".strip(),
        args=argv,
        config=(tyro.conf.FlagCreatePairsOff,),
    )


def preset(presets: Mapping[str, Config], name: str) -> Config:
    """The preset of that name; an unknown one is a ValueError that names those that exist."""
    if name not in presets:
        raise ValueError(f"unknown preset {name!r}; choose one of {', '.join(presets)}")
    return presets[name]


def complete(name: str, options: Options) -> Any:
    """The options with their defaults filled in: data_dir from the environment, run_dir and json from the names."""
    if options.seeds < 1:
        raise ValueError(f"--seeds must be at least 1, got {options.seeds}")
    if options.seed < 0:
        raise ValueError(f"--seed must be at least 0, got {options.seed}")
    data_dir = options.data_dir or os.environ.get("TGNN_DATA_DIR")
    if data_dir and not Path(data_dir).is_dir():
        raise ValueError(f"--data-dir (or TGNN_DATA_DIR) is {str(data_dir)!r}, which is no folder; correct it")
    run_dir = options.run_dir or Path("runs") / name
    json = options.json or run_dir / f"{stem(options)}.json"
    return dataclasses.replace(options, data_dir=Path(data_dir) if data_dir else None, run_dir=run_dir, json=json)


def stem(options: Options) -> str:
    """The name of a run's files: its preset, model and data set."""
    choices = [options.preset, *(getattr(options, choice, None) for choice in ("model", "dataset"))]
    return "-".join(choice for choice in choices if choice)
