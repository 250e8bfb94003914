"""Cosines beside people's judgements, and the seconds of both sides."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure


def save_figure(cosines: np.ndarray, judged: np.ndarray, found: dict[str, Any], folder: Path) -> Path:
    """Writes `embeddings.png`."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.scatter(judged, cosines, s=8, alpha=0.5)
    left.set_xlabel("relatedness as people judge it")
    left.set_ylabel("cosine of the two sentences")
    left.set_title(f"Spearman's rho {found['spearman']:.3f}", fontsize=10)
    sides = [name.removesuffix("_first_seconds") for name in found if name.endswith("_first_seconds")]
    right.boxplot([found[f"{name}_seconds"] for name in sides], tick_labels=sides)
    right.set_ylim(bottom=0)
    right.set_ylabel("seconds, warm")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "embeddings.png"
    figure.savefig(path, dpi=150)
    return path
