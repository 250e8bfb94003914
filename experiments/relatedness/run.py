"""How related are two sentences? A Tree-LSTM reads both, on balanced trees or on chains.

SICK: scores from 1 to 5; Pearson's correlation on the trial pairs, with the checkpoint that does best on held-out
training pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from experiments.common import command
from experiments.common.sequences.seeds import num_parameters, table, train_seeds
from experiments.relatedness.config import PRESETS, Config
from experiments.relatedness.data import Name, load
from experiments.relatedness.model import PairTrainer, make


@dataclass(frozen=True)
class Options(command.Options):
    """Also: the model."""

    model: Name = "tree_lstm"
    """A Tree-LSTM on a balanced binary tree of the words, or an LSTM on their chain."""


def run(config: Config, options: Options) -> dict[str, Sequence[float]]:
    """Trains one model per seed."""
    data = load(config, options.model, options.data_dir)
    model = make(config, data)
    trainer = PairTrainer(model, config, data.train, data.held_out)
    found = train_seeds(options, options.model, trainer, model.init, data.test)
    metrics: dict[str, Sequence[float]] = {
        "pearson": [answers.score for _, answers in found],
        "held_out_pearson": [run.held_out_score for run, _ in found],
        "seconds": [run.seconds for run, _ in found],
        "parameters": [num_parameters(model.init)] * len(found),
    }
    Console().print(table(options.model, metrics))
    return metrics


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("relatedness", PRESETS, run, options_type=Options, argv=argv)
