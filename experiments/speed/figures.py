"""Time and memory against edges and against density, with the density from which on a matrix wins over a list."""

import math
from itertools import pairwise
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  the backend comes first

LABELS = {"forward": "forward", "both": "forward + backward"}


def draw(record: dict, path: Path) -> None:
    """The figures whose cases were measured, beside the results file."""
    for sweep, label in (("growth", "edges"), ("density", "density")):
        for name, quantity in {"time": "seconds", "memory": "temporary_bytes"}.items():
            lines = series(record, sweep, quantity)
            if lines:
                figure = plot(lines, label, "seconds" if quantity == "seconds" else "bytes of temporaries")
                figure.savefig(path.with_name(f"{path.stem}-{sweep}-{name}.png"), dpi=120)
                plt.close(figure)


def series(record: dict, sweep: str, quantity: str) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """Points of each side and direction, by the number in the name of the case."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for name, summary in record["metrics"].items():
        case, side, *rest = name.split("/")
        if case.startswith(f"{sweep}-") and rest and side != "floor":
            for direction in LABELS:
                if rest[0] == f"{direction}_{quantity}":
                    middle = sorted(summary["values"])[len(summary["values"]) // 2]
                    found.setdefault((side, direction), []).append((float(case.split("-", 1)[1]), middle))
    return {key: sorted(points) for key, points in found.items()}


def crossing(first: list[tuple[float, float]], second: list[tuple[float, float]]) -> float | None:
    """Where the first line rises over the second, between points of equal places on logarithmic axes; None: nowhere."""
    over = [(x, math.log(y / z)) for (x, y), (_, z) in zip(first, second, strict=True) if min(y, z) > 0]
    for (left, low), (right, high) in pairwise(over):
        if low <= 0 < high:
            return left * (right / left) ** (-low / (high - low))
    return None


def plot(lines, xlabel: str, ylabel: str):
    """A panel for each direction."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    for axis, (direction, title) in zip(axes, LABELS.items(), strict=True):
        for (side, which), points in lines.items():
            if which == direction:
                axis.loglog(*zip(*points, strict=True), marker="o", label=side)
        ends = [lines.get((side, direction)) for side in ("tgnn edges", "tgnn dense")]
        at = crossing(*ends) if all(ends) else None
        if at is not None:
            axis.axvline(at, color="black", linestyle=":", label=f"a matrix wins from {100 * at:.2g} % on")
        axis.set(title=title, xlabel=xlabel)
        axis.legend(fontsize=8)
    axes[0].set_ylabel(ylabel)
    return figure
