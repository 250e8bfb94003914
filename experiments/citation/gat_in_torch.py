"""GAT on a citation graph in PyTorch Geometric, after its `examples/gat.py`."""

# pyright: reportMissingImports=false
# The peers are installed where they are measured.

from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional
from torch_geometric.nn import GATConv

from experiments.citation.config import Recipe


class Tensors(NamedTuple):
    """A citation graph as PyG takes it: words are a dense matrix, as in its own example."""

    words: torch.Tensor
    edge_index: torch.Tensor
    labels: torch.Tensor
    train: torch.Tensor
    validation: torch.Tensor

    @classmethod
    def of(cls, graph) -> "Tensors":
        """From a `tgnn.datasets.planetoid.Planetoid`, words normalised to sum 1 per paper."""
        indptr, indices, values, shape = graph.features
        rows = np.repeat(np.arange(shape[0]), np.diff(indptr))
        words = np.zeros(shape, np.float32)
        words[rows, indices] = values / np.bincount(rows, values, minlength=shape[0])[rows]
        edges = np.stack([graph.senders, graph.receivers])
        numbers = (torch.tensor(x, dtype=torch.long) for x in (edges, graph.labels, graph.train, graph.validation))
        return cls(torch.tensor(words), *numbers)


class Gat(torch.nn.Module):
    """Two layers, whose dropout is that of the paper."""

    def __init__(self, num_words: int, num_classes: int, recipe: Recipe):
        super().__init__()
        self.rate, heads = recipe.dropout_rate, recipe.num_heads or 1
        self.first = GATConv(num_words, recipe.hidden_dim, heads=heads, dropout=self.rate)
        self.second = GATConv(recipe.hidden_dim * heads, num_classes, concat=False, dropout=self.rate)

    def forward(self, words, edge_index):
        """Logits."""
        hidden = self.first(functional.dropout(words, self.rate, self.training), edge_index)
        return self.second(functional.dropout(functional.elu(hidden), self.rate, self.training), edge_index)


class Training:
    """The module with its optimizer."""

    def __init__(self, tensors: Tensors, num_classes: int, recipe: Recipe):
        self.tensors = tensors
        self.model = Gat(tensors.words.shape[1], num_classes, recipe)
        self.adam = torch.optim.Adam(self.model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.l2)

    def epoch(self) -> tuple[float, float]:
        """A step, then loss and accuracy on the validation papers."""
        words, edge_index, labels, train, validation = self.tensors
        self.model.train()
        self.adam.zero_grad()
        functional.cross_entropy(self.model(words, edge_index)[train], labels[train]).backward()
        self.adam.step()
        self.model.eval()
        with torch.no_grad():
            said = self.model(words, edge_index)[validation]
            loss = functional.cross_entropy(said, labels[validation]).item()
            return loss, (said.argmax(dim=1) == labels[validation]).float().mean().item()
