"""Two networks of `experiments.molecules` in PyTorch Geometric; a call on a batch is the mean absolute error."""

# pyright: reportMissingImports=false
# The peers are installed where they are measured.

from collections.abc import Sequence

import torch
from torch import nn
from torch_geometric import nn as pyg
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

ATOMS_OF_A_MOLECULE = 20.0


def perceptron(*dims: int) -> nn.Sequential:
    """Two linear maps."""
    first, hidden, last = dims
    return nn.Sequential(nn.Linear(first, hidden), nn.ReLU(), nn.Linear(hidden, last))


class Mpnn(pyg.MessagePassing):
    """`h_i = norm(h_i + mlp([h_i, sum of relu(linear([h_i, h_j, e_ij]))]))`, the map in three parts."""

    def __init__(self, dim: int, heads: int):
        super().__init__(aggr="sum")
        self.receiver = nn.Linear(dim, dim)
        self.sender, self.edge = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.mlp, self.norm = perceptron(2 * dim, dim, dim), nn.LayerNorm(dim)

    def forward(self, x, edge_index, batch, edge_attr):
        """[n, dim] -> [n, dim]."""
        ends = {"receiver": self.receiver(x), "sender": self.sender(x), "edge": self.edge(edge_attr)}
        return self.norm(x + self.mlp(torch.cat([x, self.propagate(edge_index, **ends)], dim=-1)))

    def message(self, receiver_i, sender_j, edge):
        """[n_edge, dim]."""
        return (receiver_i + sender_j + edge).relu()


class Gps(pyg.GPSConv):
    """GINE beside attention within a molecule; their layer norm takes rows only if told to."""

    def __init__(self, dim: int, heads: int):
        local = pyg.GINEConv(perceptron(dim, dim, dim), train_eps=True)
        super().__init__(dim, local, heads=heads, norm="layer_norm", norm_kwargs={"mode": "node"})

    def forward(self, x, edge_index, batch, edge_attr):
        """[n, dim] -> [n, dim]."""
        return super().forward(x, edge_index, batch, edge_attr=edge_attr)


class Network(nn.Module):
    """An embedding of atoms and bonds, layers, a sum over the atoms, a perceptron."""

    def __init__(self, kind: str, sizes: Sequence[int], num_bonds: int, encoding_dim: int, dim: int, *, shape: tuple):
        super().__init__()
        depth, heads = shape
        self.atoms = nn.ModuleList(nn.Embedding(size, dim) for size in sizes)
        self.bonds = nn.Embedding(num_bonds, dim)
        self.encoding = nn.Linear(encoding_dim, dim) if encoding_dim else None
        self.layers = nn.ModuleList({"mpnn": Mpnn, "gps": Gps}[kind](dim, heads) for _ in range(depth))
        self.head = perceptron(dim, dim // 2, 1)

    def forward(self, batch):
        """A batch of `DataLoader` -> the loss."""
        kinds, bonds = batch.x[:, : len(self.atoms)].long(), self.bonds(batch.edge_attr)
        x = torch.stack([table(kinds[:, i]) for i, table in enumerate(self.atoms)]).sum(0)
        if self.encoding is not None:
            x = x + self.encoding(batch.x[:, len(self.atoms) :])
        for layer in self.layers:
            x = layer(x, batch.edge_index, batch.batch, bonds)
        pooled = pyg.global_add_pool(x, batch.batch, batch.num_graphs) / ATOMS_OF_A_MOLECULE
        return (self.head(pooled)[:, 0] - batch.y).abs().mean()


def as_data(graphs) -> list[Data]:
    """Molecules one by one, as data sets of PyG give them; from `jraph.GraphsTuple`s."""
    return [
        Data(
            x=torch.from_numpy(graph.nodes.copy()),
            edge_index=torch.tensor([graph.senders.tolist(), graph.receivers.tolist()]),
            edge_attr=torch.from_numpy(graph.edges.copy()).long(),
            y=torch.from_numpy(graph.globals.copy()),
        )
        for graph in graphs
    ]


def loader(molecules: list, indices: list[list[int]]) -> DataLoader:
    """PyG's own, told which molecules are in which batch."""
    return DataLoader(molecules, batch_sampler=indices)
