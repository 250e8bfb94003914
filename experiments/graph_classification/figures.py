"""Accuracies over the epochs."""

from pathlib import Path

from matplotlib.figure import Figure

from experiments.graph_classification.train import History
from tgnn import plot


def save_curves(history: History, path: Path) -> None:
    """The means over the ten folds."""
    columns = {name: values.mean(axis=0) for name, values in history._asdict().items()}
    records = [
        {"step": epoch + 1} | {name: float(values[epoch]) for name, values in columns.items()}
        for epoch in range(history.test.shape[1])
    ]
    figure = Figure(figsize=(6, 4), layout="constrained")
    ax = figure.add_subplot()
    plot.learning_curves(records, list(columns), ylabel="accuracy, mean of ten folds", ax=ax)
    ax.set_xlabel("epoch")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
