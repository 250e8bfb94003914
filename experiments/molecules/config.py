"""What is trained and for how long."""

from dataclasses import dataclass
from typing import Literal

Dataset = Literal["zinc", "esol"]
Model = Literal["mpnn_sum", "mpnn_mean", "mpnn_max", "mpnn_pna", "gin", "gated_gcn", "graph_transformer", "gps"]


@dataclass(frozen=True)
class Config:
    """Size of a run. Nothing is selected: the last step counts."""

    model_dim: int
    num_layers: int
    num_heads: int
    batch_size: int  # molecules
    num_steps: int
    warmup_steps: int
    learning_rate: float  # the peak; then half a cosine down to 0
    weight_decay: float = 1e-5
    dropout_rate: float = 0.0
    encoding_dim: int = 8  # Laplacian eigenvectors (graph_transformer) or random walk steps (gps)
    train_molecules: int | None = None  # the first ones only; None: all
    validation_molecules: int | None = None
    evaluate_every: int = 0  # steps between looks at the validation molecules


PRESETS = {
    # seconds: for tests
    "smoke": Config(
        model_dim=8,
        num_layers=1,
        num_heads=2,
        batch_size=16,
        num_steps=8,
        warmup_steps=2,
        learning_rate=1e-2,
        train_molecules=64,
        validation_molecules=32,
    ),
    # 2 cores: 12 epochs of 2,000 molecules
    "cpu": Config(
        model_dim=48,
        num_layers=4,
        num_heads=4,
        batch_size=64,
        num_steps=372,
        warmup_steps=40,
        learning_rate=3e-3,
        train_molecules=2000,
    ),
    # 2 cores: the published size of half a million parameters, with the budget of "cpu"
    "cpu_500k": Config(
        model_dim=64,
        num_layers=10,
        num_heads=8,
        batch_size=64,
        num_steps=372,
        warmup_steps=40,
        learning_rate=1e-3,
        train_molecules=2000,
    ),
    # an accelerator: 2,000 epochs of 10,000 molecules as in GPS, arXiv:2205.12454, table A.2
    "full": Config(
        model_dim=64,
        num_layers=10,
        num_heads=8,
        batch_size=32,
        num_steps=625_000,
        warmup_steps=15_000,
        learning_rate=1e-3,
        encoding_dim=20,
        evaluate_every=3125,
    ),
}
