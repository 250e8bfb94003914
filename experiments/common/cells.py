"""Grids of settings: metrics named CELL/METRIC, a row of a table for each cell.

`python -m experiments.common.cells NAME...` writes the tables of `experiments/NAME/results/*.json` into its README, by
the function `tables` of `experiments/NAME/report.py`, (metrics) -> Markdown.
"""

import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table

from experiments.common import results, tables

START, END = "<!-- cells: written by python -m experiments.common.cells -->", "<!-- end of cells -->"
Metrics = Mapping[str, Sequence[float]]


def points(metrics: Metrics) -> dict[str, dict[str, list[float]]]:
    """cell -> metric -> its values, one for each seed."""
    found: dict[str, dict[str, list[float]]] = {}
    for name, values in metrics.items():
        cell, _, metric = name.rpartition("/")
        found.setdefault(cell, {})[metric] = list(values)
    return found


def reported(metrics: Metrics) -> dict[str, list[float]]:
    """Without the runs that chose something of a cell, CELL/rates/METRIC."""
    return {name: list(values) for name, values in metrics.items() if name.count("/") == 1}


def rows(metrics: Metrics, columns: Mapping[str, str]) -> list[list[str]]:
    """A header and a line for each cell: mean ± standard deviation of the metrics that `columns` gives a heading."""
    found = [["", *columns.values()]]
    for cell, each in points(metrics).items():
        entries = (tables.entry(results.summarise(each[name])) if name in each else "" for name in columns)
        found.append([cell, *entries])
    return found


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """The lines as a Markdown table."""
    header, *rest = lines
    return "\n".join(f"| {' | '.join(line)} |" for line in [header, ["---"] * len(header), *rest])


def shown(title: str, lines: Sequence[Sequence[str]]) -> Table:
    """The lines as a table for a terminal."""
    header, *rest = lines
    table = Table(*header, title=title)
    for line in rest:
        table.add_row(*line)
    return table


def values_of(record: Mapping) -> dict[str, list[float]]:
    """The metrics of a results file; what diverged is NaN."""
    each = {name: summary["values"] for name, summary in record["metrics"].items()}
    return {name: [float("nan") if x is None else x for x in values] for name, values in each.items()}


def written(text: str, name: str) -> str:
    """A README with the tables of its results between the two comments, and what they cost."""
    folder = Path(__file__).parent.parent / name
    report = importlib.import_module(f"experiments.{name}.report")
    parts = []
    for path in sorted((folder / "results").glob("*.json")):
        record = results.read(path)
        parts += [report.tables(values_of(record)), cost(path.stem, record)]
    return tables.put(text, START, END, "\n\n".join(parts))


def cost(stem: str, record: Mapping) -> str:
    """One line: on what and for how long, runs before an interruption included."""
    metrics = values_of(record)
    seeds = max(map(len, metrics.values()))
    spent = sum(sum(values) for name, values in metrics.items() if name.endswith("/processor_seconds"))
    energy = f"; {spent:,.0f} processor seconds, {results.watt_hours(spent):.2f} Wh by rule" if spent else ""
    return f"`results/{stem}.json`: {seeds} seeds, {record['device']}, {record['threads']} used{energy}."


def main(names: Sequence[str]) -> None:
    """Writes the READMEs."""
    for name in names:
        readme = Path(__file__).parent.parent / name / "README.md"
        readme.write_text(written(readme.read_text(encoding="utf-8"), name), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
