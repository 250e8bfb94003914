"""Trains what an experiment says once, a `Task`, from each of its seeds: the one loop that saves, resumes and reports.

RUN_DIR/PRESET-MODEL-DATASET.seeds.jsonl      a line for each finished seed
RUN_DIR/PRESET-MODEL-DATASET-seed0/           config.json, metrics.jsonl, checkpoints/, best/, figures
"""

import json
import math
import statistics
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.common import command, figures, processes, seeds
from experiments.common.failures import Interrupted
from experiments.common.run_folder import BEST, CHECKPOINTS, best_at, claim
from tgnn import sharding
from tgnn.nn import rate_when_training
from tgnn.train import checkpoint
from tgnn.train.loop import fit
from tgnn.train.metrics_log import read_metrics
from tgnn.train.step import TrainState, init_state, make_carrying_step, make_step
from tgnn.typing import Array, Params

OF_STEPS = {"step", "seconds", "loss", "gradient_norm", "skipped"}  # what a line of metrics holds without a look
AHEAD = 2  # batches that are made while the device works
SAVE_SECONDS = 10.0  # between checkpoints, or more: a tenth of the time goes into saving at most


class Task(NamedTuple):
    """What an experiment says once.

    Attributes:
        init: rng -> weights.
        loss: (params, batch, rng) -> (loss, metrics), or with a carry
            (params, carry, batch, rng) -> (loss, (metrics, carry)).
        optimizer: an optax transformation.
        batches: seed -> step -> batch: a function of the step alone, so that a run can be resumed anywhere.
        num_steps: length of a run.
        score: weights -> what is reported, once at the end.
        evaluate: weights -> what is looked at on the way; default nothing.
        evaluate_every: steps between looks; 0 is at the end only.
        keep: the name in `evaluate` whose highest value chooses the weights that are scored; default the last ones.
        carry: what the loss hands on from batch to batch, before the first one; default nothing.
        figures: (weights, folder) -> the pictures that it has written there; default the learning curves.
        log_every: steps between lines of `metrics.jsonl`.
        profile: whether to report also the seconds and the memory of a step; all batches then have one shape.
    """

    init: Callable[[Array], Params]
    loss: Callable[..., tuple]
    optimizer: optax.GradientTransformation
    batches: Callable[[int], Callable[[int], Any]]
    num_steps: int
    score: Callable[[Params], dict[str, float]]
    evaluate: Callable[[Params], dict[str, float]] | None = None
    evaluate_every: int = 0
    keep: str | None = None
    carry: Callable[[], Any] | None = None
    figures: Callable[[Params, Path], list[Path]] | None = None
    log_every: int = 10
    profile: bool = False


class Best(NamedTuple):
    """The weights of the best look."""

    params: Params
    score: np.floating


def train_seeds(task: Task, config: Any, options: command.Options) -> seeds.Metrics:
    """The metrics of every seed of the command line, each trained in a folder of its own, or taken from there.

    Args:
        task: what to train.
        config: everything that the weights depend on, for `config.json`; a run goes on with no other.
        options: the command line.

    Raises:
        command.Mistake: a folder holds a run that is not to be resumed, or one of another config.
    """
    for seed in options.all_seeds:  # before anything is written
        claim(seed_folder(options, seed), config, options.resume, dry=True)
    trainer = Trainer(task, options.distributed)

    def measure(chunk) -> dict[str, list[float]]:
        folder = seed_folder(options, chunk[0])
        params, metrics = trainer.train(chunk[0], folder, config, options.resume)
        if sharding.is_first():
            (task.figures or learnt)(params, folder)
        return {name: [value] for name, value in metrics.items()}

    return seeds.run_seeds(config, options, measure)


def seed_folder(options: command.Options, seed: int) -> Path:
    """Runs of different sizes, models, data sets and seeds do not share checkpoints."""
    return options.folder / f"{command.stem(options)}-seed{seed}"


class Trainer:
    """A task with its step, compiled once for each shape of a batch, whatever the seed.

    Args:
        task: what to train.
        distributed: on all devices of all processes; a step is not profiled then.
    """

    def __init__(self, task: Task, distributed: bool = False):
        self.task = task._replace(profile=False) if distributed else task
        self.distributed = distributed
        make = make_step if task.carry is None else make_carrying_step
        self.step: Any = make(task.loss, task.optimizer)
        if distributed:
            self.step = processes.sharing(self.step)
        elif task.profile:
            self.step = self.step.lower(initial(task.init, task.optimizer, task.carry), task.batches(0)(0)).compile()

    def start(self, seed: int = 0) -> TrainState:
        """Before the first step, on all devices that train."""
        state = initial(self.task.init, self.task.optimizer, self.task.carry, seed)
        return sharding.place(state, sharding.data_mesh()) if self.distributed else state

    def train(self, seed: int, folder: Path, config: Any, resume: bool) -> tuple[Params, dict[str, float]]:
        """Trains, or goes on from the last checkpoint: the weights that are kept, and the metrics.

        Raises:
            command.Mistake: the folder holds a run that is not to be resumed, or one of another config.
        """
        task, batches = self.task, self.task.batches(seed)
        claim(folder, config, resume)
        looks = Looks(task, folder, resume)
        with refusals():
            state = fit(
                self.start(seed),
                self.step,
                batches,
                num_steps=task.num_steps,
                evaluate=looks,
                evaluate_every=task.evaluate_every,
                run_dir=folder,
                log_every=task.log_every,
                save_seconds=SAVE_SECONDS,
                resume=resume,
                config=config,
                ahead=0 if self.distributed else AHEAD,  # a thread's programs may come between two of all processes
            )
        params, chosen = looks.chosen(state.params)
        processes.wait("metrics")
        seconds = read_metrics(folder / "metrics.jsonl")[-1]["seconds"]
        metrics = task.score(params) | chosen | {"seconds": seconds}
        return params, metrics | (self.cost(state, batches) if task.profile else {})

    def cost(self, state: TrainState, batches: Callable[[int], Any]) -> dict[str, float]:
        """Seconds of a step, the median of three, and bytes of its temporary arrays."""
        state, times = jax.tree.map(jnp.copy, state), []  # a step takes away the state that it is given
        for i in range(3):
            started = time.perf_counter()
            state = jax.block_until_ready(self.step(state, batches(i))[0])
            times.append(time.perf_counter() - started)
        memory = self.step.memory_analysis()
        return {
            "seconds_per_step": statistics.median(times),
            "temporary_bytes": memory.temp_size_in_bytes if memory else math.nan,
        }


