"""How the loss and the validation score go, one line a split."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from experiments.heterophily.train import Seen


def save_curves(seen: Seen, every: int, metric: str, path: Path) -> None:
    """Loss on the left, validation score on the right; arrays are [splits, looks]."""
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    steps = every * np.arange(1, seen.loss.shape[1] + 1)
    titles = {"loss": "loss of a training step", "validation": f"validation {metric.replace('_', ' ')}"}
    for ax, (name, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        ax.plot(steps, getattr(seen, name).T, linewidth=0.8)
        ax.set(xlabel="step", title=title)
    figure.savefig(path, dpi=120)
