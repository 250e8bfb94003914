"""How many heads go for less than a percent, and the table of all curves."""

from collections.abc import Mapping, Sequence

import numpy as np
from rich.table import Table

LOSS = 0.01  # of the whole network's quality

Metrics = Mapping[str, Sequence[float]]


def points(metrics: Metrics) -> dict[tuple[str, str], dict[int, np.ndarray]]:
    """The values of all seeds by (method, quality) and number of removed heads."""
    found: dict[tuple[str, str], dict[int, np.ndarray]] = {}
    for name, values in metrics.items():
        method, quality, *removed = name.split("/")
        if removed and method != "removal":
            found.setdefault((method, quality), {})[int(removed[0])] = np.asarray(values)
    return found


def with_limits(metrics: Metrics) -> dict[str, list[float]]:
    """Also `METHOD/QUALITY_free`: of each seed, how many removed heads the curve reaches with less than 1 % loss."""
    found = {name: list(values) for name, values in metrics.items()}
    for (method, quality), curve in points(metrics).items():
        counts = sorted(curve)
        values = np.stack([curve[count] for count in counts], 1)  # [seeds, points]
        good = values >= (1 - LOSS) * values[:, :1]
        reached = np.logical_and.accumulate(good, 1).sum(1) - 1  # up to the first point that is worse
        found[f"{method}/{quality}_free"] = [float(counts[i]) for i in reached]
    return found


def table(metrics: Metrics) -> Table:
    """A row for each method and quality, a column for each number of removed heads."""
    curves = points(metrics)
    counts = sorted({count for curve in curves.values() for count in curve})
    shown = Table("method", "quality", *(f"-{count}" for count in counts), "heads for < 1 %", title="heads removed")
    for (method, quality), curve in curves.items():
        cells = (in_words(curve[count]) if count in curve else "" for count in counts)
        shown.add_row(method, quality, *cells, in_words(np.asarray(metrics[f"{method}/{quality}_free"])))
    return shown


def in_words(values: np.ndarray) -> str:
    """Mean and spread."""
    spread = f" ± {values.std(ddof=1):.2g}" if len(values) > 1 else ""
    return f"{values.mean():.4g}{spread}"
