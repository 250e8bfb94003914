"""How the accuracies of many seeds spread."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure


def save_spread(metrics: dict[str, list[float]], path: Path) -> None:
    """One point a seed, validation against test accuracy; a line at the mean of either."""
    validation, test = metrics["validation_accuracy"], metrics["test_accuracy"]
    figure = Figure(figsize=(5, 4), layout="constrained")
    ax = figure.add_subplot()
    ax.scatter(validation, test, s=12)
    ax.axvline(float(np.mean(validation)), color="gray", linewidth=0.8)
    ax.axhline(float(np.mean(test)), color="gray", linewidth=0.8)
    ax.set(xlabel="validation accuracy", ylabel="test accuracy", title=f"{len(test)} seeds")
    figure.savefig(path, dpi=100)
