"""What the head sees, and how it stands among the others."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.atom_mapping.config import Config
from experiments.atom_mapping.mapping import attention_between


def save_figure(
    case: Any, weights: np.ndarray, mapped: np.ndarray, every: np.ndarray, config: Config, folder: Path
) -> Path:
    """Writes `atom_mapping.png`: attention between the atoms of one reaction, and every head's agreement."""
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    attention = attention_between(weights, case.reactants, case.products)
    left.imshow(attention, cmap="Blues")
    rows = np.flatnonzero(mapped >= 0)
    left.scatter(mapped[rows], rows, marker="s", s=90, facecolors="none", edgecolors="tab:red", label="the map")
    for axis, side, name in ((left.xaxis, case.reactants, "reactants"), (left.yaxis, case.products, "product")):
        axis.set_ticks(range(len(side.tokens)), [case.tokens[i] for i in side.tokens], fontsize=8)
        axis.label.set_text(f"atoms of the {name}")
    left.set_title(f"layer {config.layer}, head {config.head}: attention between atoms of one element", fontsize=10)
    left.legend(loc="lower left", fontsize=8)
    image = right.imshow(every, vmin=0, vmax=1, cmap="viridis")
    right.set_xlabel("head")
    right.set_ylabel("layer")
    right.set_yticks(range(len(config.compared_layers)), [str(layer) for layer in config.compared_layers])
    right.set_title("product atoms whose strongest partner is right", fontsize=10)
    figure.colorbar(image, ax=right)
    path = folder / "atom_mapping.png"
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    return path
