"""A classifier of sentences as a `Task`: the weights that do best on held-out training examples are scored."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.common.figures import learning_curves
from experiments.common.sentences.config import Config
from experiments.common.sentences.examples import Batch, Example, at_root
from experiments.common.sentences.models import Classifier
from experiments.common.sentences.optimizers import optimizer_of
from experiments.common.training import Task, num_parameters
from tgnn.train.losses import accuracy, cross_entropy
from tgnn.typing import Array, Params


class Answers(NamedTuple):
    """What a model says of examples, in an order of its own."""

    logits: np.ndarray  # [n, num_classes]
    labels: np.ndarray  # [n]

    @property
    def score(self) -> float:
        """The accuracy: the share of right answers."""
        return float((self.logits.argmax(-1) == self.labels).mean())


Answer = Callable[[Params, Sequence[Any]], Any]  # weights, examples -> what has a `score`


def make_task(
    classifier: Classifier,
    config: Config,
    train: Sequence[Example],
    held_out: Sequence[Example],
    score: Callable[[Params, Answer], dict[str, float]],
) -> Task:
    """The task of a classifier.

    Args:
        classifier: a model and its batches.
        config: sizes of the training.
        train: examples; every label of a batch counts as much as every other.
        held_out: examples that choose among the weights of a run by their `held_out_accuracy`.
        score: weights and a function that answers examples -> what is reported.
    """
    logits = jax.jit(lambda params, batch: classifier.apply(params, batch.graph, batch.tokens))

    def loss(params: Params, batch: Batch, rng: Array):
        said = classifier.apply(params, batch.graph, batch.tokens, rng=rng)
        return cross_entropy(said, batch.labels), {"accuracy": accuracy(said, batch.labels)}

    def answer(params: Params, examples: Sequence[Example]) -> Answers:
        said, labels = [], []
        for batch in classifier.bins.in_turn([at_root(example) for example in examples]):
            asked = batch.labels >= 0
            said.append(np.asarray(logits(params, batch))[asked])
            labels.append(batch.labels[asked])
        return Answers(np.concatenate(said), np.concatenate(labels))

    batches = classifier.bins.shuffled(train)
    return chosen_by("held_out_accuracy", classifier.init, loss, batches, config, answer, held_out, score)


def chosen_by(
    name: str,
    init: Callable[[Array], Params],
    loss: Callable[..., tuple],
    batches: Callable[[int], Callable[[int], Any]],
    config: Config,
    answer: Answer,
    held_out: Sequence[Any],
    score: Callable[[Params, Answer], dict[str, float]],
) -> Task:
    """A task whose weights are chosen by their score on held-out examples, which is reported under that name."""
    size = num_parameters(init)

    def figures(_: Params, folder: Path) -> list[Path]:
        return [learning_curves(folder, [name], "held-out training examples")]

    return Task(
        init=init,
        loss=loss,
        optimizer=optimizer_of(config),
        batches=batches,
        num_steps=config.num_steps,
        score=lambda params: score(params, answer) | {"parameters": size},
        evaluate=lambda params: {name: answer(params, held_out).score},
        evaluate_every=config.evaluate_every,
        keep=name,
        figures=figures,
    )
