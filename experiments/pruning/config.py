"""Sizes of the runs of `pruning`."""

from dataclasses import dataclass
from typing import Literal

Model = Literal["minilm", "gat"]
Method = Literal["importance", "learned", "greedy", "random"]
METHODS: tuple[Method, ...] = ("importance", "learned", "greedy", "random")


@dataclass(frozen=True)
class Config:
    """One run: how much data and time each way to order the heads gets, and where the curves are measured."""

    removed: tuple[int, ...]  # of MiniLM's 72 heads
    removed_gat: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6, 7)  # of the 8 heads of the first layer
    max_tokens: int = 16  # longer sentences are left out: one shape, no padding to speak of
    pairs: int = 80  # of SICK's trial split, other ones for each seed: what is scored
    examples: int = 48  # sentences (MiniLM) or papers (GAT) for the gradients of the gates
    gate_steps: int = 80  # of learned gates
    gate_batch: int = 10  # sentences a step
    prices: tuple[float, float] = (1e-5, 1e-1)  # of an open gate, at the first and the last step
    gate_learning_rate: float = 0.1  # of Adam
    greedy_examples: int = 8  # sentences on which each removal is tried
    greedy_per_step: int = 6  # heads of MiniLM removed after each round of trying; of the GAT 1
    max_epochs: int | None = None  # of the GAT, whatever its recipe says
    timed: int = 5  # calls of the whole and of the pruned network, in turn


PRESETS = {
    # seconds: for tests
    "smoke": Config(
        removed=(0, 1),
        removed_gat=(0, 7),
        pairs=6,
        examples=2,
        gate_steps=2,
        gate_batch=2,
        greedy_examples=2,
        greedy_per_step=1,
        max_epochs=2,
        timed=1,
    ),
    # 2 to 3 minutes of one core for each seed of MiniLM, 1 for each of the GAT
    "cpu": Config(removed=(0, 7, 15, 22, 36, 54)),
    # every head tried on its own, and all pairs: not run
    "full": Config(
        removed=tuple(range(0, 72, 3)),
        max_tokens=32,
        pairs=500,
        examples=1000,
        gate_steps=2000,
        gate_batch=64,
        greedy_examples=200,
        greedy_per_step=1,
    ),
}
