"""Sizes of the runs of `gestures`."""

from dataclasses import dataclass

from experiments.sketches.config import Config as Network
from experiments.sketches.config import Graphs


@dataclass(frozen=True)
class Config:
    """One grid: every choice of graphs, from the drawings of ever more people."""

    network: Network  # the same for all cells, and as many steps, whatever the number of drawings
    graphs: tuple[Graphs, ...] = ("complete", "multi_graph", "with_complete")
    people: tuple[int, ...] = (1, 2, 4, 8)  # that are trained on; and once all who are not held out


PRESETS = {
    # seconds: for tests
    "smoke": Config(
        Network(
            model_dim=12,
            num_layers=1,
            num_heads=2,
            max_points=16,
            batch_size=16,
            num_steps=4,
            warmup_steps=1,
            learning_rate=1e-2,
            num_classes=2,
        ),
        graphs=("complete", "multi_graph"),
        people=(1,),
    ),
    # one core: of 1,440 validation drawings about one in a hundred is cut off
    "cpu": Config(
        Network(
            model_dim=48,
            num_layers=2,
            num_heads=3,
            max_points=40,
            batch_size=32,
            num_steps=400,
            warmup_steps=40,
            learning_rate=2e-3,
        ),
    ),
    # an accelerator: the paper's base model, arXiv:1912.11258, section 5.1; not run
    "full": Config(
        Network(
            model_dim=255,
            num_layers=4,
            num_heads=5,
            max_points=100,
            batch_size=192,
            num_steps=3000,
            warmup_steps=200,
            learning_rate=1e-3,
        ),
    ),
}
