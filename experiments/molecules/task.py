"""A network on molecules as a task: the errors of the last step on every part, in the unit of the data set."""

from pathlib import Path

import jax
import numpy as np
import optax

from experiments.common.packing.graphs import Batch, in_order, room, union
from experiments.common.training import Task, num_parameters
from experiments.molecules.config import Config
from experiments.molecules.data import Molecules
from experiments.molecules.figures import save_scatter
from experiments.molecules.models import Network
from tgnn.train.batches import batch_indices
from tgnn.train.losses import mean_absolute_error
from tgnn.train.optimizer import make_optimizer
from tgnn.train.schedules import warmup_cosine
from tgnn.typing import Array, Params


def make_task(network: Network, config: Config, molecules: Molecules, *, pairs: bool = False) -> Task:
    """Trained on the absolute error; `pairs` lists all pairs of atoms of a molecule, for attention between them."""
    train, batch_size = molecules.train, min(config.batch_size, len(molecules.train.labels))
    space, size = room(train, batch_size), num_parameters(network.init)
    parts = {name: in_order(graphs, config.batch_size, pairs=pairs) for name, graphs in molecules.parts.items()}
    predict = jax.jit(network.apply)

    def loss(params: Params, batch: Batch, rng: Array) -> tuple[Array, dict]:
        return mean_absolute_error(network.apply(params, batch, rng=rng), batch.labels, batch.mask), {}

    def batches(seed: int):
        def batch_at(step: int) -> Batch:
            index = batch_indices(step, len(train.labels), batch_size, seed=seed)
            return union(train, index, room=space, pairs=pairs)

        return batch_at

    def said(params: Params, part: str) -> np.ndarray:
        """The standardised predictions of a part: [n_graph]."""
        return np.concatenate([np.asarray(predict(params, batch))[batch.mask] for batch in parts[part]])

    def errors(params: Params, part: str) -> dict[str, float]:
        off = molecules.sd * (said(params, part) - molecules.parts[part].labels).astype(np.float64)
        return {f"{part}_mae": float(np.abs(off).mean()), f"{part}_rmse": float(np.sqrt((off**2).mean()))}

    def score(params: Params) -> dict[str, float]:
        return {name: value for part in parts for name, value in errors(params, part).items()} | {"parameters": size}

    def figures(params: Params, folder: Path) -> list[Path]:
        return [save_scatter(said(params, "validation"), molecules, folder / "predictions.png")]

    return Task(
        init=network.init,
        loss=loss,
        optimizer=make_optimizer(schedule_of(config), weight_decay=config.weight_decay),
        batches=batches,
        num_steps=config.num_steps,
        score=score,
        evaluate=lambda params: {"validation_mae": errors(params, "validation")["validation_mae"]},
        evaluate_every=config.evaluate_every,
        figures=figures,
        log_every=50,
    )


def schedule_of(config: Config) -> optax.Schedule:
    """Half a cosine down to 0."""
    return warmup_cosine(config.learning_rate, config.warmup_steps, config.num_steps)


def constant_error(molecules: Molecules, part: str) -> float:
    """Mean absolute error of always saying the training mean: what any network must beat."""
    return molecules.sd * float(np.abs(molecules.parts[part].labels).mean())
