"""SICK as a task: trained towards a distribution over the scores, reported as Pearson's correlation."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.common.sentences.task import chosen_by
from experiments.common.training import Task
from experiments.relatedness.config import Config
from experiments.relatedness.data import Pair, Relatedness
from experiments.relatedness.model import SCORES, PairBatch, make, targets
from tgnn.train.losses import masked_mean
from tgnn.typing import Array, Params


class Answers(NamedTuple):
    """Predicted and true relatedness of pairs."""

    predictions: np.ndarray
    labels: np.ndarray

    @property
    def score(self) -> float:
        """Pearson's correlation."""
        return float(np.corrcoef(self.predictions, self.labels)[0, 1])


def make_task(config: Config, data: Relatedness) -> Task:
    """The weights of the best correlation on the held-out pairs are scored."""
    model = make(config, data)

    def loss(params: Params, batch: PairBatch, rng: Array):
        # Cross-entropy with the target distribution, which differs from the paper's divergence by a constant.
        logits = model.apply(params, batch.graph, batch.tokens, batch.roots, rng=rng)
        real = jnp.isfinite(batch.relatedness)
        wanted = targets(jnp.where(real, batch.relatedness, 1.0))
        return masked_mean(-(wanted * jax.nn.log_softmax(logits)).sum(-1), real), {}

    @jax.jit
    def expected(params: Params, batch: PairBatch) -> Array:
        """The mean of each pair's distribution: [n_pair]."""
        logits = model.apply(params, batch.graph, batch.tokens, batch.roots)
        return jnp.exp(jax.nn.log_softmax(logits)) @ SCORES

    def answer(params: Params, pairs: Sequence[Pair]) -> Answers:
        predictions, labels = [], []
        for batch in model.bins.in_turn(pairs):
            real = np.isfinite(batch.relatedness)
            predictions.append(np.asarray(expected(params, batch))[real])
            labels.append(batch.relatedness[real])
        return Answers(np.concatenate(predictions), np.concatenate(labels))

    def score(params: Params, answer) -> dict[str, float]:
        names = {"validation": "pearson", "test": "test_pearson"}
        return {names[part]: answer(params, pairs).score for part, pairs in data.parts.items()}

    batches = model.bins.shuffled(data.train)
    return chosen_by("held_out_pearson", model.init, loss, batches, config, answer, data.held_out, score)
