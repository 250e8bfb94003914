"""Trains one classifier from one seed and measures it."""

import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.sketches.config import RELATIONS, Config
from experiments.sketches.data import Points, distort, take
from experiments.sketches.model import classify, hits, init_classifier
from tgnn.train.losses import cross_entropy
from tgnn.train.schedules import warmup_cosine
from tgnn.training import TrainState, batch_indices, fit, init_state, make_optimizer, make_step

EVALUATE = 128  # drawings at a time


class Trainer(NamedTuple):
    """What all seeds share: compiled once."""

    step: Any
    predict: Any  # params, points -> logits
    num_classes: int
    num_graphs: int


def make_trainer(config: Config, graphs: str, parts: dict[str, Points]) -> Trainer:
    """The training step and the predictions on these graphs."""
    names = RELATIONS[graphs]
    run = partial(classify, names=names, numbered=config.numbered)

    def loss(params: Any, points: Points, rng: jax.Array) -> tuple[jax.Array, dict]:
        logits = run(params, points, dropout_rate=config.dropout_rate, rng=rng)
        return cross_entropy(logits, points.labels), {}

    predict = jax.jit(run)
    num_classes = 1 + max(int(points.labels.max()) for points in parts.values())
    return Trainer(make_step(loss, optimizer(config)), predict, num_classes, len(names))


def train(
    trainer: Trainer, config: Config, parts: dict[str, Points], *, seed: int, run_dir: Path | None, resume: bool = False
) -> dict[str, float]:
    """Accuracies of the last step on every part but the training drawings."""
    started = time.perf_counter()
    params_rng, run_rng = jax.random.split(jax.random.key(seed))
    count = len(parts["train"].labels)

    def batch_at(step: int) -> Points:
        batch = take(parts["train"], batch_indices(step, count, min(config.batch_size, count), seed=seed))
        return distort(batch, config.distortion, seed=step + 1_000_000 * seed)

    def evaluate(state: TrainState) -> dict[str, float]:
        return scores(trainer, state.params, parts, "validation")

    params = init_classifier(params_rng, config, trainer.num_graphs, trainer.num_classes)
    state = fit(
        init_state(run_rng, params, optimizer(config)),
        trainer.step,
        batch_at,
        num_steps=config.num_steps,
        evaluate=evaluate,
        evaluate_every=config.evaluate_every,
        run_dir=run_dir,
        resume=resume,
        save_every=max(config.num_steps // 8, 1),
        log_every=45,
    )
    metrics = {"parameters": float(sum(leaf.size for leaf in jax.tree.leaves(params)))}
    for part in [name for name in parts if name != "train"]:
        metrics |= scores(trainer, state.params, parts, part)
    return metrics | {"seconds": time.perf_counter() - started}


def scores(trainer: Trainer, params: Any, parts: dict[str, Points], part: str) -> dict[str, float]:
    """Share of drawings whose class comes first, and is among the first five."""
    points = parts[part]
    total = len(points.labels)
    index = np.append(np.arange(total), np.zeros(-total % EVALUATE, int)).reshape(-1, EVALUATE)
    logits = np.concatenate([np.asarray(trainer.predict(params, take(points, i))) for i in index])[:total]
    return {f"{part}_top{top}": float(hits(logits, points.labels, top)) for top in (1, 5)}


def optimizer(config: Config):
    """AdamW on half a cosine."""
    schedule = warmup_cosine(config.learning_rate, config.warmup_steps, config.num_steps)
    return make_optimizer(schedule, weight_decay=config.weight_decay)
