"""The runs as a map of heat, the gradients before the first step as curves, and schedules from their configs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.warmup.report import TITLES, Metrics, cells, gradients, numbers
from tgnn import plot
from tgnn.train.schedules import make_schedule


def draw(metrics: Metrics, path: Path) -> Path:
    """Writes the picture: nats by arrangement, start and rate; gradients by layer, and of the last layer by depth."""
    figure = Figure(figsize=(15, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.5, 1, 1))
    draw_nats(metrics, left)
    draw_gradients(metrics, middle, right)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path


def draw_nats(metrics: Metrics, ax: Any) -> None:
    """A square for each arrangement (down) and start and rate (across): the mean, dark where it is low."""
    found = cells(metrics)
    arrangements = list(dict.fromkeys(a for a, _, _ in found))
    columns = list(dict.fromkeys((s, r) for _, s, r in found))
    worst = float(numbers(metrics["unigram_nats"])[0])
    shown = np.full((len(arrangements), len(columns)), worst)
    for i, arrangement in enumerate(arrangements):
        for j, column in enumerate(columns):
            cell = found[(arrangement, *column)]
            shown[i, j] = np.where(cell.diverged > 0, worst, cell.nats).mean()
            bad = "*" * int(cell.diverged.sum())
            ink = "white" if shown[i, j] < (shown.min() + worst) / 2 else "black"
            ax.text(j, i, f"{shown[i, j]:.2f}{bad}", ha="center", va="center", fontsize=8, color=ink)
    ax.imshow(shown, cmap="viridis", vmax=worst, aspect="auto")
    ax.set_xticks(range(len(columns)), [f"{TITLES[s]}\n{r}" for s, r in columns], fontsize=7)
    ax.set_yticks(range(len(arrangements)), [TITLES[a] for a in arrangements])
    ax.set_xlabel("warm-up and peak rate")
    ax.set_title("validation nats (* for each diverged seed, as the unigram)", fontsize=10)


def draw_gradients(metrics: Metrics, middle: Any, right: Any) -> None:
    """By layer in the deepest networks, and of the last layer at each depth."""
    found = gradients(metrics)
    depths = sorted({depth for _, depth in found})
    arrangements = list(dict.fromkeys(a for a, _ in found))
    layers = {TITLES[a]: found[a, depths[-1]].T for a in arrangements}  # [seeds, layers]
    label = "norm of the gradient"
    plot.spread_curves(range(1, depths[-1] + 1), layers, xlabel="layer", ylabel=label, ax=middle)
    last = {TITLES[a]: np.stack([found[a, depth][-1] for depth in depths], 1) for a in arrangements}
    plot.spread_curves(depths, last, xlabel="layers", ylabel=label, ax=right)
    middle.set_title(f"{depths[-1]} layers, before the first step", fontsize=10)
    right.set_title("the last layer", fontsize=10)
    right.set_yscale("log")


def draw_schedules(configs: Mapping[str, Mapping[str, Any]], num_steps: int, path: Path, *, log: bool = False) -> Path:
    """Writes a picture of schedules from their configs, what `tgnn.schedules.make_schedule` takes."""
    made = {name: make_schedule(**config) for name, config in configs.items()}
    ax = plot.learning_rates(made, num_steps, log=log)
    path.parent.mkdir(parents=True, exist_ok=True)
    ax.figure.savefig(path, dpi=120)
    return path
