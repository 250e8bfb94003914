"""A synthetic graph with hubs: few nodes have most of the edges, as in networks of people."""

from typing import NamedTuple

import numpy as np

import tgnn
from experiments.sampling.config import Config
from tgnn.sampling import InEdges, in_edges_of


class Edges(NamedTuple):
    """Edges in the caller's order: int32 [num_edges] each."""

    senders: np.ndarray
    receivers: np.ndarray


def make_edges(config: Config, seed: int = 0) -> Edges:
    """Both ends of each edge drawn with a chance that falls as the root of a node's rank: degrees as k ** -3."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(config.num_nodes).astype(np.int32)  # so that a hub may stand anywhere

    def draw() -> np.ndarray:
        return names[(rng.random(config.num_edges) ** 2 * config.num_nodes).astype(np.int32)]

    return Edges(draw(), draw())


def in_edges(edges: Edges, config: Config) -> InEdges:
    """What samplers read."""
    return in_edges_of(tgnn.EdgeList.from_edges(*edges, n_receivers=config.num_nodes))


class Nodes(NamedTuple):
    """What is known of nodes: a noisy sign of the class."""

    features: np.ndarray  # float32 [num_nodes, feature_dim]
    labels: np.ndarray  # int32 [num_nodes]


def make_nodes(config: Config, seed: int = 0) -> Nodes:
    """Features and classes."""
    rng = np.random.default_rng([seed, 1])
    labels = rng.integers(0, config.num_classes, config.num_nodes, dtype=np.int32)
    features = rng.standard_normal((config.num_nodes, config.feature_dim), np.float32)
    features += rng.standard_normal((config.num_classes, config.feature_dim), np.float32)[labels] / 2
    return Nodes(features, labels)
