"""The command line that all experiments share.

An experiment's `run.py` declares its presets and one function, and hands them over:

    PRESETS = {"smoke": Config(...), "cpu": Config(...), "full": Config(...)}

    def run(config: Config, options: Options) -> Outcome:
        ...                                   # one value per seed of options.all_seeds under each metric's name

    def main() -> None:
        command.main("pronounce", PRESETS, run)

and its `__main__.py` calls `main()`. An experiment with a choice of its own (--model, --dataset, --say) subclasses
Options and passes the subclass as `options_type`. Each field of a config that is a dataclass can be set from the
command line, as --config.NAME; a comment behind a field is its help.
"""

import argparse
import dataclasses
import hashlib
import inspect
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import tyro

from experiments.common import processes, results
from experiments.common.failures import Mistake as Mistake
from experiments.common.failures import check_file, check_writable, failures, stop
from experiments.common.failures import mistakes as mistakes
from experiments.common.memory import keep_memory
from experiments.common.programs import keep_programs
from experiments.common.run_folder import pictures
from experiments.common.terminal import any_terminal

Config = TypeVar("Config")
Metrics = Mapping[str, float | Sequence[float]]
MOST_FIGURES = 4  # that the last line names


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
    distributed: bool = False
    """Train on all devices of all processes that are given this command: under SLURM, on a TPU pod, by launch."""
    changes: tyro.conf.Suppress[tuple[str, ...]] = ()
    """What the command line changes in the preset, such as "model_dim=64"."""

    keeps_checkpoints: ClassVar[bool] = True  # without them there is nothing to resume
    keeps_programs: ClassVar[bool] = True  # compiled ones, from run to run; and freed memory within one
    distributes: ClassVar[str] = ""  # what many processes share, each "batch" or the "seeds"; nothing: one process
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
    doc = inspect.getdoc(inspect.getmodule(run))
    options, config = parse(name, presets, options_type=options_type, doc=doc, argv=argv)
    with mistakes(name, ValueError):
        options = complete(name, options)
        check_writable("--run-dir", options.run_dir)
        check_file("--json", options.json)
    if options.preset == "smoke":
        print("smoke: sizes for tests; what it finds says nothing about the methods", flush=True)
    if options.keeps_programs:
        keep_programs()
        keep_memory()
    if options.distributed:
        with mistakes(name, ValueError):
            if not options.distributes:
                raise ValueError(f"--distributed: {name} runs in one process; leave it out")
            processes.join()
    started, commit = time.perf_counter(), results.commit_of_code()  # before anybody edits the code while it runs
    since = 0.0 if options.resume else time.time() - 1  # clocks of disks are coarser
    with processes.leaving(), mistakes(name, Mistake, FileNotFoundError), failures(name, options.remedy):
        outcome = run(config, options)
    metrics, config = outcome if isinstance(outcome, Outcome) else (outcome, config)
    about = {"preset": options.preset, "seed": options.seed, "commit": commit}
    record = results.describe(name, recorded(config, options), metrics, time.perf_counter() - started, **about)
    if not processes.is_first():
        return record
    try:
        path = results.write(options.json, record)
    except OSError as error:
        print({metric: summary["values"] for metric, summary in record["metrics"].items()})
        stop(name, f"{options.json} cannot be written ({error.strerror}); the results are the line above", 1)
    print(last_line(path, options.folder, pictures(options.folder, since)))
    return record


def last_line(results_file: Path, folder: Path, figures: Sequence[Path]) -> str:
    """Where the results and figures of a run are; of many figures, how many, and in which folder."""
    where = f"{len(figures)} below {folder}" if len(figures) > MOST_FIGURES else " ".join(map(str, figures))
    return f"results: {results_file}; figures: {where or 'none'}"


def recorded(config: Any, options: Options) -> dict[str, Any]:
    """What a results file holds as its config: the preset's and the choices that are the experiment's own (--model)."""
    own = {field.name for field in dataclasses.fields(options)} - {field.name for field in dataclasses.fields(Options)}
    plain = dict(config) if isinstance(config, Mapping) else dataclasses.asdict(config)
    return plain | {choice: getattr(options, choice) for choice in sorted(own)}


def parse(
    name: str,
    presets: Mapping[str, Config],
    *,
    options_type: type[Options] = Options,
    doc: str | None = None,
    argv: Sequence[str] | None = None,
) -> tuple[Any, Config]:
    """The options of the command line `argv` (default: the process's own), and the config that it asks for.

    --help lists the presets, and the sizes of the one that is named beside it.
    """
    any_terminal()
    with mistakes(name, ValueError):
        config = default = preset(presets, preset_name(options_type, argv))
    fields: list[Any] = [("run", tyro.conf.OmitArgPrefixes[options_type])]
    if dataclasses.is_dataclass(config):
        fields.append(("config", type(config), dataclasses.field(default=config)))
    said = tyro.cli(
        dataclasses.make_dataclass("CommandLine", fields, frozen=True),
        prog=f"python -m experiments.{name}",
        description=f"{doc or ''}\n\nPresets: {', '.join(presets)}.".strip(),
        args=argv,
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    chosen = getattr(said, "config", default)
    return dataclasses.replace(said.run, changes=changes(config, chosen)), chosen


def preset_name(options_type: type[Options], argv: Sequence[str] | None) -> str:
    """What --preset says, read before all else, since it decides what the other options begin with."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--preset", default=options_type.preset)
    return parser.parse_known_args(argv)[0].preset


def changes(before: Any, after: Any, prefix: str = "") -> tuple[str, ...]:
    """The fields in which two configs differ, such as "model_dim=64"."""
    if not dataclasses.is_dataclass(before):
        return ()
    found: list[str] = []
    for field in dataclasses.fields(before):
        old, new, name = getattr(before, field.name), getattr(after, field.name), prefix + field.name
        if dataclasses.is_dataclass(old) and dataclasses.is_dataclass(new):
            found += changes(old, new, f"{name}.")
        elif old != new:
            found.append(f"{name}={new}")
    return tuple(found)


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
    """The name of a run's files: its preset, model and data set, and what was changed in the preset."""
    choices = [options.preset, *(getattr(options, choice, None) for choice in ("model", "dataset"))]
    changed = re.sub(r"[^\w.=+,-]", "", ",".join(options.changes))
    if len(changed) > 60:  # of a file's name
        changed = hashlib.sha256(",".join(options.changes).encode()).hexdigest()[:12]
    return "-".join(choice for choice in (*choices, changed) if choice)
