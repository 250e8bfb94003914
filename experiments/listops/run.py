"""Which graph lets a model evaluate nested operations on digits?

ListOps, generated as in the Long Range Arena: a Tree-LSTM on the tree of the operations, a BP-Transformer, a
Transformer and an LSTM on the tokens. Ten classes; reported on test sequences that are in no other split.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from experiments.common import command
from experiments.common.sequences.models import Name, Task, make
from experiments.common.sequences.seeds import num_parameters, table, train_seeds
from experiments.common.sequences.train import Trainer
from experiments.listops import data
from experiments.listops.config import PRESETS, Config


@dataclass(frozen=True)
class Options(command.Options):
    """Also: the model."""

    model: Name = "tree_lstm"
    """Which graph a sequence is."""


def run(config: Config, options: Options) -> dict[str, Sequence[float]]:
    """Trains one model per seed."""
    splits = data.load(config, trees=options.model == "tree_lstm")
    examples = [example for part in splits for example in part]
    classifier = make(options.model, config, Task(data.VOCAB_SIZE, 10, None, examples))
    trainer = Trainer(classifier, config, splits.train, splits.held_out)
    found = train_seeds(options, options.model, trainer, classifier.init, splits.test)
    metrics: dict[str, Sequence[float]] = {
        "accuracy": [answers.score for _, answers in found],
        "held_out_accuracy": [run.held_out_score for run, _ in found],
        "seconds": [run.seconds for run, _ in found],
        "parameters": [num_parameters(classifier.init)] * len(found),
    }
    Console().print(table(options.model, metrics))
    return metrics


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("listops", PRESETS, run, options_type=Options, argv=argv)
