"""The command line that all experiments share.

An experiment's `run.py` declares its presets and one function, and hands them over:

    PRESETS = {"smoke": Config(...), "cpu": Config(...), "full": Config(...)}

    def run(config: Config, options: Options) -> Outcome:
        ...                                   # one value per seed of options.all_seeds under each metric's name

    def main() -> None:
        command.main("pronounce", PRESETS, run)

and its `__main__.py` calls `main()`. An experiment with a choice of its own (--model, --dataset, --say) subclasses
Options and passes the subclass as `options_type`.
"""

import dataclasses
import inspect
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import tyro

from experiments.common import results
from experiments.common.failures import Mistake as Mistake
from experiments.common.failures import check_file, check_writable, failures, stop
from experiments.common.failures import mistakes as mistakes
from experiments.common.terminal import any_terminal

Config = TypeVar("Config")
Metrics = Mapping[str, float | Sequence[float]]


class Outcome(NamedTuple):
    """What a run found, and with what: a config that the run has changed or completed belongs to its results."""

    metrics: Metrics
    config: Any


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

    keeps_checkpoints: ClassVar[bool] = True  # without them there is nothing to resume
    remedy: ClassVar[str] = "go on with --resume"  # after Ctrl-C or a full disk

    @property
    def all_seeds(self) -> range:
        """The seeds of this run."""
        return range(self.seed, self.seed + self.seeds)

    @property
    def folder(self) -> Path:
        """The run folder, which `complete` has filled in."""
        assert self.run_dir is not None
        return self.run_dir


def main(
    name: str,
    presets: Mapping[str, Config],
    run: Callable[[Config, Any], Metrics | Outcome],
    *,
    options_type: type[Options] = Options,
    argv: Sequence[str] | None = None,
) -> dict:
    """Parses the command line, runs the experiment, writes its results and returns them.

    A mistake on the command line ends the process with exit status 2 and one line that says what would be right; what
    cannot be written is found out before anything is run; Ctrl-C (status 130) and a full disk (status 1) end it with
    one line that says how to go on.
    """
    options = parse(name, presets, options_type=options_type, doc=inspect.getdoc(inspect.getmodule(run)), argv=argv)
    with mistakes(name, ValueError):
        config = preset(presets, options.preset)
        options = complete(name, options)
        check_writable("--run-dir", options.run_dir)
        check_file("--json", options.json)
    started, commit = time.perf_counter(), results.commit_of_code()  # before anybody edits the code while it runs
    with mistakes(name, Mistake, FileNotFoundError), failures(name, options.remedy):
        outcome = run(config, options)
    metrics, config = outcome if isinstance(outcome, Outcome) else (outcome, config)
    about = {"preset": options.preset, "seed": options.seed, "commit": commit}
    record = results.describe(name, recorded(config, options), metrics, time.perf_counter() - started, **about)
    try:
        print(f"results: {results.write(options.json, record)}")
    except OSError as error:
        print({metric: summary["values"] for metric, summary in record["metrics"].items()})
        stop(name, f"{options.json} cannot be written ({error.strerror}); the results are the line above", 1)
    return record


def recorded(config: Any, options: Options) -> dict[str, Any]:
    """What a results file holds as its config: the preset's and the choices that are the experiment's own (--model)."""
    own = {field.name for field in dataclasses.fields(options)} - {field.name for field in dataclasses.fields(Options)}
    plain = dict(config) if isinstance(config, Mapping) else dataclasses.asdict(config)
    return plain | {choice: getattr(options, choice) for choice in sorted(own)}


def parse(name, presets, *, options_type=Options, doc=None, argv=None) -> Any:
    """The options of the command line `argv` (default: the process's own); --help lists the presets."""
    any_terminal()
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
    if options.resume and not options.keeps_checkpoints:
        raise ValueError(f"--resume: {name} keeps no checkpoints, since it is soon done; leave it out")
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
