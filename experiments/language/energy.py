"""What does a bit cost? Bits per character against the energy of a training, for every ranked model.

Energy is processor seconds of the steps times a stated power (`experiments.common.results.WATTS`), not measured.

    python -m experiments.language.energy --results experiments/language/results --figure energy.png
"""

from dataclasses import dataclass
from pathlib import Path

import tyro
from matplotlib.figure import Figure

from experiments.common import results
from experiments.common.failures import check_file, mistakes
from experiments.common.terminal import any_terminal


@dataclass(frozen=True)
class Options:
    """What is drawn, and where it goes."""

    figure: Path
    """File for the picture."""
    results: Path = Path("experiments/language/results")
    """Folder of the results of `experiments.language.rank`."""
    preset: str = "rank"
    """Which of them."""


def points(folder: Path, preset: str) -> dict[str, tuple[float, float, float]]:
    """model -> watt-hours of one training, bits per character of the test text, and their spread over the seeds."""
    found = {}
    for path in sorted(folder.glob(f"{preset}-*.json")):
        record = results.read(path)
        metrics, config = record["metrics"], record["config"]
        seconds = metrics["processor_seconds_per_step"]["mean"] * config["num_steps"]
        bits = metrics["test_bits"]
        found[config["model"]] = (seconds * results.WATTS / 3600, bits["mean"], bits["std"])
    return found


def draw(found: dict[str, tuple[float, float, float]]) -> Figure:
    """A point for each model; those that none beats in both are joined."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    ax = figure.add_subplot()
    for name, (energy, bits, spread) in found.items():
        ax.errorbar(energy, bits, yerr=spread, fmt="o", color="#0072B2", markersize=4, capsize=2)
        ax.annotate(name.replace("_", " "), (energy, bits), xytext=(4, 3), textcoords="offset points", fontsize=8)
    best = [found[name][:2] for name in frontier(found)]
    ax.plot(*zip(*best, strict=True), color="#D55E00", linestyle="--", linewidth=1)
    ax.set(xscale="log", xlabel=f"watt-hours of a training, {results.WATTS} W a busy core", ylabel="bits per character")
    ax.grid(alpha=0.3, which="both")
    return figure


def frontier(found: dict[str, tuple[float, float, float]]) -> list[str]:
    """The models that no other beats in both, the cheapest first."""
    kept: list[str] = []
    for name in sorted(found, key=lambda name: found[name][:2]):
        if not kept or found[name][1] < found[kept[-1]][1]:
            kept.append(name)
    return kept


def main(argv: list[str] | None = None) -> None:
    """Draws the picture, and says which models are on its edge."""
    any_terminal()
    options = tyro.cli(Options, description=__doc__, args=argv)
    with mistakes("language.energy", ValueError):
        check_file("--figure", options.figure)
        found = points(options.results, options.preset)
        if not found:
            raise ValueError(
                f"--results {options.results} has no {options.preset}-*.json; run experiments.language.rank"
            )
    draw(found).savefig(options.figure, dpi=110)
    for name in frontier(found):
        energy, bits, spread = found[name]
        print(f"{name}: {bits:.3f} ± {spread:.3f} bits for {energy:.3f} Wh")
    print(f"results: {options.results}; figures: {options.figure}")


if __name__ == "__main__":
    main()
