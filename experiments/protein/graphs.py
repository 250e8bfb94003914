"""Graphs between the residues of a chain that are not its nearest neighbours, with as many edges."""

import numpy as np

from tgnn.graphs import Neighbors


def chain_neighbors(n: int, k: int) -> Neighbors:
    """The k residues nearest along the chain, itself first: what a Transformer with a window would see."""
    apart = np.abs(np.arange(n)[:, None] - np.arange(n))
    return Neighbors(np.argsort(apart, axis=1, kind="stable")[:, :k].astype(np.int32), n)


def random_neighbors(n: int, k: int, seed: int) -> Neighbors:
    """Itself and k - 1 others, drawn for each residue."""
    order = np.random.default_rng(seed).random((n, n))
    order[np.arange(n), np.arange(n)] = -1
    return Neighbors(np.argsort(order, axis=1)[:, :k].astype(np.int32), n)
