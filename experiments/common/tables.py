"""Writes the measured results into the README of an experiment: `python -m experiments.common.tables NAME...`.

The files `experiments/NAME/results/*.json` are results as `--json` writes them, kept with the code. Each becomes a row
between the two comments of `experiments/NAME/README.md`; with no names, all experiments that have such a folder and
comments are written. A test compares, so that no number in these tables is typed by hand.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.common import results

START, END = "<!-- results: written by python -m experiments.common.tables -->", "<!-- end of results -->"
CHOICES = ("model", "dataset")


def table(folder: Path) -> str:
    """A Markdown table: choices, runs, and mean ± standard deviation of every metric that has more than one value."""
    records = [results.read(path) for path in sorted(folder.glob("*.json"))]
    choices = [name for name in CHOICES if any(name in record["config"] for record in records)]
    metrics = list(dict.fromkeys(name for record in records for name in record["metrics"]))
    header = ["file", *choices, "runs", *(name.replace("_", " ") for name in metrics)]
    rows = [header, ["---"] * len(header)]
    for path, record in zip(sorted(folder.glob("*.json")), records, strict=True):
        chosen = [str(record["config"].get(name, "")) for name in choices]
        runs = max(len(summary["values"]) for summary in record["metrics"].values())
        rows.append([path.stem, *chosen, str(runs), *(entry(record["metrics"].get(name)) for name in metrics)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def entry(summary: dict | None) -> str:
    """One metric in a cell: counts as such, other numbers with four digits, a spread where there is one."""
    if summary is None:
        return ""
    mean = summary["mean"]
    if mean is None:
        return "diverged"
    shown = f"{mean:,.0f}" if mean == round(mean) and abs(mean) >= 10 else f"{mean:.4g}"
    return shown if len(summary["values"]) == 1 or summary["std"] == 0 else f"{shown} ± {summary['std']:.2g}"


def written(text: str, folder: Path) -> str:
    """A README with the table of a folder between its comments; a ValueError if it does not have them."""
    return put(text, START, END, table(folder))


def put_into(file: Path, start: str, end: str, body: str) -> None:
    """`put`, in a file."""
    file.write_text(put(file.read_text(encoding="utf-8"), start, end, body), encoding="utf-8")


def put(text: str, start: str, end: str, body: str) -> str:
    """A text with `body` between two of its lines.

    Raises:
        ValueError: it does not have them.
    """
    before, found, rest = text.partition(start)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"the text has no lines {start!r} and then {end!r}; put both where the table belongs")
    return f"{before}{start}\n\n{body}\n\n{end}{after}"


def folders(root: Path) -> list[Path]:
    """The folders of results that are kept with the code and have a place in their README."""
    readmes = [path for path in sorted(root.glob("*/README.md")) if START in path.read_text(encoding="utf-8")]
    return [path.parent / "results" for path in readmes if (path.parent / "results").is_dir()]


def main(names: Sequence[str]) -> None:
    """Writes the READMEs."""
    root = Path(__file__).parent.parent
    for folder in [root / name / "results" for name in names] or folders(root):
        readme = folder.parent / "README.md"
        readme.write_text(written(readme.read_text(encoding="utf-8"), folder), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
