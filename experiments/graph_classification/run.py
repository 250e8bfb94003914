"""How much does the reduction of GIN matter for classifying graphs, and how much the rule that picks an epoch?

Ten folds of a TU data set. Reported are `paper_accuracy`, as in the GIN paper: at the one epoch that is best on average
over the ten test folds; and `strict_accuracy`: at each fold's best epoch on graphs held out from its training.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from rich.console import Console

from experiments.common import command, seeds
from experiments.graph_classification.config import PRESETS, Config, Model
from experiments.graph_classification.figures import save_curves
from experiments.graph_classification.folds import best_common_epoch, best_validation_epoch, make_folds
from experiments.graph_classification.train import make_programs, part_of, steps_an_epoch, train
from tgnn.datasets import tu


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment, and what to train on what."""

    model: Model = "gin_sum"
    """GIN with this reduction, of neighbours and of nodes."""
    dataset: str = "PTC"
    """Graphs: PROTEINS, NCI1, PTC, ENZYMES, or the name of any folder of tu/ in their format."""

    distributes: ClassVar[str] = "seeds"


def run(config: Config, options: Options) -> seeds.Metrics:
    """Accuracies of every seed, each the mean of ten folds; the spread over the folds stands beside it."""
    try:
        whole = tu.load(options.dataset, options.data_dir)
    except ValueError as error:  # no such data set, or a damaged one
        raise command.Mistake(f"--dataset {options.dataset}: {error}") from error
    data = part_of(whole, config.train_graphs)
    folds = make_folds(data.folds, len(data.graphs.labels))
    programs = make_programs(config, options.model.removeprefix("gin_"), steps_an_epoch(config, data))
    most_frequent = np.bincount(data.graphs.labels).max() / len(data.graphs.labels)
    print(f"{options.dataset}: {len(data.graphs.labels):,} graphs, most frequent class {most_frequent:.1%}", flush=True)

    def measure(chunk: Sequence[int]) -> seeds.Metrics:
        started = time.perf_counter()
        history = train(programs, config, data, folds, seed=chunk[0])
        save_curves(history, options.folder / f"{command.stem(options)}-seed{chunk[0]}.png")
        paper = best_common_epoch(history.test)
        strict = best_validation_epoch(history.inner_test, history.validation)
        metrics = {
            "paper_accuracy": paper.accuracies.mean(),
            "paper_sd_of_folds": paper.accuracies.std(),
            "paper_epoch": paper.epochs[0],
            "strict_accuracy": strict.accuracies.mean(),
            "strict_sd_of_folds": strict.accuracies.std(),
            "last_accuracy": history.test[:, -1].mean(),
            "seconds": time.perf_counter() - started,
        }
        return {name: [float(value)] for name, value in metrics.items()}

    metrics = seeds.run_seeds(config, options, measure)
    Console().print(seeds.table(f"{options.model} on {options.dataset}, ten folds", metrics))
    return metrics


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("graph_classification", PRESETS, run, options_type=Options, argv=argv)
