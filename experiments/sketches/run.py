"""Does a Transformer recognise drawings better when it knows which points are neighbours?

QuickDraw, the accuracy of the last step on the validation drawings (and test, where the file exists). The same
multi-graph Transformer, with the same weights and budget, on complete graphs only and on graphs of strokes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from experiments.common import command, seeds
from experiments.sketches.config import PRESETS, Config, Graphs
from experiments.sketches.data import load
from experiments.sketches.figures import save_curves, save_graphs
from experiments.sketches.train import make_trainer, train


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment, and which graphs."""

    model: Graphs = "multi_graph"
    """Graphs that the Transformer sees."""


def run(config: Config, options: Options) -> seeds.Metrics:
    """Accuracies of every seed."""
    assert options.run_dir is not None  # command.complete has filled it in
    folder = options.run_dir
    parts = load(config.max_points, config.num_classes, options.data_dir)
    trainer = make_trainer(config, options.model, parts)
    sizes = ", ".join(f"{len(points.labels):,} {name}" for name, points in parts.items())
    print(f"{options.model}: {sizes} drawings of {trainer.num_classes} classes, {config.num_steps} steps", flush=True)

    def measure(chunk: Sequence[int]) -> seeds.Metrics:
        run_dir = folder / f"{command.stem(options)}-seed{chunk[0]}"
        seeds.check_fresh(run_dir, options.resume)
        metrics = train(trainer, config, parts, seed=chunk[0], run_dir=run_dir, resume=options.resume)
        save_curves(run_dir)
        return {name: [value] for name, value in metrics.items()}

    metrics = seeds.run_seeds(config, options, measure)
    save_graphs(parts["validation"], folder / "graphs.png")
    Console().print(seeds.table(f"{options.model} graph", metrics))
    return metrics


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("sketches", PRESETS, run, options_type=Options, argv=argv)
