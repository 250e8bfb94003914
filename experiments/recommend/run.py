"""Does a graph of who chose what recommend better than the choices alone, and better than no training at all?

LastFM and Gowalla; recall and NDCG of the first 20 of all items that a user has not chosen in train.
"""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.console import Console

from experiments.common import command, seeds
from experiments.common.training import num_parameters, train_seeds
from experiments.recommend import data
from experiments.recommend.config import L2, PRESETS, Config, Dataset, Model
from experiments.recommend.models import build, make_filter, two_steps
from experiments.recommend.task import make_task, ranker


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment, and what to train on what."""

    model: Model = "lightgcn"
    """Network to train; "filter" needs no training."""
    dataset: Dataset = "lastfm"
    """Choices to learn."""

    distributes: ClassVar[str] = "batch"


def run(config: Config, options: Options) -> command.Outcome:
    """Recall and NDCG of every seed."""
    if config.l2 is None:
        config = dataclasses.replace(config, l2=L2[options.model])
    if config.on_device and options.model == "pinsage":
        raise command.Mistake("--model pinsage samples on the host, so that batches cannot be drawn on_device")
    choices = data.load(options.dataset, data_dir=options.data_dir, holdout=config.holdout, max_pairs=config.max_pairs)
    about = dataclasses.asdict(config) | {"scored": choices.part, "train_pairs": len(choices.train.users)}
    sizes = (
        f"{choices.num_users:,} users, {choices.num_items:,} items, {len(choices.train.users):,} pairs to learn from"
    )
    print(f"{sizes}, {len(choices.scored.users):,} of {choices.part} to find", flush=True)
    if options.model == "filter":
        metrics = filtered(config, choices, options)
    else:
        network = build(options.model, config, choices.num_users + choices.num_items)
        epochs = config.num_steps * config.batch_size / len(choices.train.users)
        print(f"{num_parameters(network.init):,} parameters, {epochs:.0f} epochs", flush=True)
        metrics = train_seeds(make_task(network, config, choices), about, options)
    Console().print(seeds.table(f"{options.model} on {options.dataset}", metrics))
    return command.Outcome(metrics, about)


def filtered(config: Config, choices: data.Choices, options: Options) -> seeds.Metrics:
    """The filter's scores, the same for every seed: only one is allowed."""
    if options.seeds != 1:
        raise command.Mistake("--model filter learns nothing, so that seeds change nothing; leave out --seeds")
    started = time.perf_counter()
    narrow = dataclasses.replace(config, block=min(config.block, 32))  # its messages are [n_edge, block]
    metrics = ranker(choices, narrow)(two_steps, make_filter(choices))
    return {name: [value] for name, value in (metrics | {"seconds": time.perf_counter() - started}).items()}


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("recommend", PRESETS, run, options_type=Options, argv=argv)
