"""Which graph lets a model evaluate nested operations on digits?

ListOps, generated as in the Long Range Arena: a Tree-LSTM on the tree of the operations, a BP-Transformer, a
Transformer and an LSTM on the tokens. Ten classes; reported on test sequences that are in no other split.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.console import Console

from experiments.common import command, seeds
from experiments.common.sentences.models import Name
from experiments.common.training import train_seeds
from experiments.listops import data
from experiments.listops.config import PRESETS, Config
from experiments.listops.task import make_task


@dataclass(frozen=True)
class Options(command.Options):
    """Also: the model."""

    model: Name = "tree_lstm"
    """Which graph a sequence is."""

    distributes: ClassVar[str] = "batch"


def run(config: Config, options: Options) -> seeds.Metrics:
    """Trains one model per seed."""
    task = make_task(options.model, config, data.load(config, trees=options.model == "tree_lstm"))
    metrics = train_seeds(task, config, options)
    Console().print(seeds.table(options.model, metrics))
    return metrics


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("listops", PRESETS, run, options_type=Options, argv=argv)
