"""How fast are neighbours sampled, and does an epoch on a million nodes and twenty million edges fit in 4 GB?

A synthetic graph with hubs. Model "sampler": batches a second, beside PyG's NeighborLoader. "graph_sage": an epoch.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.console import Console

from experiments.common import command, seeds
from experiments.sampling.config import PRESETS, Config, Model
from experiments.sampling.epoch import epoch
from experiments.sampling.race import race


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment, and what is measured."""

    model: Model = "sampler"
    """The sampler alone, or an epoch of training on what it gives."""

    keeps_checkpoints: ClassVar[bool] = False
    remedy: ClassVar[str] = "nothing is kept of it: run it again"


def run(config: Config, options: Options) -> command.Outcome:
    """Batches a second, or the seconds and the memory of an epoch."""
    if options.seeds != 1:
        raise command.Mistake("--seeds: the most memory is that of one run in a process; run each seed on its own")
    if config.batches * config.batch_size > config.num_nodes:
        raise command.Mistake(f"{config.batches} batches of {config.batch_size} are more than {config.num_nodes} nodes")
    about = dataclasses.asdict(config)
    if options.model == "sampler":
        found, about["peer"] = race(config)
    else:
        found = epoch(config, options.seed)
    metrics = {name: value if isinstance(value, list) else [value] for name, value in found.items()}
    Console().print(seeds.table(options.model, metrics))
    return command.Outcome(metrics, about)


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("sampling", PRESETS, run, options_type=Options, argv=argv)
