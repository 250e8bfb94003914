"""Do graph networks reach their published scores where neighbours are mostly of other classes?

Minesweeper, tolokers and chameleon (filtered), each with ten fixed splits: seed s is split s modulo ten.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console

from experiments.common import command, seeds
from experiments.common.training import num_parameters
from experiments.heterophily import data
from experiments.heterophily.config import PRESETS, Config, Dataset, Model
from experiments.heterophily.figures import save_curves
from experiments.heterophily.models import build
from experiments.heterophily.train import Seen, advance, begin
from tgnn.train.guard import check_finite


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment, and what to train on what."""

    model: Model = "gcn"
    """Network to train; "resnet" sees no graph."""
    dataset: Dataset = "minesweeper"
    """Graph with its ten splits."""

    distributes: ClassVar[str] = "seeds"
    remedy: ClassVar[str] = "go on with --resume, which keeps the splits that are done"


def run(config: Config, options: Options) -> command.Outcome:
    """Scores of every split."""
    if config.num_steps % config.block or config.block % config.evaluate_every:
        raise command.Mistake(
            f"num_steps {config.num_steps} must be a multiple of block {config.block}, and that one of evaluate_every "
            f"{config.evaluate_every}"
        )
    graph = data.load(options.dataset, options.model, config.layout, options.data_dir)
    about = dataclasses.asdict(config) | {"layout": type(graph.task.layout).__name__}
    measure = trainer(config, options, graph)
    metrics = seeds.run_seeds(about, options, measure, at_once=config.splits_at_once)
    Console().print(seeds.table(f"{options.model} on {options.dataset}", metrics))
    return command.Outcome(metrics, about)


def trainer(config: Config, options: Options, graph: data.Graph) -> Callable[[Sequence[int]], seeds.Metrics]:
    """A function from seeds to their metrics, which trains them at once."""
    outputs = 1 if graph.num_classes == 2 else graph.num_classes
    network = build(options.model, config, graph.task.features.shape[1], outputs)
    print(f"{num_parameters(network.init):,} parameters, edges as {type(graph.task.layout).__name__}", flush=True)
    block = jax.vmap(advance(network, config, config.block), in_axes=(0, 0, 0, None))
    programs: dict[int, jax.stages.Compiled] = {}  # by number of splits
    start = jax.jit(jax.vmap(lambda rng: begin(rng, network, config)))

    def measure(chunk: Sequence[int]) -> seeds.Metrics:
        began = time.perf_counter()
        keys = jax.vmap(jax.random.split)(jax.vmap(jax.random.key)(jnp.asarray(chunk)))  # [splits, 2]
        splits = jax.tree.map(lambda mask: mask[np.asarray(chunk) % data.SPLITS], graph.splits)
        state = start(keys[:, 0])
        given = keys[:, 1], splits, graph.task
        if len(chunk) not in programs:
            programs[len(chunk)] = jax.jit(block, donate_argnums=0).lower(state, *given).compile()
        program = programs[len(chunk)]
        memory = program.memory_analysis()
        taken = "" if memory is None else f", {memory.temp_size_in_bytes / 2**30:.1f} GiB beside its arguments"
        print(f"compiled in {time.perf_counter() - began:.0f} s{taken}", flush=True)
        looped, found = time.perf_counter(), []
        for done in range(config.block, config.num_steps + 1, config.block):
            state, seen = program(state, *given)
            found.append(jax.device_get(seen))
            print(f"step {done}: validation {found[-1].validation[:, -1].mean():.4f}", flush=True)
        per_step = (time.perf_counter() - looped) / config.num_steps
        check_finite("the weights after training", jax.device_get(state.params))
        curves = Seen(*(np.concatenate(values, axis=1) for values in zip(*found, strict=True)))  # [splits, looks]
        name = f"{command.stem(options)}-seed{chunk[0]}.png"
        save_curves(curves, config.evaluate_every, graph.metric, options.folder / name)
        best = jax.device_get(state.best)
        return {
            f"test_{graph.metric}": best.test.tolist(),
            f"validation_{graph.metric}": best.validation.tolist(),
            "step": best.step.tolist(),
            "seconds": [(time.perf_counter() - began) / len(chunk)] * len(chunk),
            "seconds_per_step": [per_step] * len(chunk),
        }

    return measure


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("heterophily", PRESETS, run, options_type=Options, argv=argv)
