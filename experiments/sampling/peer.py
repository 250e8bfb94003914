"""PyTorch Geometric's NeighborLoader on the same graph: needs torch, torch_geometric, and pyg-lib or torch-sparse."""

# pyright: reportMissingImports=false

from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np

from experiments.sampling.config import Config
from experiments.sampling.graph import Edges


class Sample(NamedTuple):
    """Edges of a sample, by numbers of the graph: int [n] each."""

    senders: np.ndarray
    receivers: np.ndarray
    numbers: np.ndarray


class Peer(NamedTuple):
    """The other side."""

    name: str
    batches: Callable[[np.ndarray], Any]  # seeds -> an iterator of batches, without more work
    read: Callable[[Any], Sample]  # a batch -> what it holds, not timed


def load_peer(edges: Edges, config: Config) -> Peer | None:
    """The loader on one thread, or None, with the reason in print, where it cannot be used."""
    try:
        import torch
        import torch_geometric.typing as have
        from torch_geometric.data import Data
        from torch_geometric.loader import NeighborLoader
    except ImportError as error:
        return print(f"no peer: {error}", flush=True)
    if have.WITH_PYG_LIB:
        backend = f"pyg-lib {version('pyg-lib')}"
    elif have.WITH_TORCH_SPARSE:
        import torch_sparse  # pyright: ignore

        backend = f"torch-sparse {torch_sparse.__version__}"
    else:
        return print("no peer: NeighborLoader needs pyg-lib or torch-sparse, and neither is here", flush=True)
    torch.set_num_threads(1)
    data = Data(edge_index=torch.from_numpy(np.stack(edges).astype(np.int64)), num_nodes=config.num_nodes)

    def batches(seeds: np.ndarray) -> Any:
        options = {"batch_size": config.batch_size, "shuffle": False, "num_workers": 0}
        return iter(
            NeighborLoader(data, list(config.fanouts), torch.from_numpy(seeds), **options, neighbor_sampler=one)
        )

    from torch_geometric.sampler import NeighborSampler

    one = NeighborSampler(data, list(config.fanouts))  # sorts the edges once

    def read(batch: Any) -> Sample:
        nodes, ends = batch.n_id.numpy(), batch.edge_index.numpy()
        return Sample(nodes[ends[0]], nodes[ends[1]], batch.e_id.numpy())

    return Peer(f"torch_geometric {version('torch_geometric')}, {backend}", batches, read)
