"""Do graph networks reach their published accuracy on Cora and CiteSeer, all of them on one attend and aggregate?"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from experiments import command
from experiments.citation import data, pretrained
from experiments.citation.config import PRESETS, Config, Dataset, Model, Recipe, recipe
from experiments.citation.train import build, fit

Metrics = dict[str, list[float]]


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment, and what to train on what."""

    model: Model = "gat"
    """Network to train."""
    dataset: Dataset = "cora"
    """Citation graph, with its public split."""
    pretrained: Path | None = None
    """Folder of the GAT authors' weights for Cora: score them instead of training."""


def run(config: Config, options: Options) -> Metrics:
    """Accuracies of every seed."""
    if options.pretrained:
        return pretrained.score(options.pretrained, options.data_dir)
    chosen = recipe(options.model, options.dataset)
    graph = data.load(options.dataset, self_loops=chosen.self_loops, data_dir=options.data_dir)
    return train(config, options.model, chosen, graph, options.all_seeds)


def train(config: Config, name: Model, chosen: Recipe, graph: data.Citation, seeds: Sequence[int]) -> Metrics:
    """Trains one model per seed, `config.seeds_at_once` of them at a time."""
    model = build(name, chosen, graph.task.words.shape[1], graph.num_classes)

    @jax.jit
    def fit_chunk(seeds, task):
        def fit_one(seed):
            state = fit(jax.random.key(seed), task, model, chosen, config.max_epochs)
            return model.apply(state.best.params, task.layout, task.words), state.epoch

        return jax.vmap(fit_one)(seeds)

    parts = []
    for chunk in chunks(seeds, config.seeds_at_once):
        started = time.perf_counter()
        logits, epochs = jax.device_get(fit_chunk(np.asarray(chunk), graph.task))
        seconds = (time.perf_counter() - started) / len(chunk)
        part = {
            "test_accuracy": [data.accuracy(x, graph.test_labels) for x in logits],
            "validation_accuracy": [data.accuracy(x, graph.task.validation_labels) for x in logits],
            "epochs": epochs,
            "seconds": np.full(len(chunk), seconds),
        }
        parts.append(part)
        print(progress(chunk, part), flush=True)
    return {key: np.concatenate([np.asarray(part[key]) for part in parts]).tolist() for key in parts[0]}


def chunks(seeds: Sequence[int], size: int) -> list[tuple[int, ...]]:
    """The seeds in groups of at most this size."""
    return [tuple(seeds[i : i + size]) for i in range(0, len(seeds), size)]


def progress(chunk, part) -> str:
    """A line on the seeds that are done."""
    mean = {key: float(np.mean(part[key])) for key in part}
    return (
        f"seeds {chunk[0]} to {chunk[-1]}: test accuracy {mean['test_accuracy']:.1%}, validation "
        f"{mean['validation_accuracy']:.1%}, {mean['epochs']:.0f} epochs, {mean['seconds']:.1f} s per seed"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("citation", PRESETS, run, options_type=Options, argv=argv)
