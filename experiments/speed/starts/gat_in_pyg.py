"""GAT's first step with PyTorch Geometric."""

# pyright: reportMissingImports=false
# The peers are installed where they are measured.

import numpy as np
import torch
from torch.nn import functional
from torch_geometric.nn import GATConv

from experiments.speed.starts.given import main


class Gat(torch.nn.Module):
    """As in PyG's examples."""

    def __init__(self, num_words: int, num_classes: int):
        super().__init__()
        self.first, self.second = GATConv(num_words, 8, heads=8), GATConv(64, num_classes, concat=False)

    def forward(self, words, edge_index):
        """Logits."""
        return self.second(functional.elu(self.first(words, edge_index)), edge_index)


def train(inputs, weights, num_steps):
    """Losses of the first steps."""
    words = np.zeros(inputs["shape"], np.float32)
    words[np.repeat(np.arange(len(words)), np.diff(inputs["indptr"])), inputs["indices"]] = inputs["values"]
    words, labels = torch.from_numpy(words), torch.from_numpy(inputs["train_labels"]).long()
    edge_index = torch.from_numpy(np.stack([inputs["senders"], inputs["receivers"]])).long()
    model = Gat(words.shape[1], int(inputs["labels"].max()) + 1)
    if weights is not None:
        model.load_state_dict({name: torch.from_numpy(x) for name, x in weights.items()})
    optimizer, losses = torch.optim.AdamW(model.parameters(), lr=0.005, weight_decay=5e-4), []
    for _ in range(num_steps):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(words, edge_index), labels, ignore_index=-1)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    main(train)
