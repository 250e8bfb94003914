"""Does a Transformer recognise gestures better when it knows which points are neighbours, given many of each class?

MMG, 16 classes, gestures of 1 to 13 people, scored on those of three others. The multi-graph Transformer of `sketches`
on complete graphs, on graphs of strokes, and on both, with the same weights and as many steps. Or Omniglot's letters.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.console import Console

from experiments.common import cells, command
from experiments.common.processes import is_first
from experiments.common.training import Task, train_seeds
from experiments.gestures import report
from experiments.gestures.config import PRESETS, Config
from experiments.gestures.data import Dataset, People, load
from experiments.sketches.task import make_task


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment, and which drawings."""

    dataset: Dataset = "gestures"
    """Gestures of 16 classes, 480 a person, or letters of 242, one a person."""

    distributes: ClassVar[str] = "batch"
    remedy: ClassVar[str] = "go on with --resume, which keeps the cells that are done"


def run(config: Config, options: Options) -> command.Outcome:
    """Trains all cells, each from every seed; a seed also chooses the people."""
    people = load(options.dataset, config.network.max_points, config.network.num_classes, options.data_dir)
    metrics: dict[str, list[float]] = {}
    changes = tuple(change for change in options.changes if change.startswith("network."))  # a cell knows of no other
    for count in counts(config, people):
        for graphs in config.graphs:
            cell = f"{graphs}-{count}"
            own = dataclasses.replace(options, run_dir=options.folder / cell, changes=changes)
            about = dataclasses.asdict(config.network) | {"cell": cell, "dataset": options.dataset}
            print(f"{cell}, {len(people.some(count, options.seed).labels):,} drawings", flush=True)
            found = train_seeds(cell_task(config, graphs, people, count), about, own)
            drawings = [float(len(people.some(count, seed).labels)) for seed in options.all_seeds]
            metrics |= {f"{cell}/{name}": values for name, values in (found | {"drawings": drawings}).items()}
    Console().print(cells.shown(options.dataset, report.rows(metrics)))
    if is_first():
        report.draw(metrics, options.folder / f"{command.stem(options)}.png")
    return command.Outcome(metrics, config)


def counts(config: Config, people: People) -> list[int]:
    """How many people are trained on: those of the config that there are, and all."""
    return [count for count in config.people if count < len(people.names)] + [len(people.names)]


def cell_task(config: Config, graphs: str, people: People, count: int) -> Task:
    """One cell: the task of `sketches` on the drawings of so many people, others for each seed."""

    def task_of(seed: int) -> Task:
        return make_task(config.network, graphs, people.others | {"train": people.some(count, seed)})

    return task_of(0)._replace(batches=lambda seed: task_of(seed).batches(seed))


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("gestures", PRESETS, run, options_type=Options, argv=argv)
