"""Trains the networks of all folds at once: they share every batch, and each leaves out what it must not see."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.common.packing.graphs import Batch, in_order, room, union
from experiments.graph_classification.config import Config
from experiments.graph_classification.folds import Folds, train_masks
from experiments.graph_classification.model import classify, init_classifier
from tgnn.datasets.graphs import take_graphs
from tgnn.datasets.tu import TU
from tgnn.train.guard import check_finite
from tgnn.train.losses import cross_entropy
from tgnn.train.progress import in_words, start_progress
from tgnn.training import batch_indices

EVALUATE = 256  # graphs at a time


class History(NamedTuple):
    """Accuracies after each epoch, [10, num_epochs]."""

    test: np.ndarray  # of the networks that trained on all other graphs
    inner_test: np.ndarray  # of those that trained without the validation graphs too
    validation: np.ndarray  # of the latter


class Programs(NamedTuple):
    """Compiled once for each size of a batch, whatever the seed."""

    step: Callable[..., Any]
    right: Callable[..., jax.Array]  # params, batch -> bool [networks, n_graph]
    optimizer: optax.GradientTransformation


def part_of(data: TU, limit: int | None) -> TU:
    """Graphs at even distances (the files are sorted by class), and what is left of the folds."""
    if limit is None:
        return data
    count = len(data.graphs.labels)
    kept = np.arange(0, count, max(1, count // limit))[:limit]
    number = np.full(count, -1)
    number[kept] = np.arange(len(kept))
    folds = tuple(tuple(number[part][number[part] >= 0] for part in fold) for fold in data.folds)
    return replace(data, graphs=take_graphs(data.graphs, kept), folds=folds)


def make_programs(config: Config, reduction: str, steps_an_epoch: int) -> Programs:
    """The training step and the predictions of many networks at once; Adam, its rate halved every so often."""
    apply = partial(classify, reduction=reduction)
    rate = optax.exponential_decay(config.learning_rate, config.halve_every * steps_an_epoch, 0.5, staircase=True)
    optimizer = optax.adam(rate)

    def loss(params, batch: Batch, seen: jax.Array, rng: jax.Array) -> jax.Array:
        logits = apply(params, batch, dropout_rate=config.dropout_rate, rng=rng)
        return cross_entropy(logits, batch.labels, seen & batch.mask)

    @jax.jit
    def step(params, opt_state, batch: Batch, masks: jax.Array, rng: jax.Array):
        seen = masks[:, jnp.maximum(batch.graphs, 0)]
        rngs = jax.random.split(rng, len(masks))
        gradient = jax.vmap(jax.grad(loss), in_axes=(0, None, 0, 0))(params, batch, seen, rngs)
        updates, opt_state = optimizer.update(gradient, opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    @jax.jit
    def right(params, batch: Batch) -> jax.Array:
        logits = jax.vmap(apply, in_axes=(0, None))(params, batch)
        return logits.argmax(axis=-1) == batch.labels[None]

    return Programs(step, right, optimizer)


def train(programs: Programs, config: Config, data: TU, folds: Folds, *, seed: int) -> History:
    """Twenty networks from one seed."""
    count, masks = len(data.graphs.labels), jnp.asarray(train_masks(folds))
    init_rng, run_rng = jax.random.split(jax.random.key(seed))
    init = partial(init_classifier, config=config, num_tags=data.num_tags, num_classes=data.num_classes)
    params = jax.vmap(init)(jax.random.split(init_rng, len(masks)))
    opt_state = programs.optimizer.init(params)
    whole = in_order(data.graphs, min(EVALUATE, count))
    batch_size = min(config.batch_size, count)
    space = room(data.graphs, batch_size)  # of one size, so that one program serves all batches
    history = []
    shown = start_progress(0, config.num_epochs, unit="epoch")
    for epoch in range(config.num_epochs):
        for i in range(steps_an_epoch(config, data)):
            number = epoch * steps_an_epoch(config, data) + i
            batch = union(data.graphs, batch_indices(number, count, batch_size, seed=seed), room=space)
            params, opt_state = programs.step(params, opt_state, batch, masks, jax.random.fold_in(run_rng, number))
        check_finite(f"the weights after epoch {epoch + 1}", params)
        right = np.concatenate([np.asarray(programs.right(params, batch)) for batch in whole], axis=1)[:, :count]
        history.append(accuracies(right, folds))
        shown.show(epoch + 1, in_words({"test_accuracy": history[-1][0].mean()}), "")
    shown.close()
    return History(*(np.stack(column, axis=1) for column in zip(*history, strict=True)))


def steps_an_epoch(config: Config, data: TU) -> int:
    """Batches of an epoch."""
    return max(1, len(data.graphs.labels) // config.batch_size)


def accuracies(right: np.ndarray, folds: Folds) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What `History` holds, after one epoch; right: bool [20, n_graph]."""

    def share(right: np.ndarray, part: np.ndarray) -> np.ndarray:
        return (right & part).sum(axis=1) / np.maximum(part.sum(axis=1), 1)

    outer, inner = np.split(right, 2)
    return share(outer, folds.test), share(inner, folds.test), share(inner, folds.validation)
