"""Learning curves from the metrics of a run."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from tgnn import plot
from tgnn.train.metrics_log import read_metrics


def learning_curves(
    folder: Path, names: Sequence[str], title: str, *, unit: str = "nats", log: bool = False, ylabel: str = ""
) -> Path:
    """Writes `learning.png`: the training loss on the left, and on the right what was looked at on the way.

    Args:
        folder: of one run, with its `metrics.jsonl`.
        names: the metrics of the right panel.
        title: of the right panel.
        unit: of the loss.
        log: whether the loss has a logarithmic scale.
        ylabel: of the right panel.
    """
    records = read_metrics(folder / "metrics.jsonl")
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    plot.learning_curves(records, ["loss"], log=log, ylabel=unit, title="training", ax=left)
    plot.learning_curves(records, names, ylabel=ylabel, title=title, ax=right)
    path = folder / "learning.png"
    figure.savefig(path, dpi=150)
    return path
