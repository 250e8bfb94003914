"""Of each step's users and items the neighbours that random walks visit most: what PinSage sees of the graph."""

from collections.abc import Callable

import numpy as np

from experiments.recommend.config import Config
from experiments.recommend.data import Choices
from tgnn.sampling import Hops, in_edges_of, sample_important


def make_sampler(choices: Choices, config: Config) -> Callable[..., Hops]:
    """A function (nodes, seed=, step=, sizes=) -> hops, of users and items in one set of nodes.

    Walks go from users to items and back, so that a user's neighbours are the own items and like users.
    """
    rows, fanouts = in_edges_of(choices.graph), [config.num_neighbors] * config.num_layers

    def sample(nodes: np.ndarray, *, seed: int, step: int, sizes=None) -> Hops:
        walks = {"num_walks": config.num_walks, "walk_length": config.walk_length}
        return sample_important(rows, nodes, fanouts, **walks, seed=seed, step=step, sizes=sizes)

    return sample
