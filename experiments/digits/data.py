"""Scikit-learn's 1,797 handwritten digits as a graph: each is joined to its nearest neighbours."""

from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neighbors import kneighbors_graph

import tgnn


class Digits(NamedTuple):
    """Pictures, classes and the graph."""

    pixels: np.ndarray  # [n, 64] in [0, 1]
    classes: np.ndarray  # [n] in 0 ... 9
    layout: tgnn.EdgeList  # both directions and self-loops


def load(num_neighbors: int) -> Digits:
    """An edge joins two digits if either is among the nearest of the other, by Euclidean distance of the pixels."""
    pixels, classes = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype(np.float32)
    nearest = kneighbors_graph(pixels, num_neighbors)
    layout = tgnn.self_loops(tgnn.undirected(tgnn.from_scipy(nearest)))
    return Digits(pixels, classes.astype(np.int32), layout)


def reveal(classes: np.ndarray, labels_per_class: int, seed: int) -> np.ndarray:
    """The labels that training may see: `[n]`, -1 where hidden."""
    rng = np.random.default_rng(seed)
    labels = np.full_like(classes, -1)
    for digit in np.unique(classes):
        labels[rng.choice(np.flatnonzero(classes == digit), labels_per_class, replace=False)] = digit
    return labels
