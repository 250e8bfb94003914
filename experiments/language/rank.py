"""Which graph of the past is best, when every model has its best positions and its best rate?

Each model is trained with each of its positions at each of --rates for a part of the steps; the best on the first half
of the validation text is trained in full from all seeds, and the second half, which has chosen nothing, ranks.
What is done already is not done again: stopped, the same command goes on.

    python -m experiments.language.rank --results experiments/language/results --readme experiments/language/README.md
"""

import dataclasses
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from experiments.common import results, tables
from experiments.common.failures import Mistake, failures, mistakes
from experiments.common.memory import keep_memory
from experiments.common.programs import keep_programs
from experiments.common.terminal import any_terminal
from experiments.language import data
from experiments.language.config import PRESETS
from experiments.language.models import MODELS
from experiments.language.sweep import choose

START, END = "<!-- rank: written by python -m experiments.language.rank -->", "<!-- end of rank -->"
HEADER = """\
| | model | positions | rate | test, bits | validation | sweep | weights | edges a token | ms a step | MiB |
|---|---|---|---|---|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Options:
    """What is trained, and where it goes."""

    preset: str = "rank"
    """Sizes; see config.py."""
    models: tuple[str, ...] = ()
    """Some of those in models.py; none: all."""
    rates: tuple[float, ...] = (3e-3, 1e-2, 3e-2)
    """Peaks of the learning rate that are tried."""
    part: int = 3
    """They are tried for one of so many parts of the steps."""
    seeds: int = 3
    """How many seeds are reported."""
    file: Path | None = None
    """A UTF-8 text instead of Tiny Shakespeare."""
    data_dir: Path | None = None
    """Folder of the data sets (default: the environment variable TGNN_DATA_DIR)."""
    run_dir: Path = field(default_factory=lambda: Path("runs/language/rank"))
    """Folder for what is in the works, and for weights."""
    results: Path | None = None
    """Folder for a results file of each model (default: the run folder). A model that has one is not trained."""
    readme: Path | None = None
    """A text into which the table is written, between its two comments."""


def rows(folder: Path, preset: str = "rank") -> list[str]:
    """One line a model, the best first."""
    records = [results.read(path) for path in sorted(folder.glob(f"{preset}-*.json"))]
    records.sort(key=lambda record: record["metrics"]["test_bits"]["mean"])
    return [row(place, record) for place, record in enumerate(records, start=1)]


def row(place: int, record: dict) -> str:
    """One line; the spread is the standard deviation over seeds."""
    config, metrics = record["config"], record["metrics"]
    mean = {name: metric["mean"] for name, metric in metrics.items()}
    test, validation = (f"{mean[name]:.3f} ± {metrics[name]['std']:.3f}" for name in ("test_bits", "validation_bits"))
    tried = [bits for bits in config["sweep"].values() if bits is not None]
    cells = [
        str(place),
        f"`{config['model']}`",
        config["positions"],
        f"{config['learning_rate']:g}",
        test,
        validation,
        f"{min(tried):.2f} to {max(tried):.2f}",
        f"{mean['num_parameters']:,.0f}",
        f"{mean['edges_per_token']:.1f}",
        f"{1000 * mean['processor_seconds_per_step']:.0f}",
        f"{mean['temporary_bytes'] / 2**20:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def table(folder: Path, preset: str = "rank") -> str:
    """The table of a folder of results."""
    return "\n".join([HEADER, *rows(folder, preset)])


def train(options: Options, text: data.Text) -> None:
    """Trains the models that have no results yet, one after the other."""
    config, commit = PRESETS[options.preset], results.commit_of_code()
    folder = options.results or options.run_dir
    for name in options.models or MODELS:
        path = folder / f"{options.preset}-{name}.json"
        if path.exists():
            continue
        began = time.perf_counter()
        sizes = {"rates": options.rates, "part": options.part, "seeds": range(options.seeds)}
        chosen = choose(name, config, text, **sizes, folder=options.run_dir)
        about = dataclasses.asdict(chosen.config) | {"model": name, "rates": options.rates, "part": options.part}
        about |= {"sweep": chosen.sweep, "text": text.identity}
        stated = {"preset": options.preset, "seed": 0, "commit": commit}
        record = results.describe("language", about, chosen.metrics, time.perf_counter() - began, **stated)
        spent = chosen.processor_seconds  # of this model alone, also before an interruption
        results.write(path, record | {"processor_seconds": spent, "watt_hours": results.watt_hours(spent)})


def main(argv: list[str] | None = None) -> None:
    """Trains what is missing and prints the table."""
    any_terminal()
    options = tyro.cli(Options, description=__doc__, args=argv)
    with mistakes("language.rank", ValueError, FileNotFoundError):
        text = checked(options)
    keep_programs()
    keep_memory()
    with mistakes("language.rank", Mistake), failures("language.rank", "the same command goes on"):
        train(options, text)
    folder = options.results or options.run_dir
    print(table(folder, options.preset))
    if options.readme is not None:
        tables.put_into(options.readme, START, END, table(folder, options.preset))


def checked(options: Options) -> data.Text:
    """The text; a ValueError for what cannot be run, before anything is."""
    if options.preset not in PRESETS:
        raise ValueError(f"unknown preset {options.preset!r}; choose one of {', '.join(PRESETS)}")
    unknown = [name for name in options.models if name not in MODELS]
    if unknown:
        raise ValueError(f"unknown model {unknown[0]!r}; choose one of {', '.join(MODELS)}")
    if options.seeds < 1 or options.part < 1 or not options.rates:
        raise ValueError(f"--seeds {options.seeds}, --part {options.part} and --rates {options.rates}: at least 1 each")
    data_dir = options.data_dir or (Path(named) if (named := os.environ.get("TGNN_DATA_DIR")) else None)
    return data.halves(data.load(options.file, PRESETS[options.preset], data_dir))


if __name__ == "__main__":
    main()
