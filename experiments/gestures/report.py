"""What the grid of `gestures` says: accuracies, the lead of the graphs over complete ones, and the learning curve.

`python -m experiments.gestures.report` draws the figures of the results; `python -m experiments.common.cells gestures`
writes the tables.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import ttest_rel

from experiments.common import cells, results
from tgnn.plot.shades import curve_style

COLUMNS = {
    "drawings": "drawings",
    "validation_top1": "accuracy",
    "validation_top5": "among the first five",
    "test_top1": "accuracy, test",
    "parameters": "weights",
    "seconds": "seconds",
}
METRIC, USUAL = "validation_top1", "complete"


def rows(metrics: cells.Metrics) -> list[list[str]]:
    """A line for each cell."""
    known = {name: title for name, title in COLUMNS.items() if any(key.endswith(f"/{name}") for key in metrics)}
    return cells.rows(metrics, known)


def curves(metrics: cells.Metrics) -> dict[str, dict[int, dict[str, np.ndarray]]]:
    """graphs -> people -> metric -> values, one for each seed."""
    found: dict[str, dict[int, dict[str, np.ndarray]]] = {}
    for cell, each in cells.points(metrics).items():
        graphs, _, count = cell.rpartition("-")
        found.setdefault(graphs, {})[int(count)] = {name: np.asarray(values) for name, values in each.items()}
    return found


def leads(metrics: cells.Metrics) -> list[list[str]]:
    """Points of accuracy above complete graphs, of the same seeds, so the same people: a paired t test."""
    each = curves(metrics)
    others = [name for name in each if name != USUAL]
    lines = [["people", *(title for name in others for title in (f"{name} above {USUAL}", "p"))]]
    for count, usual in each[USUAL].items():
        line = [str(count)]
        for name in others:
            lead = 100 * (each[name][count][METRIC] - usual[METRIC])
            p = ttest_rel(each[name][count][METRIC], usual[METRIC]).pvalue if lead.std() else np.nan
            line += [f"{lead.mean():+.1f} ± {deviation(lead):.1f}", "" if np.isnan(p) else f"{p:.2g}"]
        lines.append(line)
    return lines


def tables(metrics: cells.Metrics) -> str:
    """All of it in Markdown."""
    return "\n\n".join(cells.markdown(part) for part in (rows(metrics), leads(metrics)))


def draw(metrics: cells.Metrics, path: Path) -> Path:
    """Accuracy against the number of drawings."""
    figure = Figure(figsize=(6.5, 4.2), layout="constrained")
    ax = figure.subplots()
    for i, (graphs, found) in enumerate(curves(metrics).items()):
        drawings = [each["drawings"].mean() for each in found.values()]
        mean, spread = ([f(100 * each[METRIC]) for each in found.values()] for f in (np.mean, deviation))
        ax.errorbar(drawings, mean, spread, capsize=3, label=graphs.replace("_", " "), **curve_style(i))
    ax.set(xlabel="training drawings", ylabel="accuracy on drawings of others, %", xscale="log")
    ticks = sorted({each["drawings"].mean() for found in curves(metrics).values() for each in found.values()})
    ax.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    ax.minorticks_off()
    ax.grid(alpha=0.3)
    ax.legend(title="graphs")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path


def deviation(values: np.ndarray) -> float:
    """The sample's standard deviation; 0 of a single value."""
    return float(np.std(values, ddof=min(len(values) - 1, 1)))


if __name__ == "__main__":
    folder = Path(__file__).parent / "results"
    for file in sorted(folder.glob("*.json")):
        draw(cells.values_of(results.read(file)), file.with_suffix(".png"))
