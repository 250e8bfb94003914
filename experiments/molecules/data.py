"""ZINC and ESOL as graphs of integers: several per atom, one per bond, and a standardised target."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

import tgnn
from experiments.common.parts import load_parts
from tgnn.datasets import esol, zinc
from tgnn.datasets.graphs import Graphs, disjoint_edges, take_graphs
from tgnn.nn.graph_positions import laplacian_eigenvectors, random_walk

NUM_BONDS = 5  # 1, 2, 3, and 4 for aromatic


class Molecules(NamedTuple):
    """Molecules for training and parts to score. Atoms are float32 [n_atom, columns + encoding_dim]."""

    train: Graphs  # labels: (target - mean) / sd
    parts: dict[str, Graphs]  # likewise; "validation", and "test" where there is one
    sizes: tuple[int, ...]  # number of values of each column of an atom
    mean: float
    sd: float


def load(
    dataset: str, *, data_dir: Path | None, train: int | None, validation: int | None, encode: Callable
) -> Molecules:
    """One data set.

    Args:
        dataset: "zinc" or "esol".
        data_dir: see `tgnn.datasets`.
        train: the first molecules only; None takes all.
        validation: likewise, of every other part.
        encode: layout -> float32 [n_atom, encoding_dim].
    """
    whole = {"zinc": load_zinc, "esol": load_esol}[dataset](data_dir)
    parts = {name: first(graphs, train if name == "train" else validation) for name, graphs in whole.items()}
    columns = np.concatenate([graphs.nodes for graphs in whole.values()])
    low, mean, sd = columns.min(axis=0), float(parts["train"].labels.mean()), float(parts["train"].labels.std())

    def prepare(graphs: Graphs) -> Graphs:
        layout = tgnn.EdgeList.from_edges(*disjoint_edges(graphs), n_receivers=len(graphs.nodes))
        atoms = np.concatenate([graphs.nodes - low, encode(layout)], axis=1).astype(np.float32)
        return replace(graphs, nodes=atoms, labels=((graphs.labels - mean) / sd).astype(np.float32))

    ready = {name: prepare(graphs) for name, graphs in parts.items()}
    sizes = tuple((columns.max(axis=0) - low + 1).tolist())
    return Molecules(ready.pop("train"), ready, sizes, mean, sd)


def load_zinc(data_dir: Path | None) -> dict[str, Graphs]:
    """Its train and validation molecules, and test where the file exists: it is kept back from most users."""
    parts = load_parts(lambda split: zinc.load(split, data_dir).graphs)
    return {split: replace(graphs, nodes=graphs.nodes[:, None]) for split, graphs in parts.items()}


def load_esol(data_dir: Path | None) -> dict[str, Graphs]:
    """A random split, 80 : 10 : 10, always the same."""
    graphs = esol.load(data_dir).graphs
    indices = esol.random_split(len(graphs.labels))
    return {name: take_graphs(graphs, i) for name, i in zip(("train", "validation", "test"), indices, strict=True)}


def first(graphs: Graphs, limit: int | None) -> Graphs:
    """The first graphs of a part."""
    return graphs if limit is None else take_graphs(graphs, np.arange(min(limit, len(graphs.labels))))


def encoder(model: str, dim: int) -> Callable[[tgnn.EdgeList], np.ndarray]:
    """Where an atom stands in its molecule, for the models that ask for it."""
    if model == "graph_transformer":
        return lambda layout: laplacian_eigenvectors(layout, dim).vectors
    if model == "gps":
        return lambda layout: random_walk(layout, dim)
    return lambda layout: np.zeros((layout.n_receivers, 0), np.float32)
