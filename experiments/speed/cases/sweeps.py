"""Growth in the number of edges, and in density: where lines are straight and where they cross."""

from collections.abc import Iterator

import numpy as np

import tgnn
from experiments.speed.cases.case import Case, arrays
from experiments.speed.cases.edges import HEADS, compare
from experiments.speed.contestant import from_jax
from experiments.speed.graphs import power_law
from tgnn.planning.cost import cost

EDGES_PER_NODE = 8
HEAD_DIM = 8


def growth(family, size, config, data_dir) -> Iterator[Case]:
    """Graphs of equal mean degree; PyG up to a size. One at a time: the largest take gigabytes."""
    for count in config.growth:
        graph = power_law(count // EDGES_PER_NODE, count)
        yield compare(f"{family}-{count}", graph, HEAD_DIM, peers=count <= config.growth_peer)


def density(family, size, config, data_dir) -> Iterator[Case]:
    """The same random edges as a list, as tiles and as a matrix."""
    n = config.density_nodes
    *inputs, cotangent = arrays(1, *[(n, HEADS, 16)] * 4)
    for share in config.densities:
        receivers, senders = np.nonzero(np.random.default_rng(0).random((n, n)) < share)
        layouts = {
            "tgnn edges": tgnn.EdgeList.from_edges(senders, receivers, n_receivers=n),
            "tgnn blocks": tgnn.Blocks.from_edges(senders, receivers, 32, n_receivers=n),
            "tgnn dense": tgnn.Dense.from_edges(senders, receivers, n_receivers=n),
        }
        sides = {
            side: lambda layout=layout: from_jax(tgnn.attend, layout, inputs, cotangent)
            for side, layout in layouts.items()
        }
        costs = (cost(layouts["tgnn edges"], HEADS, 16, gradients=yes) for yes in (False, True))
        yield Case(f"{family}-{share:g}", "tgnn dense", sides, *costs)
