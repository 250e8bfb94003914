"""What is trained and for how long."""

from dataclasses import dataclass
from typing import Literal

Dataset = Literal["esol", "ptc"]
Model = Literal["gated_gcn", "gin", "graph_transformer", "gps"]


@dataclass(frozen=True)
class Config:
    """Size of a run: one pre-training, and for each seed three fine-tunings."""

    model_dim: int
    num_layers: int
    num_heads: int
    pretraining_molecules: int  # drawn from ZINC-250k; 1,000 more are held out
    pretraining_batch: int
    pretraining_steps: int
    pretraining_rate: float  # of learning: the peak; then half a cosine down to 0
    mask_rate: float  # share of the atoms of a molecule
    batch_size: int
    num_steps: int
    learning_rate: float
    warmup_share: float = 0.1  # of the steps, of pre-training too
    weight_decay: float = 1e-4
    dropout_rate: float = 0.0
    looks: int = 20  # at the validation and test molecules, in every fine-tuning
    held_out: int = 1000


PRESETS = {
    # seconds: for tests
    "smoke": Config(
        model_dim=8,
        num_layers=1,
        num_heads=2,
        pretraining_molecules=64,
        pretraining_batch=16,
        pretraining_steps=6,
        pretraining_rate=1e-2,
        mask_rate=0.15,
        batch_size=32,
        num_steps=4,
        learning_rate=1e-2,
        looks=2,
        held_out=16,
    ),
    # minutes of one core: two epochs of 20,000 molecules
    "cpu": Config(
        model_dim=48,
        num_layers=3,
        num_heads=4,
        pretraining_molecules=20_000,
        pretraining_batch=128,
        pretraining_steps=312,
        pretraining_rate=3e-3,
        mask_rate=0.15,
        batch_size=64,
        num_steps=400,
        learning_rate=3e-3,
        dropout_rate=0.1,
    ),
    # an accelerator: 100 epochs of all molecules; not run
    "full": Config(
        model_dim=256,
        num_layers=5,
        num_heads=8,
        pretraining_molecules=248_000,
        pretraining_batch=256,
        pretraining_steps=96_800,
        pretraining_rate=1e-3,
        mask_rate=0.15,
        batch_size=32,
        num_steps=2800,
        learning_rate=1e-3,
        dropout_rate=0.5,
    ),
}
