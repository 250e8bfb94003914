"""Do graph networks reach their published accuracy on Cora and CiteSeer, all of them on one attend and aggregate?"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import jax
import numpy as np
from rich.console import Console

from experiments.citation import data, pretrained
from experiments.citation.config import PRESETS, Config, Dataset, Model, Recipe, recipe
from experiments.citation.figures import save_spread
from experiments.citation.models import build
from experiments.citation.train import fit
from experiments.common import command, seeds
from experiments.common.processes import is_first
from tgnn.train.guard import check_finite


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment, and what to train on what."""

    model: Model = "gat"
    """Network to train."""
    dataset: Dataset = "cora"
    """Citation graph, with its public split."""
    pretrained: Path | None = None
    """Folder of the GAT authors' weights for Cora: score them instead of training."""

    distributes: ClassVar[str] = "seeds"


def run(config: Config, options: Options) -> command.Metrics | command.Outcome:
    """Accuracies of every seed."""
    if options.pretrained:
        if (options.model, options.dataset, options.seeds) != ("gat", "cora", 1):
            raise command.Mistake(
                "--pretrained are the weights of one GAT on Cora; leave out --model, --dataset and --seeds"
            )
        scores = pretrained.score(options.pretrained, options.data_dir)
        return shown("the authors' gat on cora", scores, options)
    chosen = recipe(options.model, options.dataset)
    graph = data.load(options.dataset, self_loops=chosen.self_loops, data_dir=options.data_dir)
    measure = trainer(options.model, chosen, graph, config.max_epochs)
    about = {"config": config, "recipe": chosen}
    metrics = seeds.run_seeds(about, options, measure, at_once=config.seeds_at_once, bar=True)
    shown(f"{options.model} on {options.dataset}", metrics, options)
    return command.Outcome(metrics, dataclasses.asdict(config) | {"recipe": dataclasses.asdict(chosen)})


def shown(title: str, metrics: seeds.Metrics, options: Options) -> seeds.Metrics:
    """The metrics, after a figure and a table of them."""
    if is_first():
        save_spread(metrics, options.folder / f"{command.stem(options)}.png")
    Console().print(seeds.table(title, metrics))
    return metrics


def trainer(
    name: Model, chosen: Recipe, graph: data.Citation, max_epochs: int | None = None
) -> Callable[[Sequence[int]], seeds.Metrics]:
    """A function from seeds to their metrics, which trains them at once; one compilation for each number of seeds."""
    model = build(name, chosen, graph.task.layout, graph.task.words.shape[1], graph.num_classes)

    @jax.jit
    def fit_all(seeds, task):
        def fit_one(seed):
            state = fit(jax.random.key(seed), task, model, chosen, max_epochs)
            return model.apply(state.best.params, task.layout, task.words), state.epoch, state.params

        return jax.vmap(fit_one)(seeds)

    def measure(chunk: Sequence[int]) -> seeds.Metrics:
        started = time.perf_counter()
        logits, epochs, last = jax.device_get(fit_all(np.asarray(chunk), graph.task))
        check_finite("the weights after training", last)
        return {
            "test_accuracy": [data.accuracy(x, graph.test_labels) for x in logits],
            "validation_accuracy": [data.accuracy(x, graph.task.validation_labels) for x in logits],
            "epochs": epochs.tolist(),
            "seconds": [(time.perf_counter() - started) / len(chunk)] * len(chunk),
        }

    return measure


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("citation", PRESETS, run, options_type=Options, argv=argv)
