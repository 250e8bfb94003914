"""Does a Transformer recognise drawings better when it knows which points are neighbours?

QuickDraw, the accuracy of the last step on the validation drawings (and test, where the file exists). The same
multi-graph Transformer, with the same weights and budget, on complete graphs only and on graphs of strokes.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.console import Console

from experiments.common import command, seeds
from experiments.common.training import train_seeds
from experiments.sketches.config import PRESETS, Config, Graphs
from experiments.sketches.data import load
from experiments.sketches.figures import save_graphs
from experiments.sketches.task import make_task


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment, and which graphs."""

    model: Graphs = "multi_graph"
    """Graphs that the Transformer sees."""

    distributes: ClassVar[str] = "batch"


def run(config: Config, options: Options) -> command.Outcome:
    """Accuracies of every seed."""
    parts = load(config.max_points, config.num_classes, options.data_dir)
    sizes = ", ".join(f"{len(points.labels):,} {name}" for name, points in parts.items())
    print(f"{options.model}: {sizes} drawings, {config.num_steps} steps", flush=True)
    about = dataclasses.asdict(config) | {"scored": [part for part in parts if part != "train"]}
    metrics = train_seeds(make_task(config, options.model, parts), about, options)
    save_graphs(parts["validation"], options.folder / "graphs.png")
    Console().print(seeds.table(f"{options.model} graph", metrics))
    return command.Outcome(metrics, about)


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("sketches", PRESETS, run, options_type=Options, argv=argv)
