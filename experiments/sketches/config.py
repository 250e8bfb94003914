"""What is compared, and for how long it is trained."""

from dataclasses import dataclass
from typing import Literal

# Each name is a list of graphs on the points of a drawing, one for each set of heads: `graphs.py` says what they are.
Graphs = Literal["complete", "one_hop", "two_hop", "strokes", "multi_graph", "with_complete"]

RELATIONS: dict[str, tuple[str, ...]] = {
    # The same Transformer, with as many heads and weights, sees nothing but complete graphs.
    "complete": ("complete", "complete", "complete"),
    "one_hop": ("one_hop", "one_hop", "one_hop"),
    "two_hop": ("two_hop", "two_hop", "two_hop"),
    "strokes": ("strokes", "strokes", "strokes"),
    "multi_graph": ("one_hop", "two_hop", "strokes"),
    "with_complete": ("two_hop", "strokes", "complete"),
}


@dataclass(frozen=True)
class Config:
    """Size of a run. Nothing is selected: the last step counts."""

    model_dim: int  # a multiple of 3
    num_layers: int
    num_heads: int  # of each graph
    max_points: int  # of a drawing; later ones are dropped
    batch_size: int
    num_steps: int
    warmup_steps: int
    learning_rate: float  # the peak; then half a cosine down to 0
    dropout_rate: float = 0.1
    weight_decay: float = 0.01
    distortion: float = 0.0  # of training drawings, anew in each batch: see `data.distort`
    numbered: bool = True  # points know their place in the order of the pen
    num_classes: int | None = None  # the first ones of the 345; None: all
    evaluate_every: int = 0  # steps between looks at the validation drawings


PRESETS = {
    # seconds: for tests
    "smoke": Config(
        model_dim=12,
        num_layers=1,
        num_heads=2,
        max_points=16,
        batch_size=16,
        num_steps=6,
        warmup_steps=2,
        learning_rate=1e-2,
        num_classes=5,
    ),
    # 2 cores: 38 epochs of 5,980 drawings, wide enough to learn them by heart
    "cpu": Config(
        model_dim=72,
        num_layers=2,
        num_heads=3,
        max_points=48,
        batch_size=64,
        num_steps=3600,
        warmup_steps=50,
        learning_rate=2e-3,
        evaluate_every=300,
    ),
    # an accelerator: all classes and the paper's base model, arXiv:1912.11258, section 5.1 (4 layers, 8 heads, 100
    # points), for 100 epochs of the 5,980 drawings there are here (the paper: 345,000)
    "full": Config(
        model_dim=255,
        num_layers=4,
        num_heads=5,
        max_points=100,
        batch_size=192,
        num_steps=3100,
        warmup_steps=200,
        learning_rate=1e-3,
        evaluate_every=310,
    ),
}
