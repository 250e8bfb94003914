"""What the grid of `heads` says: a table of all cells, spreads against heads with a test, and the figure.

`python -m experiments.heads.report` draws `results/cpu.png`; `python -m experiments.common.cells heads` writes the
tables.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import levene, ttest_ind

from experiments.common import cells, results
from tgnn.plot.shades import curve_style

COLUMNS = {
    "validation_nats": "validation nats",
    "validation_bits": "bits",
    "first_quarter_nats": "nats in training, first quarter",
    "num_parameters": "weights",
    "hidden_dim": "hidden features",
    "learning_rate": "rate",
    "seconds_per_step": "seconds a step and seed",
}


def rows(metrics: cells.Metrics) -> list[list[str]]:
    """A line for each cell."""
    return cells.rows(cells.reported(metrics), COLUMNS)


def by_heads(metrics: cells.Metrics, metric: str) -> dict[str, dict[int, np.ndarray]]:
    """reduction -> heads -> values; 0 heads where there is no such number."""
    found: dict[str, dict[int, np.ndarray]] = {}
    for cell, each in cells.points(cells.reported(metrics)).items():
        name, _, heads = cell.partition("-")
        found.setdefault(name, {})[int(heads or 0)] = np.asarray(each[metric])
    return found


def spreads(metrics: cells.Metrics) -> list[list[str]]:
    """Standard deviations over initial weights by heads, and whether they differ: Brown and Forsythe's test."""
    several = {
        (metric, name): found
        for metric in ("validation_nats", "first_quarter_nats")
        for name, found in by_heads(metrics, metric).items()
        if 0 not in found and len(found) > 1
    }
    heads = sorted({h for found in several.values() for h in found})
    lines = [["sd over initial weights of", "reduction", *(f"{h} heads" for h in heads), "p, all equal"]]
    for (metric, name), found in several.items():
        values = list(found.values())
        p = levene(*values, center="median").pvalue if all(len(x) > 1 for x in values) else np.nan
        sds = (f"{deviation(found[h]):.3g}" if h in found else "" for h in heads)
        lines.append([metric.replace("_", " "), name, *sds, f"{p:.2g}"])
    return lines


def gains(metrics: cells.Metrics) -> list[list[str]]:
    """Nats below softmax's best number of heads, by initial weights that do not know of each other: Welch's test."""
    each = by_heads(metrics, "validation_nats")
    best = {name: min(found.items(), key=lambda item: item[1].mean()) for name, found in each.items()}
    ours = best["softmax"][1]
    lines = [["reduction at its best", "heads", "nats above softmax at its best", "p, equal"]]
    for name, (heads, values) in sorted(best.items(), key=lambda item: item[1][1].mean()):
        p = ttest_ind(values, ours, equal_var=False)[1] if name != "softmax" and len(ours) > 1 else np.nan
        test = "" if np.isnan(p) else f"{p:.2g}"
        lines.append([name, str(heads or "none"), f"{values.mean() - ours.mean():+.3f}", test])
    return lines


def tables(metrics: cells.Metrics) -> str:
    """All of it in Markdown."""
    return "\n\n".join(cells.markdown(part) for part in (rows(metrics), spreads(metrics), gains(metrics)))


def draw(metrics: cells.Metrics, path: Path) -> Path:
    """Loss against heads, and its spread against heads; a level line for what has no heads."""
    each = by_heads(metrics, "validation_nats")
    heads = sorted({h for found in each.values() for h in found if h}) or [1]
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for i, (name, found) in enumerate(each.items()):
        points = {h: found[0] for h in heads} if 0 in found else dict(sorted(found.items()))
        mean, spread = (np.array([f(x) for x in points.values()]) for f in (np.mean, deviation))
        style = curve_style(i) | ({"marker": ""} if 0 in found else {})
        left.errorbar(list(points), mean, spread, capsize=3, label=name.replace("_", " "), **style)
        if 0 not in found:
            right.plot(list(points), spread, label=name.replace("_", " "), **style)
    left.set(xlabel="heads", ylabel="validation nats a character")
    right.set(xlabel="heads", ylabel="standard deviation over initial weights", ylim=(0, None))
    for ax in (left, right):
        ax.set_xscale("log", base=2)
        ax.set_xticks(heads, [str(h) for h in heads])
        ax.grid(alpha=0.3)
    figure.legend(*left.get_legend_handles_labels(), loc="outside right upper")
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
