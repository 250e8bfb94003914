"""Learning curves: what was learned without labels, and from them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tgnn import plot
from tgnn.train.metrics_log import read_metrics


def save_curves(pretraining: Path, curves: Mapping[str, Sequence[Sequence[Mapping]]], metric: str, path: Path) -> Path:
    """Writes the loss of the pre-training, and beside it the test metric of the fine-tunings.

    Args:
        pretraining: folder of that run.
        curves: for each fine-tuning the looks of every seed.
        metric: that they were looked at by.
        path: of the picture.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    records = read_metrics(pretraining / "metrics.jsonl")
    plot.learning_curves(records, ["loss"], ylabel="nats", title="pre-training", ax=left)
    for arm, runs in curves.items():
        steps = [look["step"] for look in runs[0]]
        values = np.array([[look[f"test_{metric}"] for look in looks] for looks in runs])  # [seeds, looks]
        right.plot(steps, values.mean(axis=0), label=arm, marker=".")
        right.fill_between(steps, values.min(axis=0), values.max(axis=0), alpha=0.2)
    right.set(xscale="log", xlabel="step", ylabel=f"test {metric}", title="fine-tuning, mean and range of the seeds")
    right.grid(alpha=0.3)
    right.legend()
    figure.savefig(path, dpi=110)
    return path
