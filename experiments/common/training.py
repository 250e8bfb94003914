"""Trains what an experiment says once, a `Task`, from each of its seeds: the one loop that saves, resumes and reports.

RUN_DIR/PRESET-MODEL-DATASET.seeds.jsonl      a line for each finished seed
RUN_DIR/PRESET-MODEL-DATASET-seed0/           config.json, metrics.jsonl, checkpoints/, best/, figures
"""

import json
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.common import command, seeds
from experiments.common.run_folder import best_at, claim
from experiments.common.saving import CHECKPOINTS, Saver
from tgnn.train import checkpoint
from tgnn.train.metrics_log import read_metrics
from tgnn.train.step import TrainState, fit, init_state, make_step
from tgnn.typing import Array, Params


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
        figures: (weights, folder) -> the pictures that it has written there; default none.
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


class State(NamedTuple):
    """A run: weights and optimizer, and what the loss hands on."""

    train: TrainState
    carry: Any

    @property
    def step(self) -> Array:
        """Number of batches seen."""
        return self.train.step


class Best(NamedTuple):
    """The weights of the best look."""

    params: Params
    score: Array


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
    trainer = Trainer(task)

    def measure(chunk) -> dict[str, list[float]]:
        folder = seed_folder(options, chunk[0])
        params, metrics = trainer.train(chunk[0], folder, config, options.resume)
        if task.figures is not None:
            print("figures:", *task.figures(params, folder), flush=True)
        return {name: [value] for name, value in metrics.items()}

    return seeds.run_seeds(config, options, measure)


def seed_folder(options: command.Options, seed: int) -> Path:
    """Runs of different sizes, models, data sets and seeds do not share checkpoints."""
    return options.folder / f"{command.stem(options)}-seed{seed}"


class Trainer:
    """A task with its step, compiled once for each shape of a batch, whatever the seed."""

    def __init__(self, task: Task):
        self.task = task
        self.step = jax.jit(make_update(task), donate_argnums=0)
        if task.profile:
            self.step = self.step.lower(initial(task.init, task.optimizer, task.carry), task.batches(0)(0)).compile()

    def train(self, seed: int, folder: Path, config: Any, resume: bool) -> tuple[Params, dict[str, float]]:
        """Trains, or goes on from the last checkpoint: the weights that are kept, and the metrics.

        Raises:
            command.Mistake: the folder holds a run that is not to be resumed, or one of another config.
        """
        task, batches = self.task, self.task.batches(seed)
        claim(folder, config, resume)
        state: Any = initial(task.init, task.optimizer, task.carry, seed)
        best = best_at(folder, Best(jax.tree.map(jnp.copy, state.train.params), jnp.full((), -jnp.inf)), resume)

        def look(state: State) -> dict[str, float]:
            nonlocal best
            found = {} if task.evaluate is None else task.evaluate(state.train.params)
            if found:
                print(f"step {int(state.step)}: " + in_words(found), flush=True)
            if task.keep is not None and found[task.keep] > best.score:
                best = Best(jax.tree.map(jnp.copy, state.train.params), jnp.float32(found[task.keep]))
                checkpoint.save(folder / "best", int(state.step), best)
            return found

        with Saver(self.step, folder) as step:
            state = fit(
                state,
                step,
                batches,
                num_steps=task.num_steps,
                evaluate=look,
                evaluate_every=task.evaluate_every,
                run_dir=folder,
                log_every=task.log_every,
                resume=resume,
            )
        seconds = read_metrics(folder / "metrics.jsonl")[-1]["seconds"]
        params = state.train.params if task.keep is None else best.params
        metrics = task.score(params) | {"seconds": seconds}
        if task.keep is not None:
            metrics[task.keep] = float(best.score)
        return params, metrics | (self.cost(state, batches) if task.profile else {})

    def cost(self, state: State, batches: Callable[[int], Any]) -> dict[str, float]:
        """Seconds of a step, the median of three, and bytes of its temporary arrays."""
        state, times = jax.tree.map(jnp.copy, state), []  # a step takes away the state that it is given
        for i in range(3):
            started = time.perf_counter()
            state = jax.block_until_ready(self.step(state, batches(i))[0])
            times.append(time.perf_counter() - started)
        memory = self.step.memory_analysis()  # pyright: ignore
        return {
            "seconds_per_step": statistics.median(times),
            "temporary_bytes": memory.temp_size_in_bytes if memory else math.nan,
        }


def make_update(task: Task) -> Callable[[State, Any], tuple[State, dict]]:
    """`tgnn.train`'s guarded step with the carry beside the weights, under the same guard.

    A batch whose loss, gradient or new carry is not finite changes neither the weights nor the carry.
    """

    def loss(params, batch, rng):
        batch, carry = batch
        if task.carry is None:
            value, metrics = task.loss(params, batch, rng)
            return value, {**metrics, "carry": ()}
        value, (metrics, carry) = task.loss(params, carry, batch, rng)
        finite = jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(carry)] or [True]).all()
        return jnp.where(finite, value, jnp.nan), {**metrics, "carry": jax.lax.stop_gradient(carry)}

    update = make_step(loss, task.optimizer)

    def step(state: State, batch) -> tuple[State, dict]:
        train, metrics = update(state.train, (batch, state.carry))
        taken = train.skipped == state.train.skipped
        carry = jax.tree.map(lambda new, old: jnp.where(taken, new, old), metrics.pop("carry"), state.carry)
        return State(train, carry), metrics

    return step


def initial(
    init: Callable[[Array], Params],
    optimizer: optax.GradientTransformation,
    carry: Callable[[], Any] | None = None,
    seed: int = 0,
) -> State:
    """Before the first step."""
    params_rng, run_rng = jax.random.split(jax.random.key(seed))
    return State(init_state(run_rng, init(params_rng), optimizer), () if carry is None else carry())


def restore(folder: Path, *parts: Any) -> Params:
    """The weights of the newest checkpoint of a folder; `parts` are those of `initial`.

    Raises:
        ValueError: there is none, or another model's.
    """
    return checkpoint.restore(folder / CHECKPOINTS, jax.eval_shape(lambda: initial(*parts)))[0].train.params


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
    return {"dropout_rate": 0.0 if rng is None else rate, "rng": rng}


def in_words(metrics: dict[str, float]) -> str:
    """Names and numbers on one line."""
    return ", ".join(f"{name.replace('_', ' ')} {np.asarray(value).item():.4g}" for name, value in metrics.items())
