"""A citation graph as a layout, a bag of words and labels; the labels of the test papers stand apart."""

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import tgnn
from tgnn.datasets import planetoid


class Task(NamedTuple):
    """All that training and model selection see: labels are [n_node], -1 wherever they are not to be seen."""

    layout: tgnn.EdgeList
    words: tgnn.SparseFeatures
    train_labels: jax.Array
    validation_labels: jax.Array


class Citation(NamedTuple):
    """A task, and the labels that only the final score sees."""

    task: Task
    test_labels: jax.Array
    num_classes: int


def load(name: str, *, self_loops: bool, data_dir: Path | None = None) -> Citation:
    """One of the Planetoid graphs."""
    return prepare(planetoid.load(name, data_dir), self_loops=self_loops)


def prepare(graph: planetoid.Planetoid, *, self_loops: bool) -> Citation:
    """Its words are normalised to sum 1 per paper, its edges get self-loops if asked for."""
    layout = tgnn.EdgeList.from_edges(graph.senders, graph.receivers, n_receivers=len(graph.labels))
    task = Task(
        tgnn.self_loops(layout) if self_loops else layout,
        graph.bag(normalize=True),
        only(graph.labels, graph.train),
        only(graph.labels, graph.validation),
    )
    return Citation(task, only(graph.labels, graph.test), graph.num_classes)


def only(labels: np.ndarray, nodes: np.ndarray) -> jax.Array:
    """The labels of these nodes, and -1 for all others."""
    seen = np.full_like(labels, -1)
    seen[nodes] = labels[nodes]
    return jnp.asarray(seen)


def accuracy(logits: np.ndarray, labels: jax.Array) -> float:
    """Share of the labelled papers whose class has the largest logit: an exact fraction."""
    truth = np.asarray(labels)
    return float(np.mean(logits.argmax(axis=-1)[truth >= 0] == truth[truth >= 0]))
