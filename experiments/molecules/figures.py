"""What a network says against what was measured."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.molecules.data import Task
from experiments.molecules.train import Trainer


def save_scatter(trainer: Trainer, params: Any, task: Task, path: Path) -> None:
    """One point a validation molecule."""
    batches = trainer.parts["validation"]
    said = np.concatenate([np.asarray(trainer.predict(params, batch))[batch.graphs >= 0] for batch in batches])
    truth = task.parts["validation"].labels
    figure = Figure(figsize=(5, 5), layout="constrained")
    ax = figure.add_subplot()
    ax.scatter(task.sd * truth + task.mean, task.sd * said + task.mean, s=4)
    ax.axline((task.mean, task.mean), slope=1, color="gray", linewidth=0.8)
    ax.set(xlabel="target", ylabel="prediction", title="validation molecules")
    figure.savefig(path, dpi=120)
