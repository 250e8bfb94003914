"""Recovery and loss against the number of neighbours."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.protein.config import Config

LABELS = {"nearest": "nearest in space", "chain": "nearest along the chain", "random": "at random"}


def save_figure(config: Config, scores: Any, designs: dict[int, list[float]], folder: Path) -> Path:
    """Writes `protein.png`: means over the backbones, and each backbone as a dot."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    panels = figure.subplots(1, 2)
    for panel, name in zip(panels, ("recovery", "loss"), strict=True):
        for i, (kind, label) in enumerate(LABELS.items()):
            values = np.array([[getattr(x, name) for x in scores[kind, k]] for k in config.num_neighbors])
            panel.plot(config.num_neighbors, values.mean(1), color=f"C{i}", label=label)
            for each in values.T:
                panel.plot(config.num_neighbors, each, ".", color=f"C{i}", markersize=4)
        panel.set_xlabel("neighbours of each residue, itself among them")
    if designs:
        designed = [np.mean(each) for each in designs.values()]
        panels[0].plot(list(designs), designed, "--", color="C3", label="designed, nearest in space")
    panels[0].set_ylabel("residues recovered")
    panels[1].set_ylabel("nats a residue")
    panels[0].legend(fontsize=8)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "protein.png"
    figure.savefig(path, dpi=150)
    return path
