"""One model of `rank`: its positions and its rate are chosen with one seed, then all seeds are trained with them.

Every run is noted in a file as soon as it is over, and one that is noted is not run again.
"""

import dataclasses
import json
import math
import shutil
import time
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from experiments.common.failures import Mistake
from experiments.common.training import initial
from experiments.language.config import Config
from experiments.language.data import Text
from experiments.language.models import POSITIONS, make
from experiments.language.task import make_task, optimizer
from tgnn.train import checkpoint
from tgnn.train.identity import plain
from tgnn.train.schedules import warmup_cosine
from tgnn.train.step import TrainState, make_carrying_step, make_step
from tgnn.typing import Array, Params

Step = Callable[[TrainState, Any, Array, Array], tuple[TrainState, dict[str, Any]]]


class Run(NamedTuple):
    """What decides what comes out."""

    positions: str
    learning_rate: float
    num_steps: int
    seed: int


class Notes:
    """What runs of one model have found, in a file of a line each.

    Args:
        path: of the file.
        about: what all runs share; a file that says otherwise is a Mistake.
    """

    def __init__(self, path: Path, about: Any):
        self.path, header = path, json.dumps(plain(about), sort_keys=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        first, *rest = path.read_text(encoding="utf-8").splitlines() if path.exists() else [header]
        if first != header:
            raise Mistake(f"{path} is of runs with another config; choose another --run-dir, or delete it")
        self.found: dict[Run, dict[str, float]] = {Run(*run): found for run, found in map(json.loads, whole(rest))}
        lines = [header, *(json.dumps(line) for line in self.found.items())]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def get(self, run: Run, measure: Callable[[Run], dict[str, float]]) -> dict[str, float]:
        """What the run has found, or finds now."""
        if run not in self.found:
            self.found[run] = measure(run)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps((run, self.found[run])) + "\n")
        return self.found[run]


def whole(lines: Iterable[str]) -> list[str]:
    """The lines that were written to their end."""
    return [line for line in lines if line.endswith("]")]


class Course:
    """A model with one kind of positions, whose step is compiled once for all rates, lengths and seeds."""

    def __init__(self, name: str, config: Config, text: Text):
        self.model, self.config = make(name, config, len(text.vocabulary))
        self.task = make_task(self.model, self.config, text)

    @cached_property
    def step(self) -> Any:
        """The compiled step: (state, batch, peak of the rate, how much faster than the preset's the schedule is)."""
        task, config = self.task, self.config
        unit = warmup_cosine(1.0, config.warmup_steps, config.num_steps, 0.1)
        make = make_step if task.carry is None else make_carrying_step

        def step(state, tokens, peak, pace):
            return make(task.loss, optimizer(config, lambda count: peak * unit(count * pace)))(state, tokens)

        arguments = self.begin(0), task.batches(0)(0), jnp.float32(1), jnp.float32(1)
        return jax.jit(step, donate_argnums=0).lower(*arguments).compile()

    def begin(self, seed: int) -> TrainState:
        """Before the first step."""
        return initial(self.task.init, optimizer(self.config), self.task.carry, seed)

    def train(self, run: Run) -> tuple[Params, dict[str, float]]:
        """The last weights of a run, and its scores and costs."""
        batches, state, step = self.task.batches(run.seed), self.begin(run.seed), self.step
        peak, pace = jnp.float32(run.learning_rate), jnp.float32(self.config.num_steps / run.num_steps)
        began = time.process_time()
        for i in range(run.num_steps):
            state, _ = step(state, batches(i), peak, pace)
        params = jax.block_until_ready(state.params)
        seconds = time.process_time() - began
        scores = {name: score if math.isfinite(score) else math.inf for name, score in self.task.score(params).items()}
        memory = step.memory_analysis()
        scores["processor_seconds_per_step"] = seconds / run.num_steps
        scores["temporary_bytes"] = memory.temp_size_in_bytes if memory else math.nan
        return params, scores


class Chosen(NamedTuple):
    """What became of a model."""

    config: Config  # with the positions and the rate that were chosen
    sweep: dict[str, float]  # bits on validation of each choice, after the fewer steps
    metrics: dict[str, list[float]]  # of the seeds
    processor_seconds: float  # of all runs


def choose(name: str, config: Config, text: Text, *, rates: tuple[float, ...], part: int, seeds: range, folder: Path):
    """Trains a model with each of its positions at each rate, and all seeds with the best of them.

    Args:
        name: of the model.
        config: the preset's.
        text: with the parts "validation", by which is chosen, and "test".
        rates: peaks of the rate.
        part: the sweep's runs have one of so many parts of the steps.
        seeds: of the runs that are reported; the sweep's is the first.
        folder: for the notes and the weights of each seed.

    Returns:
        `Chosen`.
    """
    notes = Notes(folder / f"{name}.jsonl", {"config": dataclasses.asdict(config), "text": text.identity})
    courses = {
        positions: Course(name, dataclasses.replace(config, positions=positions), text) for positions in POSITIONS[name]
    }
    short = config.num_steps // part

    def measure(run: Run) -> dict[str, float]:
        began = time.process_time()
        params, scores = courses[run.positions].train(run)
        if run.num_steps == config.num_steps:
            shutil.rmtree(weights(folder, name, run.seed), ignore_errors=True)  # of a run that was stopped here
            checkpoint.save(weights(folder, name, run.seed), run.num_steps, params)
        scores["processor_seconds"] = time.process_time() - began
        print(name, *run, f"{scores['validation_bits']:.3f} bits, {scores['processor_seconds']:.1f} s", flush=True)
        return scores

    trials = [Run(positions, rate, short, seeds[0]) for positions in courses for rate in rates]
    bits = {run: notes.get(run, measure)["validation_bits"] for run in trials}
    best = min(bits, key=bits.__getitem__)
    found = [notes.get(best._replace(num_steps=config.num_steps, seed=seed), measure) for seed in seeds]
    return Chosen(
        dataclasses.replace(courses[best.positions].config, learning_rate=best.learning_rate),
        {f"{run.positions} {run.learning_rate:g}": value for run, value in bits.items()},
        {metric: [scores[metric] for scores in found] for metric in found[0] if metric != "processor_seconds"},
        sum(scores["processor_seconds"] for scores in notes.found.values()),
    )


def weights(folder: Path, name: str, seed: int) -> Path:
    """Where the weights of a seed are."""
    return folder / f"{name}-seed{seed}"
