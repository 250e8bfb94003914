"""Runs of several seeds, each in a folder of its own, and their learning curves in one picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from matplotlib.figure import Figure
from rich.table import Table

from experiments.common.results import summarise
from experiments.common.seeds import check_fresh
from experiments.common.sequences.train import Answers, Init, Run, Trainer
from tgnn import plot
from tgnn.train.metrics_log import read_metrics


def train_seeds(options: Any, choice: str, trainer: Trainer, init: Init, test: Sequence) -> list[tuple[Run, Answers]]:
    """One run for each seed of the command line, and what its best weights say of the test examples.

    Raises:
        command.Mistake: a folder holds a run which is not to be resumed.
    """
    found = []
    for seed in options.all_seeds:
        folder = seed_dir(options, choice, seed)
        check_fresh(folder, options.resume)
        run = trainer.train(init, seed, folder, options.resume)
        answers = trainer.answer(run.params, test)
        print(
            f"{choice}, seed {seed}: {answers.score:.4f} on {len(answers.labels)} examples, "
            f"{run.held_out_score:.4f} held out, {run.seconds:.0f} s",
            flush=True,
        )
        found.append((run, answers))
    print("figure:", save_figure(options, choice))
    return found


def seed_dir(options: Any, choice: str, seed: int) -> Path:
    """Runs of different models, sizes and seeds do not share checkpoints."""
    return options.run_dir / f"{options.preset}-{choice}-seed{seed}"


def save_figure(options: Any, choice: str) -> Path:
    """The loss and the held-out score of every seed."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for seed in options.all_seeds:
        records = read_metrics(seed_dir(options, choice, seed) / "metrics.jsonl")
        plot.learning_curves(records, ["loss"], ylabel="nats", title=f"{choice}: training", ax=left)
        plot.learning_curves(records, ["held_out_score"], title="held-out training examples", ax=right)
    path = options.run_dir / f"{options.preset}-{choice}.png"
    figure.savefig(path, dpi=150)
    return path


def num_parameters(init: Init) -> int:
    """Numbers in the weights, counted without making them."""
    return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(init, jax.random.key(0))))


def table(choice: str, metrics: dict[str, Sequence[float]]) -> Table:
    """One line a metric."""
    shown = Table("metric", "mean", "sd", title=choice)
    for name, values in metrics.items():
        summary = summarise(values)
        shown.add_row(name.replace("_", " "), f"{summary['mean']:.4g}", f"{summary['std']:.2g}")
    return shown
