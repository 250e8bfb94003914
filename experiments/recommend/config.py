"""What is trained and for how long."""

from dataclasses import dataclass
from typing import Literal

Dataset = Literal["lastfm", "gowalla"]
Model = Literal["lightgcn", "attention", "mf", "pinsage", "filter"]


@dataclass(frozen=True)
class Config:
    """Size of a run. Nothing is selected: the last step counts."""

    num_steps: int
    batch_size: int  # pairs of a user and a chosen item, each with one item that was not chosen
    learning_rate: float  # Adam's
    model_dim: int = 64
    num_layers: int = 3  # steps along the edges; matrix factorisation takes none
    l2: float | None = None  # loss = BPR + l2 / 2 * the mean over the batch of the squared embeddings; None: L2's
    top: int = 20  # items that are recommended
    holdout: bool = False  # score a tenth of the training pairs, also where there is a test
    max_pairs: int | None = None  # the first training pairs only
    evaluate_every: int = 0  # steps between looks at the scored part
    block: int = 256  # users whose items are ranked at a time
    on_device: bool = False  # whether the device draws batches for itself, with repetition
    num_neighbors: int = 10  # of a node in each layer of PinSage, those that walks visit most
    num_walks: int = 10  # from each node; PinSage's
    walk_length: int = 3  # rounds of a walk, before each of which it begins again with a chance of a half


# Chosen on pairs held out of LastFM's train (README): matrix factorisation needs much more of it.
L2: dict[Model, float] = {"lightgcn": 1e-3, "attention": 1e-3, "mf": 3e-2, "pinsage": 1e-3, "filter": 0.0}

PRESETS = {
    # seconds: for tests
    "smoke": Config(num_steps=6, batch_size=64, learning_rate=1e-2, model_dim=8, num_layers=2, max_pairs=3000),
    # 2 cores, LastFM: 60 epochs
    "cpu": Config(num_steps=1_200, batch_size=2048, learning_rate=1e-2, evaluate_every=200),
    # the same, to choose by: a tenth of the training pairs is scored
    "cpu_holdout": Config(num_steps=1_200, batch_size=2048, learning_rate=1e-2, evaluate_every=200, holdout=True),
    # 2 cores, LastFM, PinSage: a few minutes; not at its end
    "pinsage": Config(num_steps=600, batch_size=2048, learning_rate=1e-2, num_layers=2, evaluate_every=100),
    # 2 cores, Gowalla: a step costs six sums over all edges whatever its batch, so batches are large
    "gowalla": Config(num_steps=200, batch_size=65_536, learning_rate=2e-2, l2=1e-4, evaluate_every=50),
    # the same for two hours
    "gowalla_long": Config(num_steps=1_600, batch_size=65_536, learning_rate=1e-2, l2=1e-4, evaluate_every=200),
    # an accelerator, Gowalla: 360 epochs, and nothing is made on the host
    "gowalla_gpu": Config(
        num_steps=4_000,
        batch_size=65_536,
        learning_rate=1e-2,
        l2=1e-4,
        evaluate_every=1_000,
        block=1024,
        on_device=True,
    ),
    # an accelerator, Gowalla: the authors' 1,000 epochs (arXiv:2002.02126, section 4.1.2)
    "full": Config(num_steps=396_000, batch_size=2048, learning_rate=1e-3, l2=1e-4, evaluate_every=3960),
}
