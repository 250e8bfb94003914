"""What is trained and for how long."""

from dataclasses import dataclass
from typing import Literal

Model = Literal["gin_sum", "gin_mean", "gin_max"]


@dataclass(frozen=True)
class Config:
    """Size of a run: all ten folds at once, each twice (see run.py)."""

    hidden_dim: int
    num_layers: int
    batch_size: int  # graphs, which all folds share; each leaves its own test graphs out of the loss
    num_epochs: int
    learning_rate: float
    halve_every: int  # epochs between halvings of the learning rate
    dropout_rate: float  # before the last linear maps
    train_graphs: int | None = None  # at even distances in the data set; None: all


PRESETS = {
    # seconds: for tests
    "smoke": Config(
        hidden_dim=4,
        num_layers=1,
        batch_size=32,
        num_epochs=2,
        learning_rate=0.01,
        halve_every=50,
        dropout_rate=0.0,
        train_graphs=64,
    ),
    # 2 cores, PTC (344 graphs)
    "cpu": Config(
        hidden_dim=16,
        num_layers=3,
        batch_size=64,
        num_epochs=60,
        learning_rate=0.01,
        halve_every=20,
        dropout_rate=0.5,
    ),
    # Xu et al., arXiv:1810.00826, section 7: 5 layers, 350 epochs, one of the sizes that they search over
    "full": Config(
        hidden_dim=32,
        num_layers=5,
        batch_size=128,
        num_epochs=350,
        learning_rate=0.01,
        halve_every=50,
        dropout_rate=0.5,
    ),
}
