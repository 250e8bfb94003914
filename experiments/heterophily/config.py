"""What is trained and for how long: the recipe of Platonov et al., arXiv:2302.11640, and sizes for smaller machines."""

from dataclasses import dataclass
from typing import Literal

Dataset = Literal["minesweeper", "tolokers", "chameleon_filtered"]
Model = Literal["resnet", "gcn", "sage", "gat", "gat_sep", "transformer"]


@dataclass(frozen=True)
class Config:
    """Sizes; the defaults are the recipe, `train.py` of github.com/yandex-research/heterophilous-graphs."""

    splits_at_once: int  # that share a vmap: memory grows with them
    num_layers: int = 5  # the source tries 1 to 5 and takes the best validation score
    model_dim: int = 512
    num_heads: int = 8
    dropout_rate: float = 0.2
    learning_rate: float = 3e-5  # Adam's, without weight decay
    num_steps: int = 1000
    evaluate_every: int = 1  # steps between looks at validation and test, of which validation chooses one
    block: int = 50  # steps in one compiled loop, between which nothing comes back; a multiple of evaluate_every
    layout: Literal["auto", "list", "table", "matrix"] = "auto"  # how edges are stored: see data.py
    definition: bool = False  # attend by gathering rows edge by edge, as autodiff has it, instead of this CPU's path


PRESETS = {
    # seconds: for tests
    "smoke": Config(splits_at_once=2, num_layers=2, model_dim=16, num_heads=2, num_steps=4, block=2),
    # 2 cores: a narrow network, which needs larger steps
    "cpu": Config(splits_at_once=1, model_dim=64, learning_rate=1e-3, num_steps=300, evaluate_every=5),
    # an accelerator: the recipe, all ten splits at once
    "full": Config(splits_at_once=10, definition=True),
    # the same for a minute's look at speed and memory
    "full_try": Config(splits_at_once=10, num_steps=20, block=10, definition=True),
}
