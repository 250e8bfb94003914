"""How well do graph networks predict properties of molecules, and what does the choice of aggregation matter?

ZINC (penalised logP; mean absolute error) and ESOL (solubility; root mean square error), the last step of each run.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from experiments.common import command, seeds
from experiments.molecules import data, train
from experiments.molecules.config import PRESETS, Config, Dataset, Model
from experiments.molecules.figures import save_scatter
from experiments.molecules.models import build


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment, and what to train on what."""

    model: Model = "mpnn_sum"
    """Network to train."""
    dataset: Dataset = "zinc"
    """Molecules."""


def run(config: Config, options: Options) -> seeds.Metrics:
    """Errors of every seed."""
    assert options.run_dir is not None  # command.complete has filled it in
    run_dir = options.run_dir
    limits = {"train": config.train_molecules, "validation": config.validation_molecules}
    encode = data.encoder(options.model, config.encoding_dim)
    task = data.load(options.dataset, data_dir=options.data_dir, encode=encode, **limits)
    network = build(options.model, config, task.sizes, task.train.nodes.shape[1] - len(task.sizes))
    trainer = train.make_trainer(network, config, task, pairs=options.model == "gps")
    parameters = train.num_parameters(network)
    print(f"{parameters:,} parameters, {len(task.train.labels):,} molecules, {config.num_steps} steps", flush=True)

    def measure(chunk: Sequence[int]) -> seeds.Metrics:
        folder = run_dir / f"{command.stem(options)}-seed{chunk[0]}"
        seeds.check_fresh(folder, options.resume)
        metrics, state = train.train(
            trainer, network, config, task, seed=chunk[0], run_dir=folder, resume=options.resume
        )
        save_scatter(trainer, state.params, task, folder / "predictions.png")
        return {name: [value] for name, value in (metrics | {"parameters": parameters}).items()}

    metrics = seeds.run_seeds(config, options, measure)
    Console().print(seeds.table(f"{options.model} on {options.dataset}", metrics))
    for part in task.parts:
        print(f"always the mean of the training molecules: {part} mae {train.constant_error(task, part):.3f}")
    return metrics


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("molecules", PRESETS, run, options_type=Options, argv=argv)
