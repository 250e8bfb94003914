"""How many heads go for less than a percent, and the tables of all curves.

`python -m experiments.pruning.report` writes those of `results/*.json` into the README.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.table import Table

from experiments.common import results, tables
from experiments.common.cells import shown

LOSS = 0.01  # of the whole network's quality

START, END = "<!-- curves: written by python -m experiments.pruning.report -->", "<!-- end of curves -->"

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
    return shown("heads removed", rows(metrics))


def rows(metrics: Metrics) -> list[list[str]]:
    """The header and the lines of the table."""
    curves = points(metrics)
    counts = sorted({count for curve in curves.values() for count in curve})
    found = [["quality", "method", *(f"-{count}" for count in counts), "heads for < 1 %"]]
    for (method, quality), curve in sorted(curves.items(), key=lambda x: x[0][1]):
        cells = (in_words(curve[count]) if count in curve else "" for count in counts)
        free = in_words(np.asarray(metrics[f"{method}/{quality}_free"]))
        found.append([quality, method, *cells, free])
    return found


def in_words(values: np.ndarray) -> str:
    """Mean and spread."""
    spread = f" ± {values.std(ddof=1):.2g}" if len(values) > 1 else ""
    return f"{values.mean():.4g}{spread}"


def markdown(folder: Path) -> str:
    """The tables of all results of a folder, and what removal saves."""
    parts = []
    for path in sorted(folder.glob("*.json")):
        record = results.read(path)
        metrics = {name: summary["values"] for name, summary in record["metrics"].items()}
        header, *rest = rows(metrics)
        lines = [header, ["---"] * len(header), *rest]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
        seeds = max(map(len, metrics.values()))
        saved = {tuple(name.split("/")[1:]): values for name, values in metrics.items() if name.startswith("removal/")}
        each = (f"{name.replace('_', ' ')} {in_words(np.asarray(values))}" for (name, _), values in saved.items())
        removed = next(iter(saved))[1]
        parts.append(f"{path.stem}, {seeds} seeds, {record['device']}; {removed} heads cut out: {', '.join(each)}.")
    return "\n\n".join(parts)


def main() -> None:
    """Writes the README."""
    folder = Path(__file__).parent
    tables.put_into(folder / "README.md", START, END, markdown(folder / "results"))


if __name__ == "__main__":
    main()
