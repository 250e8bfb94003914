"""A classifier of drawings as a task: accuracies of the last step on every part but the training drawings."""

from functools import partial
from pathlib import Path

import jax
import numpy as np

from experiments.common.figures import learning_curves
from experiments.common.training import Task, num_parameters
from experiments.sketches.config import RELATIONS, Config
from experiments.sketches.data import Points, distort, take
from experiments.sketches.model import classify, hits, init_classifier
from tgnn.train.batches import batch_indices
from tgnn.train.losses import cross_entropy
from tgnn.train.optimizer import make_optimizer
from tgnn.train.schedules import warmup_cosine
from tgnn.typing import Array, Params

EVALUATE = 128  # drawings at a time


def make_task(config: Config, graphs: str, parts: dict[str, Points]) -> Task:
    """Training on these graphs."""
    names, train = RELATIONS[graphs], parts["train"]
    count, num_classes = len(train.labels), 1 + max(int(points.labels.max()) for points in parts.values())
    apply = partial(classify, names=names, numbered=config.numbered)
    predict = jax.jit(apply)
    init = partial(init_classifier, config=config, num_graphs=len(names), num_classes=num_classes)
    size = num_parameters(init)

    def loss(params: Params, points: Points, rng: Array) -> tuple[Array, dict]:
        logits = apply(params, points, dropout_rate=config.dropout_rate, rng=rng)
        return cross_entropy(logits, points.labels), {}

    def batches(seed: int):
        def batch_at(step: int) -> Points:
            batch = take(train, batch_indices(step, count, min(config.batch_size, count), seed=seed))
            return distort(batch, config.distortion, seed=step + 1_000_000 * seed)

        return batch_at

    def accuracies(params: Params, part: str) -> dict[str, float]:
        """Share of drawings whose class comes first, and is among the first five."""
        points = parts[part]
        total = len(points.labels)
        index = np.append(np.arange(total), np.zeros(-total % EVALUATE, int)).reshape(-1, EVALUATE)
        logits = np.concatenate([np.asarray(predict(params, take(points, i))) for i in index])[:total]
        return {f"{part}_top{top}": float(hits(logits, points.labels, top)) for top in (1, 5)}

    def score(params: Params) -> dict[str, float]:
        scored = [accuracies(params, part) for part in parts if part != "train"]
        return {"parameters": float(size)} | {name: value for each in scored for name, value in each.items()}

    def figures(_: Params, folder: Path) -> list[Path]:
        columns = ["validation_top1", "validation_top5"]
        return [learning_curves(folder, columns, "validation drawings", ylabel="accuracy")]

    schedule = warmup_cosine(config.learning_rate, config.warmup_steps, config.num_steps)
    return Task(
        init=init,
        loss=loss,
        optimizer=make_optimizer(schedule, weight_decay=config.weight_decay),
        batches=batches,
        num_steps=config.num_steps,
        score=score,
        evaluate=lambda params: accuracies(params, "validation"),
        evaluate_every=config.evaluate_every,
        figures=figures,
        log_every=45,
    )
