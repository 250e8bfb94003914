"""What a network says against what was measured."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from experiments.molecules.data import Molecules


def save_scatter(said: np.ndarray, molecules: Molecules, path: Path) -> Path:
    """One point a validation molecule; `said` are its standardised predictions."""
    truth, mean, sd = molecules.parts["validation"].labels, molecules.mean, molecules.sd
    figure = Figure(figsize=(5, 5), layout="constrained")
    ax = figure.add_subplot()
    ax.scatter(sd * truth + mean, sd * said + mean, s=4)
    ax.axline((mean, mean), slope=1, color="gray", linewidth=0.8)
    ax.set(xlabel="target", ylabel="prediction", title="validation molecules")
    figure.savefig(path, dpi=120)
    return path
