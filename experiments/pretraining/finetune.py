"""Fine-tuning as a task, the same from scratch and from pre-trained weights, for several networks side by side."""

from pathlib import Path

import jax
import numpy as np

from experiments.common.packing.graphs import Batch, in_order, room, union
from experiments.common.training import Task
from experiments.pretraining import model
from experiments.pretraining.config import Config
from experiments.pretraining.data import Problem
from tgnn.train.batches import batch_indices
from tgnn.train.losses import cross_entropy, mean_squared_error
from tgnn.train.metrics_log import read_metrics
from tgnn.train.optimizer import make_optimizer
from tgnn.train.schedules import warmup_cosine
from tgnn.typing import Array, Params

EVALUATE = 128  # molecules at a time


def make_task(
    body: model.Body, config: Config, problem: Problem, *, num_steps: int, pretrained: Params | None, pairs: bool
) -> Task:
    """A network for each row of `problem.seen`; all share every batch, and each leaves out what it must not see.

    Args:
        body: what was pre-trained.
        config: sizes.
        problem: molecules and labels.
        num_steps: of this fine-tuning.
        pretrained: weights of the body to begin with; None begins at random.
        pairs: whether to list all pairs of atoms of a molecule, for attention between them.
    """
    graphs, networks = problem.graphs, len(problem.seen)
    batch_size = min(config.batch_size, len(graphs))
    space, whole = room(graphs, batch_size), in_order(graphs, EVALUATE, pairs=pairs)

    def init(rng: Array) -> Params:
        body_rng, head_rng = jax.random.split(rng)
        heads = jax.vmap(lambda r: model.init_reading(r, config.model_dim, problem.outputs))
        fresh = jax.vmap(body.init)(jax.random.split(body_rng, networks))
        start = fresh if pretrained is None else model.broadcast(pretrained, networks)
        return {"body": start, "head": heads(jax.random.split(head_rng, networks))}

    def said(params: Params, batch: Batch, rng: Array | None) -> Array:
        """Of every network: [networks, n_graph, outputs]."""

        def one(params: Params, rng: Array | None) -> Array:
            rngs = (None, None) if rng is None else jax.random.split(rng)
            x = body.apply(params["body"], batch, batch.nodes, batch.edges[:, 0], rng=rngs[0])
            return model.read(params["head"], batch, x, dropout_rate=config.dropout_rate, rng=rngs[1])

        if rng is None:
            return jax.vmap(lambda params: one(params, None))(params)
        return jax.vmap(one)(params, jax.random.split(rng, networks))

    def loss(params: Params, batch: tuple[Batch, np.ndarray], rng: Array) -> tuple[Array, dict]:
        molecules, seen = batch

        def one(said: Array, seen: Array) -> Array:
            if problem.metric == "rmse":
                return mean_squared_error(said[:, 0], molecules.labels, seen)
            return cross_entropy(said, molecules.labels, seen)

        # A sum, so that no network's gradient knows of the others.
        return jax.vmap(one)(said(params, molecules, rng), seen).sum(), {}

    def batches(seed: int):
        def batch_at(step: int) -> tuple[Batch, np.ndarray]:
            index = batch_indices(step, len(graphs), batch_size, seed=seed)
            return union(graphs, index, room=space, pairs=pairs), problem.seen[:, index]

        return batch_at

    answer = jax.jit(lambda params, batch: said(params, batch, None))

    def evaluate(params: Params) -> dict[str, float]:
        everything = np.concatenate([np.asarray(answer(params, batch))[:, batch.mask] for batch in whole], axis=1)
        return {f"{part}_{problem.metric}": score(problem, everything, mask) for part, mask in problem.parts.items()}

    every = max(1, num_steps // config.looks)
    schedule = warmup_cosine(config.learning_rate, int(config.warmup_share * num_steps), num_steps)
    return Task(
        init=init,
        loss=loss,
        # Clipping would let the networks see one another's gradients.
        optimizer=make_optimizer(schedule, weight_decay=config.weight_decay, clip_norm=None),
        batches=batches,
        num_steps=num_steps,
        score=lambda params: {},
        evaluate=evaluate,
        evaluate_every=every,
        log_every=every,
    )


def score(problem: Problem, said: np.ndarray, mask: np.ndarray) -> float:
    """Mean over the networks of the metric on each one's own molecules; said: [networks, n_graph, outputs]."""
    labels = problem.graphs.labels[None]
    if problem.metric == "rmse":
        squares = np.square((said[..., 0] - labels).astype(np.float64) * problem.scale)
        return float(np.sqrt((squares * mask).sum(axis=1) / mask.sum(axis=1)).mean())
    right = said.argmax(axis=-1) == labels
    return float(((right & mask).sum(axis=1) / mask.sum(axis=1)).mean())


def summary(folder: Path, metric: str) -> dict[str, float]:
    """The test metric at the look that is best on the validation molecules, and at the last one, from the log."""
    looks = curve(folder, metric)
    values = [look[f"validation_{metric}"] for look in looks]
    best = int(np.argmin(values) if metric == "rmse" else np.argmax(values))
    return {metric: looks[best][f"test_{metric}"], f"last_{metric}": looks[-1][f"test_{metric}"]}


def curve(folder: Path, metric: str) -> list[dict]:
    """The records of the looks."""
    return [record for record in read_metrics(folder / "metrics.jsonl") if f"test_{metric}" in record]


def constant(problem: Problem) -> float:
    """The test metric of always saying the training mean, or the most frequent class: what a network must beat."""
    if problem.metric == "rmse":
        said = np.zeros((*problem.seen.shape, 1))  # labels are standardised
    else:
        counts = [np.bincount(problem.graphs.labels[seen], minlength=problem.outputs) for seen in problem.seen]
        said = np.broadcast_to(np.array(counts)[:, None], (*problem.seen.shape, problem.outputs))
    return score(problem, said, problem.parts["test"])