class Looks:
    """What `fit` evaluates with; keeps the weights of the best look if the task wants them."""

    def __init__(self, task: Task, folder: Path, resume: bool):
        self.task, self.folder, self.resume = task, folder, resume
        self.best: Best | None = None

    def __call__(self, state: TrainState) -> dict[str, float]:
        found = {} if self.task.evaluate is None else self.task.evaluate(sharding.own_copy(state.params))
        if self.task.keep is not None and found[self.task.keep] > self.so_far(state.params).score:
            score = np.float32(found[self.task.keep])
            self.best = Best(jax.tree.map(jnp.copy, state.params), score)  # the next step takes the state away
            checkpoint.save(self.folder / BEST, int(state.step), self.best)
        return found

    def so_far(self, like: Params) -> Best:
        """The best look, also of the run before an interruption; not asked before `fit` has agreed to go on."""
        if self.best is None:
            none = Best(jax.tree.map(jnp.copy, like), np.float32(-np.inf))
            self.best = best_at(self.folder, none, self.resume)
        return self.best

    def chosen(self, last: Params) -> tuple[Params, dict[str, float]]:
        """The weights to score, and what chose them."""
        if self.task.keep is None:
            return sharding.own_copy(last), {}
        best = self.so_far(last)
        return sharding.own_copy(best.params), {self.task.keep: float(best.score)}


@contextmanager
def refusals() -> Iterator[None]:
    """What `tgnn.train` refuses is a mistake on the command line, in its words; errors from elsewhere are not."""
    try:
        yield
    except ValueError as error:
        *_, frame = traceback.walk_tb(error.__traceback__)
        if not frame[0].f_globals["__name__"].startswith("tgnn.train"):
            raise
        raise command.Mistake(as_option(error)) from error
    except KeyboardInterrupt as interrupt:
        raise Interrupted(as_option(interrupt)) from None


def learnt(_: Params, folder: Path) -> list[Path]:
    """The learning curves of a run: its loss, and all numbers that its evaluations found."""
    records = read_metrics(folder / "metrics.jsonl")
    looks = [name for name, value in records[-1].items() if name not in OF_STEPS and isinstance(value, float | int)]
    return [figures.learning_curves(folder, looks or ["gradient_norm"], "on the way")]


def as_option(error: BaseException) -> str:
    """The words of a library's error for somebody at a command line."""
    return str(error).replace("pass resume=True", "add --resume").replace("resume=True", "--resume")


def initial(
    init: Callable[[Array], Params],
    optimizer: optax.GradientTransformation,
    carry: Callable[[], Any] | None = None,
    seed: int = 0,
) -> TrainState:
    """Before the first step."""
    params_rng, run_rng = jax.random.split(jax.random.key(seed))
    return init_state(run_rng, init(params_rng), optimizer, () if carry is None else carry())


def restore(folder: Path, *parts: Any) -> Params:
    """The weights of the newest checkpoint of a folder; `parts` are those of `initial`.

    Raises:
        ValueError: there is none, or another model's.
    """
    return checkpoint.restore(folder / CHECKPOINTS, jax.eval_shape(lambda: initial(*parts)))[0].params


def newest(folder: Path, pattern: str) -> tuple[Path, dict]:
    """The run in or below a folder that was saved last, and its config; a ValueError where there is none."""
    found = [path for path in (folder, *folder.glob(pattern)) if checkpoint.latest_step(path / CHECKPOINTS) is not None]
    if not found:
        raise ValueError(f"{folder} holds no trained model; train one first, or name its folder with --run-dir")
    last = max(found, key=lambda path: (path / CHECKPOINTS).stat().st_mtime)
    return last, json.loads((last / "config.json").read_text(encoding="utf-8"))


def num_parameters(init: Callable[[Array], Params]) -> int:
    """Numbers in the weights, counted without making them."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(jax.eval_shape(init, jax.random.key(0))))


def dropping(rate: float, rng: Array | None) -> dict[str, Any]:
    """How a model drops in training, where there is a key, and that it does not elsewhere."""
    return {"dropout_rate": rate_when_training(rng, rate), "rng": rng}
