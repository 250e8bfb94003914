"""Edges on the host, before anything is computed with them: what PyG, SciPy and NumPy do with the same lists."""

# pyright: reportMissingImports=false
# The peers are installed where they are measured.

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_matrix

import tgnn
from experiments.speed.cases.case import Case
from experiments.speed.contestant import Contestant
from tgnn.planning.cost import Cost

NODES = 10  # edges for each


def cases(family, size, config, data_dir) -> list[Case]:
    """One function each; the first side is the peer."""
    n_edge = int(size)
    n = n_edge // NODES
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, n, (2, 2, n_edge))
    a, b = (tgnn.EdgeList.from_edges(*x, n_receivers=n) for x in (first, second))
    both = np.concatenate([first, second], axis=1)
    compared = {
        "from_edges": ("NumPy", lambda: both_orders(first), lambda: orders_of(first, n)),
        "coalesce": ("PyG", lambda: pyg("coalesce", first, n), lambda: pairs(tgnn.coalesce(a))),
        "undirected": ("PyG", lambda: pyg("to_undirected", first, n), lambda: pairs(tgnn.undirected(a))),
        "self_loops": (
            "PyG",
            lambda: pyg("coalesce", looped(first, n), n),
            lambda: pairs(tgnn.coalesce(tgnn.self_loops(a))),
        ),
        "union": ("PyG", lambda: pyg("coalesce", both, n), lambda: pairs(a | b)),
        "intersection": ("SciPy", lambda: scipy_both(first, second, n), lambda: pairs(a & b)),
    }
    return [
        Case(f"{family}-{size}-{name}", peer, {peer: host(theirs), "tgnn": host(ours)}, nothing(), nothing())
        for name, (peer, theirs, ours) in compared.items()
    ]


def host(call: Callable) -> Callable[[], Contestant]:
    """A side without gradients, whose result is edges sorted by receiver and sender, or what stands for them."""

    def build() -> Contestant:
        call()  # a peer that is missing says so here
        return Contestant(call, None, lambda found: [np.asarray(found)])

    return build


def both_orders(edges: np.ndarray) -> np.ndarray:
    """The permutations that sort edges by receiver and by sender."""
    senders, receivers = edges
    return np.stack([np.argsort(x.astype(np.int32), kind="stable") for x in (receivers, senders)])


def orders_of(edges: np.ndarray, n: int) -> np.ndarray:
    """The same as a layout holds them."""
    layout = tgnn.EdgeList.from_edges(*edges, n_receivers=n)
    return np.stack([layout.order, layout.by_sender])


def pyg(name: str, edges: np.ndarray, n: int) -> np.ndarray:
    """A function of PyG on edges [2, n_edge], sender and receiver; its result in our order."""
    import torch
    from torch_geometric import utils

    # PyG sorts by the first row, which is the sender: turned around, so that both sort alike.
    found = getattr(utils, name)(torch.from_numpy(edges[::-1].copy()), num_nodes=n)
    return (found[0] if isinstance(found, tuple) else found).numpy()


def pairs(layout: tgnn.EdgeList) -> np.ndarray:
    """Receivers and senders."""
    return np.stack([layout.receivers, layout.senders])


def looped(edges: np.ndarray, n: int) -> np.ndarray:
    """PyG's loops for the nodes that have none."""
    import torch
    from torch_geometric.utils import add_remaining_self_loops

    return add_remaining_self_loops(torch.from_numpy(edges), num_nodes=n)[0].numpy()


def scipy_both(first: np.ndarray, second: np.ndarray, n: int) -> np.ndarray:
    """The pairs of both lists, by matrices made of them."""
    matrices = [csr_matrix((np.ones(edges.shape[1], bool), edges[::-1]), (n, n)) for edges in (first, second)]
    found = matrices[0].multiply(matrices[1]).tocoo()
    order = np.lexsort((found.col, found.row))
    return np.stack([found.row[order], found.col[order]])


def nothing() -> Cost:
    """No attention is computed."""
    return Cost(0, 0, 0, 0, 0)
