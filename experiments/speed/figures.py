"""Time against edges, time against density with the crossover, and memory against edges."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  the backend comes first

LABELS = {"forward": "forward", "both": "forward + backward"}


def draw(record: dict, path: Path) -> None:
    """The figures whose cases were measured, beside the results file."""
    for sweep, label in (("growth", "edges"), ("density", "density")):
        quantities = {"time": "seconds", "memory": "temporary_bytes"} if sweep == "growth" else {"time": "seconds"}
        for name, quantity in quantities.items():
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


def plot(lines, xlabel: str, ylabel: str):
    """A panel for each direction."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    for axis, (direction, title) in zip(axes, LABELS.items(), strict=True):
        for (side, which), points in lines.items():
            if which == direction:
                axis.loglog(*zip(*points, strict=True), marker="o", label=side)
        axis.set(title=title, xlabel=xlabel)
        axis.legend(fontsize=8)
    axes[0].set_ylabel(ylabel)
    return figure
