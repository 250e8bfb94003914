"""A graph as a layout, features and labels, which all splits share; and what a split trains, chooses and scores on."""

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import tgnn
from tgnn.attention.aggregation import row_weights, symmetric_weights
from tgnn.datasets import heterophilous
from tgnn.graphs import Dense, EdgeList, Layout, Neighbors
from tgnn.typing import Array

SPLITS = heterophilous.SPLITS
MATRIX_BYTES = 2**30  # the largest matrix of edges


class Task(NamedTuple):
    """What all splits share."""

    layout: Layout
    weights: Array | None  # of the edges, [*edge_shape, 1], for models that do not score them
    features: Array  # [n, num_features]
    labels: Array  # int [n]


class Split(NamedTuple):
    """Which nodes count, bool [n] each; of many splits [splits, n]."""

    train: Array
    validation: Array
    test: Array


class Graph(NamedTuple):
    """A task and all its splits."""

    task: Task
    splits: Split
    num_classes: int

    @property
    def metric(self) -> str:
        """What is scored, as in the source."""
        return "roc_auc" if self.num_classes == 2 else "accuracy"


def load(name: str, model: str, layout: str = "auto", data_dir: Path | None = None) -> Graph:
    """One of the graphs, for a model; see `prepare`."""
    return prepare(heterophilous.load(name, data_dir), model, layout)


def prepare(graph: heterophilous.Heterophilous, model: str, layout: str = "auto") -> Graph:
    """As the source has it: self-loops where a model has no part of its own for a node; features as they are."""
    edges = EdgeList.from_edges(graph.senders, graph.receivers, n_receivers=len(graph.labels))
    edges = tgnn.self_loops(edges) if model in ("gcn", "gat", "transformer") else edges
    stored = store(edges, choose(edges, model) if layout == "auto" else layout)
    weigh = {"gcn": symmetric_weights, "sage": row_weights}.get(model)
    weights = None if weigh is None else weigh(stored)
    task = Task(stored, weights, jnp.asarray(graph.features), jnp.asarray(graph.labels))
    masks = (jnp.asarray(mask.T) for mask in (graph.train, graph.validation, graph.test))
    return Graph(task, Split(*masks), graph.num_classes)


def choose(edges: EdgeList, model: str) -> str:
    """How edges are best stored, by reason and not by measurement.

    On an accelerator adding rows from a list needs atomics. A table sums over its second axis instead, if most of its
    places are taken, and with given weights a matrix is one product on cores that are made for it.
    """
    senders, receivers = edges.pairs()
    n, widest = edges.n_receivers, int(np.bincount(receivers, minlength=1).max())
    if jax.default_backend() == "cpu":
        return "list"
    if n * widest <= 2 * len(senders):
        return "table"
    return "matrix" if model in ("gcn", "sage") and 4 * n * n <= MATRIX_BYTES else "list"


def store(edges: EdgeList, layout: str) -> Layout:
    """The same edges in another layout."""
    if layout == "list":
        return edges
    cls = {"table": Neighbors, "matrix": Dense}[layout]
    return cls.from_edges(*edges.pairs(), n_receivers=edges.n_receivers)
