"""The tables of the README: `python -m experiments.warmup.report` writes them from `results/*.json`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.table import Table

from experiments.common import results, tables
from experiments.common.cells import markdown as as_markdown
from experiments.common.cells import shown

START, END = "<!-- arrangements: written by python -m experiments.warmup.report -->", "<!-- end of arrangements -->"
TITLES = {
    "post": "post-LN",
    "pre": "pre-LN",
    "sandwich": "sandwich",
    "gated": "gated",
    "dlcl": "DLCL",
    "none": "none",
    "tenth": "a tenth",
    "compressive": "Compressive's",
}

Metrics = Mapping[str, Sequence[float | None]]


class Cell(NamedTuple):
    """All seeds of one arrangement from one start at one rate."""

    nats: np.ndarray  # [seeds], NaN where numbers overflowed
    diverged: np.ndarray  # [seeds], 1 where the unigram is better


def values_of(record: Mapping) -> Metrics:
    """The values of each metric of a results file."""
    return {name: summary["values"] for name, summary in record["metrics"].items()}


def numbers(values: Sequence[float | None]) -> np.ndarray:
    """One number a seed; JSON has null for what is not finite."""
    return np.array([np.nan if x is None else x for x in values], float)


def cells(metrics: Metrics) -> dict[tuple[str, str, str], Cell]:
    """The runs by (arrangement, start, rate), in the order in which they ran."""
    found = {}
    for name in metrics:
        if name.endswith("/nats"):
            arrangement, start, rate, _ = name.split("/")
            where = f"{arrangement}/{start}/{rate}"
            found[arrangement, start, rate] = Cell(*(numbers(metrics[f"{where}/{x}"]) for x in ("nats", "diverged")))
    return found


def gradients(metrics: Metrics) -> dict[tuple[str, int], np.ndarray]:
    """Gradient norms before the first step by (arrangement, depth): [layers, seeds]."""
    found: dict[tuple[str, int], list[np.ndarray]] = {}
    for name, values in metrics.items():
        arrangement, *rest = name.split("/")
        if rest[:1] == ["gradient"]:
            found.setdefault((arrangement, int(rest[1])), []).append(numbers(values))
    return {where: np.stack(layers) for where, layers in found.items()}


def in_words(cell: Cell) -> str:
    """Mean and spread of the runs that did not diverge, and how many did."""
    kept = cell.nats[cell.diverged == 0]
    bad = f"{int(cell.diverged.sum())} of {len(cell.nats)} diverged"
    if not len(kept):
        return bad
    return spread(kept) + ("" if len(kept) == len(cell.nats) else f" ({bad})")


def spread(values: np.ndarray, digits: int = 3) -> str:
    """Mean ± standard deviation, where there are several."""
    shown = f"{values.mean():.{digits}f}"
    return f"{shown} ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else shown


def nats_rows(metrics: Metrics) -> list[list[str]]:
    """Header and lines: an arrangement and start a line, a rate a column."""
    found = cells(metrics)
    rates = list(dict.fromkeys(rate for _, _, rate in found))
    lines = [["arrangement", "warm-up", *(f"rate {rate}" for rate in rates)]]
    for arrangement, start in dict.fromkeys((a, s) for a, s, _ in found):
        runs = (found.get((arrangement, start, rate)) for rate in rates)
        lines.append([TITLES[arrangement], TITLES[start], *("" if cell is None else in_words(cell) for cell in runs)])
    return lines


def gradient_rows(metrics: Metrics) -> list[list[str]]:
    """Header and lines: an arrangement a line; the last layer at each depth, and the first at the greatest."""
    found = gradients(metrics)
    depths = list(dict.fromkeys(depth for _, depth in found))
    lines = [["arrangement", *(f"last of {depth}" for depth in depths), f"first of {depths[-1]}", "last / first"]]
    for arrangement in dict.fromkeys(a for a, _ in found):
        deepest = found[arrangement, depths[-1]]
        last = (spread(found[arrangement, depth][-1], 4) for depth in depths)
        lines.append([TITLES[arrangement], *last, spread(deepest[0], 4), spread(deepest[-1] / deepest[0], 2)])
    return lines


def console_table(metrics: Metrics) -> Table:
    """The nats a character, for a terminal."""
    return shown("validation nats a character", nats_rows(metrics))


def markdown(folder: Path) -> str:
    """The tables of all results of a folder."""
    parts = []
    for path in sorted(folder.glob("*.json")):
        record = results.read(path)
        metrics = values_of(record)
        hours, unigram = record.get("watt_hours"), numbers(metrics["unigram_nats"])
        energy = "" if hours is None else f" ({hours:.1f} Wh, counting {results.WATTS} W for a busy core)"
        parts += [
            f"Preset {path.stem}, {len(unigram)} seeds, {record['device']}: {record['processor_seconds']:,.0f} "
            f"processor seconds{energy}. A run diverged if it ends without a number, or above the unigram's "
            f"{unigram[0]:.3f} nats.",
            as_markdown(nats_rows(metrics)),
            "Norm of the gradient of the feed-forward part's second matrix before the first step:",
            as_markdown(gradient_rows(metrics)),
        ]
    return "\n\n".join(parts)


def main() -> None:
    """Writes the README."""
    folder = Path(__file__).parent
    tables.put_into(folder / "README.md", START, END, markdown(folder / "results"))


if __name__ == "__main__":
    main()
