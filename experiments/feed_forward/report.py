"""What the grid of `feed_forward` says: a table of all cells, each beside the usual one, and the figure.

`python -m experiments.feed_forward.report` draws `results/cpu.png`; `python -m experiments.common.cells feed_forward`
writes the tables.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.stats import ttest_ind

from experiments.common import cells, results
from experiments.feed_forward.models import USUAL
from tgnn.plot.shades import curve_style

KINDS = {
    "width": "equal depth and width",
    "wide": "equal weights: wider",
    "deep": "equal weights: deeper",
    "persistent": "persistent vectors instead",
}
COLUMNS = {
    "num_layers": "layers",
    "model_dim": "width",
    "num_parameters": "weights",
    "validation_nats": "validation nats",
    "validation_bits": "bits",
    "learning_rate": "rate",
    "seconds_per_step": "seconds a step and seed",
}


def rows(metrics: cells.Metrics) -> list[list[str]]:
    """A line for each cell, and how far it lies from the usual one, with Welch's test."""
    own = cells.reported(metrics)
    header, *lines = cells.rows(own, COLUMNS)
    if f"width-{USUAL}/validation_nats" not in own:  # only other cells were run
        return [header, *lines]
    usual = np.asarray(own[f"width-{USUAL}/validation_nats"])
    for line in lines:
        values = np.asarray(own[f"{line[0]}/validation_nats"])
        same = line[0] == f"width-{USUAL}"
        p = ttest_ind(values, usual, equal_var=False)[1] if len(usual) > 1 and not same else np.nan
        line += ["" if same else f"{values.mean() - usual.mean():+.3f}", "" if np.isnan(p) else f"{p:.2g}"]
    return [[*header, f"nats above width-{USUAL}", "p, equal"], *lines]


def tables(metrics: cells.Metrics) -> str:
    """In Markdown."""
    return cells.markdown(rows(metrics))


def draw(metrics: cells.Metrics, path: Path) -> Path:
    """Loss against the ratio and against the number of weights, mean and spread, a line for each kind."""
    each = cells.points(cells.reported(metrics))
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for i, (kind, label) in enumerate(KINDS.items()):
        ratios = sorted(int(cell.partition("-")[2]) for cell in each if cell.startswith(f"{kind}-"))
        if not ratios:
            continue
        named = {r: f"{kind}-{r}" for r in ratios}
        if kind != "persistent" and f"width-{USUAL}" in each:  # it is of all kinds but the last
            named[USUAL] = f"width-{USUAL}"
        chosen = [each[named[r]] for r in sorted(named)]
        mean = [np.mean(x["validation_nats"]) for x in chosen]
        spread = [np.std(x["validation_nats"], ddof=min(len(x["validation_nats"]) - 1, 1)) for x in chosen]
        weights = [x["num_parameters"][0] for x in chosen]
        style = curve_style(i)
        left.errorbar(sorted(named), mean, spread, capsize=3, label=label, **style)
        right.errorbar(weights, mean, spread, capsize=3, label=label, **style | {"linestyle": ""})
    left.set(
        xlabel="hidden features over width, or persistent vectors over width", ylabel="validation nats a character"
    )
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.set(xlabel="weights")
    for ax in (left, right):
        ax.grid(alpha=0.3)
    left.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path


if __name__ == "__main__":
    folder = Path(__file__).parent / "results"
    for file in sorted(folder.glob("*.json")):
        draw(cells.values_of(results.read(file)), file.with_suffix(".png"))
