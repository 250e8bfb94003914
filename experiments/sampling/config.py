"""How large the graph is, and what is sampled and trained on it."""

from dataclasses import dataclass
from typing import Literal

Model = Literal["sampler", "graph_sage"]


@dataclass(frozen=True)
class Config:
    """Sizes; the defaults are those of the claim: a million nodes and twenty million edges."""

    num_nodes: int = 1_000_000
    num_edges: int = 20_000_000
    fanouts: tuple[int, ...] = (10, 10)
    batch_size: int = 1_024
    rounds: int = 5  # of the race, in which the sides take turns
    batches: int = 20  # of each side in a round
    feature_dim: int = 64
    hidden_dim: int = 64
    num_classes: int = 16
    learning_rate: float = 1e-2


PRESETS = {
    # seconds: for tests
    "smoke": Config(num_nodes=400, num_edges=4_000, fanouts=(3, 2), batch_size=32, rounds=2, batches=2, feature_dim=8),
    "cpu": Config(),
}
