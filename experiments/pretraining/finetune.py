"""Fine-tuning as a task, the same from scratch and from pre-trained weights, for several networks side by side."""

from functools import partial
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


class FineTuning:
    """A network for each row of `problem.seen`; all share every batch, and each leaves out what it must not see.

    Args:
        body: what was pre-trained.
        config: sizes.
        problem: molecules and labels.
        pairs: whether to list all pairs of atoms of a molecule, for attention between them.
    """

    def __init__(self, body: model.Body, config: Config, problem: Problem, *, pairs: bool):
        self.body, self.config, self.problem, self.pairs = body, config, problem, pairs
        self.networks, self.batch_size = len(problem.seen), min(config.batch_size, len(problem.graphs))
        self.room = room(problem.graphs, self.batch_size)
        self.everything = in_order(problem.graphs, EVALUATE, pairs=pairs)
        self.answer = jax.jit(lambda params, batch: self.said(params, batch, None))  # one program for all tasks

    def task(self, num_steps: int, pretrained: Params | None = None) -> Task:
        """So many steps from pre-trained weights of the body, or from random ones."""
        every, config = max(1, num_steps // self.config.looks), self.config
        schedule = warmup_cosine(config.learning_rate, int(config.warmup_share * num_steps), num_steps)
        return Task(
            init=partial(self.init, pretrained=pretrained),
            loss=self.loss,
            # Clipping would let the networks see one another's gradients.
            optimizer=make_optimizer(schedule, weight_decay=config.weight_decay, clip_norm=None),
            batches=self.batches,
            num_steps=num_steps,
            score=lambda params: {},
            evaluate=self.evaluate,
            evaluate_every=every,
            log_every=every,
        )

    def init(self, rng: Array, pretrained: Params | None = None) -> Params:
        """Heads are random, and the same whatever the body begins with."""
        body_rng, head_rng = jax.random.split(rng)
        heads = jax.vmap(lambda r: model.init_reading(r, self.config.model_dim, self.problem.outputs))
        fresh = jax.vmap(self.body.init)(jax.random.split(body_rng, self.networks))
        start = fresh if pretrained is None else model.broadcast(pretrained, self.networks)
        return {"body": start, "head": heads(jax.random.split(head_rng, self.networks))}

    def said(self, params: Params, batch: Batch, rng: Array | None) -> Array:
        """Of every network: [networks, n_graph, outputs]."""

        def one(params: Params, rng: Array | None) -> Array:
            rngs = (None, None) if rng is None else jax.random.split(rng)
            x = self.body.apply(params["body"], batch, batch.nodes, batch.edges[:, 0], rng=rngs[0])
            return model.read(params["head"], batch, x, dropout_rate=self.config.dropout_rate, rng=rngs[1])

        if rng is None:
            return jax.vmap(lambda params: one(params, None))(params)
        return jax.vmap(one)(params, jax.random.split(rng, self.networks))

    def loss(self, params: Params, batch: tuple[Batch, np.ndarray], rng: Array) -> tuple[Array, dict]:
        """A sum over the networks, so that no network's gradient knows of the others."""
        molecules, seen = batch

        def one(said: Array, seen: Array) -> Array:
            if self.problem.metric == "rmse":
                return mean_squared_error(said[:, 0], molecules.labels, seen)
            return cross_entropy(said, molecules.labels, seen)

        return jax.vmap(one)(self.said(params, molecules, rng), seen).sum(), {}

    def batches(self, seed: int):
        """Molecules of a step, and which of them each network may learn from: bool [networks, batch_size]."""

        def batch_at(step: int) -> tuple[Batch, np.ndarray]:
            index = batch_indices(step, len(self.problem.graphs), self.batch_size, seed=seed)
            molecules = union(self.problem.graphs, index, room=self.room, pairs=self.pairs)
            return molecules, self.problem.seen[:, index]

        return batch_at

    def evaluate(self, params: Params) -> dict[str, float]:
        """The metric of both parts."""
        rows = [np.asarray(self.answer(params, batch))[:, batch.mask] for batch in self.everything]
        said, metric = np.concatenate(rows, axis=1), self.problem.metric
        return {f"{part}_{metric}": score(self.problem, said, mask) for part, mask in self.problem.parts.items()}


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
