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
        words_of(graph),
        only(graph.labels, graph.train),
        only(graph.labels, graph.validation),
    )
    return Citation(task, only(graph.labels, graph.test), graph.num_classes)


def words_of(graph: planetoid.Planetoid) -> tgnn.SparseFeatures:
    """The bipartite graph from words to papers. A paper without words has no in-edge, and its features are zeros."""
    indptr, indices, values, shape = graph.features
    paper = np.repeat(np.arange(shape[0]), np.diff(indptr))
    total = np.bincount(paper, values, minlength=shape[0])[paper]
    return tgnn.SparseFeatures.from_rows(indptr, indices, (values / total).astype(np.float32), shape)


def only(labels: np.ndarray, nodes: np.ndarray) -> jax.Array:
    """The labels of these nodes, and -1 for all others."""
    return jnp.asarray(np.full_like(labels, -1)).at[nodes].set(labels[nodes])


def accuracy(logits: np.ndarray, labels: jax.Array) -> float:
    """Share of the labelled papers whose class has the largest logit: an exact fraction."""
    truth = np.asarray(labels)
    return float(np.mean(logits.argmax(axis=-1)[truth >= 0] == truth[truth >= 0]))
