"""The accuracies of all models, with and without word vectors: `python -m experiments.sentiment.figures`."""

from pathlib import Path

from matplotlib.figure import Figure

from experiments.common import results
from tgnn.plot.shades import COLORS, MARKS

METRICS = {"accuracy": "five classes", "binary_accuracy": "which side, without neutral sentences"}


def draw(folder: Path) -> Path:
    """Draws `accuracy.png` of the results of a folder: a mark for each run, a line from the lowest to the highest."""
    records = [results.read(path) for path in sorted(folder.glob("*.json"))]
    best = {}  # model -> its highest mean
    for record in records:
        model, mean = record["config"]["model"], record["metrics"]["accuracy"]["mean"]
        best[model] = max(best.get(model, 0.0), mean)
    models = sorted(best, key=best.__getitem__)
    figure = Figure(figsize=(9, 1 + 0.45 * len(models)), layout="constrained")
    for ax, (metric, title) in zip(figure.subplots(1, 2, sharey=True), METRICS.items(), strict=True):
        for record in records:
            has_vectors = bool(record["config"]["vectors"])
            values = [100 * value for value in record["metrics"][metric]["values"]]
            height = models.index(record["config"]["model"]) + (0.12 if has_vectors else -0.12)
            ax.hlines(height, min(values), max(values), color=COLORS[has_vectors], linewidth=1)
            ax.plot(values, [height] * len(values), MARKS[has_vectors], color=COLORS[has_vectors], markersize=5)
        ax.set(xlabel=f"{title}, %", yticks=range(len(models)), yticklabels=[name.replace("_", " ") for name in models])
        ax.set_ylim(-0.5, len(models) - 0.5)
        ax.grid(alpha=0.3, axis="x")
    for i, label in enumerate(("words begin as noise", "GloVe")):
        figure.axes[0].plot([], [], MARKS[i], color=COLORS[i], label=label)
    figure.axes[0].legend(loc="lower right")
    path = folder / "accuracy.png"
    figure.savefig(path, dpi=120)
    return path


if __name__ == "__main__":
    draw(Path(__file__).parent / "results")
