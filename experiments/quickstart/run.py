"""What is one attention good for? It reads words aloud on dense graphs and sorts digits on a sparse one.

The main job of `make run`: `digits` and `pronounce`, each with a size that fits ten minutes on 2 cores, a table of
every graph, and figures.
"""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.console import Console

import experiments.digits.data as digits_data
import experiments.digits.run as digits_run
from experiments.common import command, processes
from experiments.common.training import Trainer
from experiments.digits.figures import save_picture
from experiments.pronounce.data import Batches, examples
from experiments.pronounce.figures import save_figures, specimen
from experiments.pronounce.run import examples_table
from experiments.pronounce.task import Pronouncing, Result, in_words, load
from experiments.quickstart.config import PRESETS, Config
from experiments.quickstart.table import results_table
from tgnn.datasets import cmudict
from tgnn.train.folder import Lock

NAME = "quickstart"


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment, with ten seeds of digits and a size of its own."""

    preset: str = "quick"
    """Size of the run; the presets are listed above."""
    seeds: int = 10
    """How many runs of digits; pronounce runs once."""
    json: Path | None = None
    """File for the results (default: results.json in the run folder)."""

    distributes: ClassVar[str] = "batch"  # of words, and the seeds of digits

    def __post_init__(self):
        folder = self.run_dir or Path("runs") / NAME
        object.__setattr__(self, "json", self.json or folder / "results.json")


def run(config: Config, options: Options) -> dict[str, Sequence[float]]:
    """Both parts, then the table, the words and the figures."""
    started, folder = time.perf_counter(), options.folder / "pronounce"
    if not options.resume:
        start_anew(folder)
    processes.wait("anew")
    print("digits: a sparse graph of nearest neighbours", flush=True)
    digits = digits_data.load(config.digits.num_neighbors)
    scores = digits_run.compare(config.digits, digits, options.all_seeds, options.distributed)
    print("pronounce: dense graphs over letters and phonemes", flush=True)
    result, seconds = pronounce(config, folder, options)
    if processes.is_first():
        save_figures(result, folder)
        save_picture(digits, options.folder / "digits.png")
    pairs = examples(cmudict.load("train"), 1000)
    batch = Batches(pairs, rows=config.pronounce.rows, slots=config.pronounce.slots, seed=options.seed)(0)
    console = Console()
    console.width = console.width if console.is_terminal else 150  # a file has no width to fit
    console.print(examples_table(result))
    console.print(results_table(*specimen(result), batch, result, seconds, digits, scores))
    print(f"say a word: python -m experiments.pronounce --run-dir {options.folder} --say WORD")
    print(f"{time.perf_counter() - started:.0f} s in all")
    once = {name: [value] for name, value in result.metrics.items()}
    return digits_run.metrics(scores) | once


def pronounce(config: Config, folder: Path, options: Options) -> tuple[Result, float]:
    """What one run of `pronounce` leaves, and the seconds of its training."""
    pronouncing = Pronouncing(config.pronounce, load(config.pronounce))
    trainer = Trainer(pronouncing.task(), options.distributed)
    _, metrics = trainer.train(options.seed, folder, config.pronounce, options.resume)
    assert pronouncing.result is not None  # a training ends with a score
    print(in_words(pronouncing.result.metrics), flush=True)
    return pronouncing.result, metrics["seconds"]


def start_anew(folder: Path) -> None:
    """Removes what the last run would be resumed from, so that the main job can be run again as it is.

    Raises:
        command.Mistake: that run is still going on.
    """
    if not processes.is_first():
        return
    try:
        lock = Lock(folder)
    except ValueError as error:
        raise command.Mistake(f"{error} (--run-dir)") from None
    with lock:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        (folder / "metrics.jsonl").unlink(missing_ok=True)


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main(NAME, PRESETS, run, options_type=Options, argv=argv)
