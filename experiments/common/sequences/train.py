"""Trains a classifier, keeps the weights that do best on held-out training examples, and scores others."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.common.sequences.batches import Batch, Example, Packing, Shuffled, at_root
from experiments.common.sequences.config import Config
from experiments.common.sequences.models import Classifier
from tgnn.train import checkpoint
from tgnn.train.losses import accuracy, cross_entropy
from tgnn.train.schedules import warmup_cosine
from tgnn.training import fit, init_state, make_optimizer, make_step

Init = Callable[[jax.Array], Any]


class Answers(NamedTuple):
    """What a model says of examples, in an order of its own."""

    logits: np.ndarray  # [n, num_classes]
    labels: np.ndarray  # [n]

    @property
    def score(self) -> float:
        """The accuracy: the share of right answers."""
        return float((self.logits.argmax(-1) == self.labels).mean())


class Best(NamedTuple):
    """The weights of the best look at the held-out examples."""

    params: Any
    score: jax.Array


class Run(NamedTuple):
    """What training leaves."""

    params: Any
    held_out_score: float
    seconds: float


class Trainer:
    """One classifier on one data set; its step is compiled once for all seeds."""

    def __init__(self, classifier: Classifier, config: Config, train: Sequence[Example], held_out: Sequence[Example]):
        self.classifier, self.config, self.held_out = classifier, config, held_out
        self.packing = Packing(train, classifier.size, classifier.rows, classifier.slots)
        learning_rate = warmup_cosine(config.learning_rate, config.warmup_steps, config.num_steps)
        self.optimizer = make_optimizer(learning_rate, weight_decay=config.weight_decay)
        self.step = make_step(self.loss, self.optimizer)
        self.logits = jax.jit(lambda params, batch: classifier.apply(params, batch.graph, batch.tokens))

    def loss(self, params: Any, batch: Batch, rng: jax.Array):
        """The mean over all labels of the batch, and the share of them that is right."""
        logits = self.classifier.apply(params, batch.graph, batch.tokens, rng=rng)
        return cross_entropy(logits, batch.labels), {"accuracy": accuracy(logits, batch.labels)}

    def answer(self, params: Any, examples: Sequence[Example]) -> Answers:
        """What the model says of whole examples."""
        packing = Packing([at_root(x) for x in examples], self.classifier.size, self.packing.rows, self.packing.slots)
        logits, labels = [], []
        for chosen in packing.in_turn():
            batch = self.classifier.lay_out(chosen)
            asked = batch.labels >= 0
            logits.append(np.asarray(self.logits(params, batch))[asked])
            labels.append(batch.labels[asked])
        return Answers(np.concatenate(logits), np.concatenate(labels))

    def train(self, init: Init, seed: int, run_dir: Path, resume: bool) -> Run:
        """Trains, or goes on from the last checkpoint.

        Raises:
            ValueError: the folder holds a run that is not to be resumed, or one of another size.
        """
        params_rng, run_rng = jax.random.split(jax.random.key(seed))
        params = init(params_rng)
        best = Best(params, jnp.full((), -jnp.inf))
        if resume and checkpoint.latest_step(run_dir / "best") is not None:
            best = checkpoint.restore(run_dir / "best", best)[0]
        batches, started = Shuffled(self.packing, self.classifier.lay_out, seed), time.perf_counter()

        def look(state) -> dict[str, float]:
            nonlocal best
            found = self.answer(state.params, self.held_out).score
            if found > best.score:
                best = Best(jax.tree.map(jnp.copy, state.params), jnp.float32(found))
                checkpoint.save(run_dir / "best", int(state.step), best)
            return {"held_out_score": found}

        fit(
            init_state(run_rng, params, self.optimizer),
            self.step,
            batches,
            num_steps=self.config.num_steps,
            evaluate=look,
            evaluate_every=self.config.evaluate_every,
            run_dir=run_dir,
            save_every=self.config.evaluate_every,
            resume=resume,
        )
        return Run(best.params, float(best.score), time.perf_counter() - started)
