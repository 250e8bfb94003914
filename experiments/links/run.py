"""Can a graph network tell which citations are missing? Graph auto-encoders on Cora and CiteSeer.

Area under the ROC curve and average precision, of a tenth of the links and as many pairs without one.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.console import Console

from experiments.common import command, seeds
from experiments.common.training import train_seeds
from experiments.links.config import PRESETS, Config, Dataset, Decoder, Model
from experiments.links.task import load, make_task


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment, and what to train on what."""

    model: Model = "gcn"
    """Encoder: on the graph, or of each paper's words alone."""
    dataset: Dataset = "cora"
    """Citation graph."""
    decoder: Decoder = "dot_product"
    """From two papers to the logit of a link."""

    distributes: ClassVar[str] = "batch"


def run(config: Config, options: Options) -> command.Outcome:
    """Scores of every seed."""
    data = load(options.dataset, options.data_dir)
    asked = {part: len(pairs.senders) for part, pairs in data.parts.items()}
    print(f"{len(data.train.senders):,} links to learn, pairs to judge: {asked}", flush=True)
    about = dataclasses.asdict(config) | {"decoder": options.decoder}
    metrics = train_seeds(make_task(options.model, options.decoder, config, data), about, options)
    Console().print(seeds.table(f"{options.model} on {options.dataset}", metrics))
    return command.Outcome(metrics, about)


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("links", PRESETS, run, options_type=Options, argv=argv)
