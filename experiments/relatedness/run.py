"""How related are two sentences? A Tree-LSTM reads both, on balanced trees or on chains.

SICK: scores from 1 to 5; Pearson's correlation on the trial pairs, and on the test pairs where the file is present,
with the weights that do best on held-out training pairs.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.console import Console

from experiments.common import command, seeds
from experiments.common.training import train_seeds
from experiments.relatedness.config import PRESETS, Config
from experiments.relatedness.data import Name, load
from experiments.relatedness.task import make_task


@dataclass(frozen=True)
class Options(command.Options):
    """Also: the model."""

    model: Name = "tree_lstm"
    """A Tree-LSTM on a balanced binary tree of the words, or an LSTM on their chain."""

    distributes: ClassVar[str] = "batch"


def run(config: Config, options: Options) -> command.Outcome:
    """Trains one model per seed."""
    data = load(config, options.model, options.data_dir)
    about = dataclasses.asdict(config) | {"scored": list(data.parts)}
    metrics = train_seeds(make_task(config, data), about, options)
    Console().print(seeds.table(options.model, metrics))
    return command.Outcome(metrics, about)


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("relatedness", PRESETS, run, options_type=Options, argv=argv)
