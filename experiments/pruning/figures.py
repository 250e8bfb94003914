"""The curves of all methods, one panel for each quality."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from experiments.pruning.report import Metrics, points
from tgnn import plot


def draw(metrics: Metrics, path: Path) -> Path:
    """Writes the picture: mean and spread of the seeds."""
    curves = points(metrics)
    qualities = list(dict.fromkeys(quality for _, quality in curves))
    figure = Figure(figsize=(4.5 * len(qualities), 3.6), layout="constrained")
    for ax, quality in zip(np.ravel(figure.subplots(1, len(qualities))), qualities, strict=True):
        lines = {method: curve for (method, name), curve in curves.items() if name == quality}
        counts = sorted(next(iter(lines.values())))
        runs = {method: np.stack([curve[count] for count in counts], 1) for method, curve in lines.items()}
        plot.spread_curves(counts, runs, xlabel="heads removed", ylabel=quality, ax=ax)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path
