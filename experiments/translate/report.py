"""What the grid of `translate` says: a table of all graphs, what separates them from the complete one, the figure.

`python -m experiments.translate.report` draws `results/*.png`; `python -m experiments.common.cells translate` writes
the tables.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import ttest_rel

from experiments.common import cells, results
from tgnn.plot.shades import curve_style

COLUMNS = {
    "validation_nats": "validation nats",
    "validation_bleu": "validation BLEU",
    "test_bleu": "test BLEU",
    "test_bleu_beam": "by beam",
    "edges_per_token": "edges a token",
    "num_parameters": "weights",
    "processor_seconds": "processor seconds",
}
MEASURES = {"validation_nats": "validation nats", "test_bleu_beam": "test BLEU by beam"}
USUAL = "complete"


def rows(metrics: cells.Metrics) -> list[list[str]]:
    """A line for each graph."""
    return cells.rows(metrics, COLUMNS)


def gains(metrics: cells.Metrics) -> list[list[str]]:
    """Differences to the complete graph, seed by seed: the same weights at the start, the same batches."""
    each = cells.points(metrics)
    lines = [["beside the complete graph", *(f"{name}, difference" for name in MEASURES.values()), "p, equal BLEU"]]
    if USUAL not in each:
        return lines
    for cell, found in each.items():
        if cell == USUAL:
            continue
        apart = [np.subtract(found[name], each[USUAL][name]) for name in MEASURES]
        p = ttest_rel(found["test_bleu_beam"], each[USUAL]["test_bleu_beam"])[1] if len(apart[0]) > 1 else np.nan
        shown = (f"{x.mean():+.3f}" + (f" ± {x.std(ddof=1):.2g}" if len(x) > 1 else "") for x in apart)
        lines.append([cell, *shown, "" if np.isnan(p) else f"{p:.2g}"])
    return lines


def tables(metrics: cells.Metrics) -> str:
    """All of it in Markdown."""
    return "\n\n".join(cells.markdown(part) for part in (rows(metrics), gains(metrics)) if part[1:])


def draw(metrics: cells.Metrics, path: Path) -> Path:
    """Loss and BLEU by graph: the mean, and each seed as a point."""
    each = cells.points(metrics)
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    for ax, (metric, label) in zip(figure.subplots(1, 2), MEASURES.items(), strict=True):
        for i, found in enumerate(each.values()):
            values = np.asarray(found[metric])
            style = curve_style(i) | {"linestyle": ""}
            ax.plot(values, [i] * len(values), alpha=0.5, **style)
            ax.plot([values.mean()] * 2, [i - 0.3, i + 0.3], color=style.get("color"))
        ax.set_yticks(range(len(each)), list(each))
        ax.invert_yaxis()
        ax.set(xlabel=label)
        ax.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path


if __name__ == "__main__":
    folder = Path(__file__).parent / "results"
    for file in sorted(folder.glob("*.json")):
        if len(cells.points(measured := cells.values_of(results.read(file)))) > 1:  # there is something to compare
            draw(measured, file.with_suffix(".png"))
