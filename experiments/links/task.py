"""Papers and their citations as a task: which pairs are links, scored on links that the graph does not show."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

import tgnn
from experiments.common.figures import learning_curves
from experiments.common.training import Task
from experiments.links.config import Config
from tgnn import links, metrics, models
from tgnn.datasets import planetoid
from tgnn.train.losses import binary_cross_entropy
from tgnn.typing import Array, Params

LOOKS = "validation_auc"


class Asked(NamedTuple):
    """Pairs to be judged: int32 [n] each, and 1 where there is a link."""

    senders: np.ndarray
    receivers: np.ndarray
    labels: np.ndarray


class Citations(NamedTuple):
    """The graph of the training links, words, and what is asked."""

    graph: tgnn.EdgeList  # with self-loops
    words: tgnn.SparseFeatures
    train: links.Pairs
    non_edges: links.NonEdges  # of the training graph: nobody knows of the held-out links
    parts: dict[str, Asked]


def load(dataset: str, data_dir: Path | None) -> Citations:
    """One split of a citation graph, always the same: 5 % of the links for validation, 10 % for the test."""
    papers = planetoid.load(dataset, data_dir)
    layout = tgnn.EdgeList.from_edges(papers.senders, papers.receivers, n_receivers=len(papers.labels))
    split = links.split_edges(layout)
    asked = {
        "validation": ask(split.validation, split.validation_negatives),
        "test": ask(split.test, split.test_negatives),
    }
    non_edges = links.NonEdges.of(split.graph, unordered=True)
    return Citations(tgnn.self_loops(split.graph), papers.bag(normalize=True), split.train, non_edges, asked)


def ask(positive: links.Pairs, negative: links.Pairs) -> Asked:
    """Links, then as many pairs that are none."""
    senders, receivers = (np.concatenate(x) for x in zip(positive, negative, strict=True))
    return Asked(senders, receivers, (np.arange(len(senders)) < len(positive.senders)).astype(np.float32))


def make_task(model: str, decoder: str, config: Config, data: Citations) -> Task:
    """An encoder on the training graph, or on no graph but loops ("words"), and a decoder, with cross-entropy."""
    dims, n = (data.words.shape[1], config.hidden_dim, config.model_dim), data.graph.n_receivers
    graph = data.graph if model == "gcn" else tgnn.EdgeList.from_edges(range(n), range(n), n_receivers=n)
    given = graph, data.words

    def init(rng: Array) -> Params:
        encoder_rng, decoder_rng = jax.random.split(rng)
        last = (config.model_dim, config.model_dim, 1)
        head = [] if decoder == "dot_product" else links.init_perceptron_decoder(decoder_rng, last)
        return {"encoder": models.init_gcn(encoder_rng, dims), "decoder": head}

    @jax.jit
    def logits(params: Params, given: Any, senders: Array, receivers: Array) -> Array:
        x = models.gcn(params["encoder"], *given)
        if decoder == "dot_product":
            return links.dot_product_decoder(x, senders, receivers)
        return links.perceptron_decoder(params["decoder"], x, senders, receivers)

    def loss(params: Params, batch: tuple[Asked, Any], rng: Array) -> tuple[Array, dict]:
        asked, given = batch
        return binary_cross_entropy(logits(params, given, asked.senders, asked.receivers), asked.labels), {}

    def batches(seed: int) -> Callable[[int], tuple]:
        def batch_at(step: int) -> tuple:
            negatives = links.sample_pairs(data.non_edges, len(data.train.senders), seed=seed, step=step)
            return ask(data.train, links.Pairs(*negatives)), given

        return batch_at

    def measured(params: Params, part: str) -> dict[str, float]:
        asked = data.parts[part]
        scores, labels = logits(params, given, asked.senders, asked.receivers), asked.labels.astype(int)
        found = {"auc": metrics.roc_auc(scores, labels), "ap": metrics.average_precision(scores, labels)}
        return {f"{part}_{name}": float(value) for name, value in found.items()}

    return Task(
        init=init,
        loss=loss,
        optimizer=optax.adam(config.learning_rate),
        batches=batches,
        num_steps=config.num_steps,
        score=lambda params: measured(params, "test") | measured(params, "validation"),
        evaluate=lambda params: measured(params, "validation"),
        evaluate_every=config.evaluate_every,
        keep=LOOKS,
        figures=lambda params, folder: [learning_curves(folder, (LOOKS, "validation_ap"), "validation links")],
        log_every=10,
    )
