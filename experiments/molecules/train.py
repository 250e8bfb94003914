"""Trains one network from one seed and measures it."""

import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.common.graph_batches import Batch, in_order, union
from experiments.molecules.config import Config
from experiments.molecules.data import Task
from experiments.molecules.models import Network
from tgnn.train.losses import mean_absolute_error
from tgnn.train.schedules import warmup_cosine
from tgnn.training import TrainState, batch_indices, fit, init_state, make_optimizer, make_step


class Trainer(NamedTuple):
    """What all seeds share: the compiled step and predictions, and the batches to score."""

    step: Any
    predict: Any  # params, batch -> [n_graph]
    parts: dict[str, list[Batch]]
    pairs: bool


def make_trainer(network: Network, config: Config, task: Task, *, pairs: bool = False) -> Trainer:
    """One compilation of the step for each size of a padded batch, whatever the seed."""

    def loss(params: Any, batch: Batch, rng: jax.Array) -> tuple[jax.Array, dict]:
        return mean_absolute_error(network.apply(params, batch, rng=rng), batch.labels, batch.mask), {}

    parts = {name: in_order(graphs, config.batch_size, pairs=pairs) for name, graphs in task.parts.items()}
    return Trainer(make_step(loss, optimizer(config)), jax.jit(network.apply), parts, pairs)


def train(
    trainer: Trainer,
    network: Network,
    config: Config,
    task: Task,
    *,
    seed: int,
    run_dir: Path | None,
    resume: bool = False,
) -> tuple[dict[str, float], TrainState]:
    """The errors of the last step on every part, in the unit of the data set, and the state."""
    started = time.perf_counter()
    params_rng, run_rng = jax.random.split(jax.random.key(seed))
    batch_size = min(config.batch_size, len(task.train.labels))

    def batch_at(step: int) -> Batch:
        index = batch_indices(step, len(task.train.labels), batch_size, seed=seed)
        return union(task.train, index, pairs=trainer.pairs)

    def evaluate(state: TrainState) -> dict[str, float]:
        return {"validation_mae": errors(trainer, state.params, task, "validation")["validation_mae"]}

    state = fit(
        init_state(run_rng, network.init(params_rng), optimizer(config)),
        trainer.step,
        batch_at,
        num_steps=config.num_steps,
        evaluate=evaluate,
        evaluate_every=config.evaluate_every,
        run_dir=run_dir,
        resume=resume,
        save_every=max(config.num_steps // 8, 1),
        log_every=50,
    )
    metrics: dict[str, float] = {}
    for part in trainer.parts:
        metrics |= errors(trainer, state.params, task, part)
    return metrics | {"seconds": time.perf_counter() - started}, state


def errors(trainer: Trainer, params: Any, task: Task, part: str) -> dict[str, float]:
    """Mean absolute and root mean square error on a part."""
    off = [
        np.asarray(trainer.predict(params, batch) - batch.labels)[batch.graphs >= 0] for batch in trainer.parts[part]
    ]
    off = task.sd * np.concatenate(off).astype(np.float64)
    return {f"{part}_mae": float(np.abs(off).mean()), f"{part}_rmse": float(np.sqrt((off**2).mean()))}


def optimizer(config: Config):
    """AdamW on half a cosine."""
    schedule = warmup_cosine(config.learning_rate, config.warmup_steps, config.num_steps)
    return make_optimizer(schedule, weight_decay=config.weight_decay)


def num_parameters(network: Network) -> int:
    """How many numbers are learned."""
    shapes = jax.eval_shape(network.init, jax.random.key(0))
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(shapes))


def constant_error(task: Task, part: str) -> float:
    """Mean absolute error of always saying the training mean: what any network must beat."""
    return task.sd * float(jnp.abs(task.parts[part].labels).mean())
