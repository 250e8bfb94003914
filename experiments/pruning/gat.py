"""GAT on Cora: trained here for each seed, by the recipe of the experiment `citation`; or its authors' weights."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.citation import data
from experiments.citation.config import recipe
from experiments.citation.models import build
from experiments.citation.train import fit
from experiments.pruning.config import Config
from experiments.pruning.subject import Subject
from experiments.pruning.timing import shares
from tgnn import pretrained
from tgnn.train.losses import cross_entropy


def load(data_dir: Path | None) -> data.Citation:
    """Cora with self-loops."""
    return data.load("cora", self_loops=True, data_dir=data_dir)


def train(graph: data.Citation, config: Config, seed: int) -> Any:
    """The weights of one seed."""
    chosen = recipe("gat", "cora")
    task = graph.task
    model = build("gat", chosen, task.layout, task.words.shape[1], graph.num_classes)
    run = jax.jit(lambda key, task: fit(key, task, model, chosen, config.max_epochs).best.params)
    return run(jax.random.key(seed), task)


def make_subject(graph: data.Citation, config: Config, seed: int) -> Subject:
    """Validation papers choose the heads, test papers score; the one head of the last layer stays."""
    params, model, task = train(graph, config, seed), pretrained.Gat(), graph.task
    labels = np.asarray(task.validation_labels)
    papers = np.random.default_rng(seed).permutation(np.nonzero(labels >= 0)[0])
    truth = jnp.asarray(labels)

    def logits(gates):
        return model(params, task.layout, task.words, gates=(*gates, None))

    def batch_loss(gates, papers):
        return cross_entropy(logits(gates)[papers], truth[papers])

    def loss(gates, paper):
        return batch_loss(gates, paper[None])

    def measure(gates):
        found = np.asarray(logits(gates))
        return {"accuracy": data.accuracy(found, graph.test_labels)}

    def removal(heads):
        fewer, _ = pretrained.remove_heads(params, model, heads)
        run = lambda params: model(params, task.layout, task.words)  # noqa: E731
        return shares(lambda: run(params), lambda: run(fewer), params, fewer, config.timed)

    some = jnp.asarray(papers[: config.examples])
    every = jnp.asarray(papers)
    gates = pretrained.all_gates(params, model)[:1]
    return Subject(gates, config.removed_gat, loss, some, lambda step: every, batch_loss, every, 1, measure, removal)
