"""Four ways to say which head goes next, all by the functions of `tgnn.pretrained`."""

import jax
import numpy as np

from experiments.pruning.config import Config, Method
from experiments.pruning.subject import Subject
from tgnn import pretrained


def order_of(method: Method, subject: Subject, config: Config, seed: int) -> np.ndarray:
    """The numbers of the heads, the first to go first; as many as the curves need."""
    count = sum(len(gate) for gate in subject.gates)
    if method == "random":
        return np.random.default_rng(seed).permutation(count)
    if method == "importance":
        return pretrained.removal_order(pretrained.head_importance(subject.loss, subject.gates, subject.examples))
    if method == "greedy":
        options = {"num_remove": max(subject.removed), "per_step": subject.per_step}
        return pretrained.greedy_order(lambda gates: subject.batch_loss(gates, subject.tried), subject.gates, **options)
    low, high = config.prices
    learned = pretrained.learn_gates(
        jax.random.key(seed),
        subject.batch_loss,
        subject.gates,
        subject.batches,
        penalty=lambda step: low * (high / low) ** (step / max(config.gate_steps - 1, 1)),
        num_steps=config.gate_steps,
        learning_rate=config.gate_learning_rate,
    )
    return learned.order
