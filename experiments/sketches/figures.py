"""One drawing on each of its graphs."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from experiments.sketches.data import Points
from experiments.sketches.graphs import RELATIONS
from tgnn import plot


def save_graphs(points: Points, path: Path) -> None:
    """The first drawing of several strokes and at least 12 points, if there is one, on each graph."""
    suits = (points.stroke.max(axis=1) > 0) & ((points.stroke >= 0).sum(axis=1) >= 12)
    drawing = int(np.argmax(suits))
    real = points.stroke[drawing] >= 0
    places = points.coordinates[drawing][real] * [1, -1]
    figure = Figure(figsize=(4 * len(RELATIONS), 4), layout="constrained")
    for ax, (name, relation) in zip(figure.subplots(1, len(RELATIONS)), RELATIONS.items(), strict=True):
        mask = np.asarray(relation(points.stroke[drawing]))[real][:, real]
        np.fill_diagonal(mask, False)  # every point has a loop; they would hide the rest
        plot.draw_graph(mask, positions=places, node_size=12, title=name.replace("_", " "), ax=ax)
    figure.savefig(path, dpi=100)
