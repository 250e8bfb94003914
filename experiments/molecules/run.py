"""How well do graph networks predict properties of molecules, and what does the choice of aggregation matter?

ZINC (penalised logP; mean absolute error) and ESOL (solubility; root mean square error), the last step of each run.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.console import Console

from experiments.common import command, seeds
from experiments.common.training import num_parameters, train_seeds
from experiments.molecules import data
from experiments.molecules.config import PRESETS, Config, Dataset, Model
from experiments.molecules.models import build
from experiments.molecules.task import constant_error, make_task


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment, and what to train on what."""

    model: Model = "mpnn_sum"
    """Network to train."""
    dataset: Dataset = "zinc"
    """Molecules."""

    distributes: ClassVar[str] = "batch"


def run(config: Config, options: Options) -> command.Outcome:
    """Errors of every seed."""
    limits = {"train": config.train_molecules, "validation": config.validation_molecules}
    encode = data.encoder(options.model, config.encoding_dim)
    molecules = data.load(options.dataset, data_dir=options.data_dir, encode=encode, **limits)
    network = build(options.model, config, molecules.sizes, molecules.train.nodes.shape[1] - len(molecules.sizes))
    sizes = f"{num_parameters(network.init):,} parameters, {len(molecules.train.labels):,} molecules"
    print(f"{sizes}, {config.num_steps} steps", flush=True)
    about = dataclasses.asdict(config) | {"scored": list(molecules.parts)}
    metrics = train_seeds(make_task(network, config, molecules, pairs=options.model == "gps"), about, options)
    for part in molecules.parts:
        print(f"always the mean of the training molecules: {part} mae {constant_error(molecules, part):.3f}")
    Console().print(seeds.table(f"{options.model} on {options.dataset}", metrics))
    return command.Outcome(metrics, about)


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("molecules", PRESETS, run, options_type=Options, argv=argv)
