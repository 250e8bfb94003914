"""Can attention be trained to lie about its reasons?

Sentiment of film reviews (SST, two classes), with a penalty on the attention that sentiment words get: accuracy against
attention mass, where attention reads the words themselves and where the words have seen each other before. Beside it:
the same network where these words are unknown at test time, and one that never saw them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from experiments.common import command
from experiments.common.processes import is_first
from experiments.common.results import summarise
from experiments.common.seeds import Metrics, run_seeds
from experiments.deception import data
from experiments.deception.config import PRESETS, Config
from experiments.deception.model import Name
from experiments.deception.train import Kind, make_trainer


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment, with three seeds; also the model."""

    seeds: int = 3
    """How many runs of each penalty."""
    model: Name = "transformer"
    """Whether words see each other before attention reads them."""

    distributes: ClassVar[str] = "seeds"


def run(config: Config, options: Options) -> command.Outcome:
    """Trains one network per penalty and seed, those of a seed at once."""
    reviews = data.load(config, options.data_dir)
    share = np.mean([reviews.lexicon[x.tokens].mean() for x in reviews.test])
    covered = np.mean([reviews.lexicon[x.tokens].any() for x in reviews.test])
    print(f"{len(reviews.words)} sentiment words, such as {', '.join(reviews.words[:8])}")
    print(f"they are {share:.1%} of the nodes of a test sentence, and in {covered:.1%} of the sentences", flush=True)
    kinds = {f"penalty_{penalty:g}": (penalty, False) for penalty in config.penalties} | {"removed": (0.0, True)}
    trainer = make_trainer(options.model, config, reviews)

    def measure(chunk: Sequence[int]) -> dict[str, list[float]]:
        scores = trainer(chunk[0], Kind(*(jnp.array(x) for x in zip(*kinds.values(), strict=True))))
        return {f"{key}_{name}": [float(x[i])] for key, x in scores._asdict().items() for i, name in enumerate(kinds)}

    metrics = run_seeds(vars(config), options, measure)
    found = {key: values for key, values in metrics.items() if key not in ("mass_removed", "blind_accuracy_removed")}
    found |= {"lexicon_share": [float(share)], "lexicon_covered": [float(covered)]}
    names = list(kinds)
    Console().print(table(options.model, names, found))
    if is_first():
        draw(options.folder / f"{command.stem(options)}.png", names, found)
    return command.Outcome(found, vars(config) | {"lexicon": reviews.words[:50]})


def table(title: str, names: Sequence[str], found: Metrics) -> Table:
    """One line for each way to train."""
    shown = Table("trained with", "accuracy", "attention on sentiment words", "accuracy without them", title=title)
    for name in names:
        cells = (cell(found.get(f"{key}_{name}")) for key in ("accuracy", "mass", "blind_accuracy"))
        shown.add_row(name.replace("_", " "), *cells)
    return shown


def cell(values: Sequence[float] | None) -> str:
    """Mean and standard deviation, or nothing."""
    if values is None:
        return ""
    summary = summarise(values)
    return f"{summary['mean']:.1%} ± {summary['std']:.1%}"


def draw(path: Path, names: Sequence[str], found: Metrics) -> None:
    """Accuracy against attention mass, one point a seed."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    ax = figure.add_subplot()
    for name in names:
        if f"mass_{name}" in found:
            ax.scatter(found[f"mass_{name}"], found[f"accuracy_{name}"], label=name.replace("_", " "))
    ax.axhline(np.mean(found["accuracy_removed"]), color="gray", linewidth=0.8, label="never saw the words")
    ax.set(xlabel="attention on sentiment words", ylabel="accuracy", title="what attention shows and what it uses")
    ax.legend()
    figure.savefig(path, dpi=150)


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("deception", PRESETS, run, options_type=Options, argv=argv)
