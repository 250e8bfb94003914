"""One drawing on each of its graphs, and learning curves."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from experiments.sketches.data import Points
from experiments.sketches.graphs import RELATIONS
from tgnn import plot
from tgnn.train.metrics_log import read_metrics


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


def save_curves(run_dir: Path) -> None:
    """Training loss and validation accuracies over the steps."""
    records = read_metrics(run_dir / "metrics.jsonl")
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    plot.learning_curves(records, ["loss"], ylabel="nats", title="training", ax=left)
    names = ["validation_top1", "validation_top5"]
    plot.learning_curves(records, names, ylabel="accuracy", title="validation drawings", ax=right)
    figure.savefig(run_dir / "learning.png", dpi=100)
