"""What is trained and how."""

from dataclasses import dataclass
from typing import Literal

Dataset = Literal["cora", "citeseer"]
Model = Literal["gcn", "words"]
Decoder = Literal["dot_product", "perceptron"]


@dataclass(frozen=True)
class Config:
    """The graph auto-encoder of Kipf and Welling, arXiv:1611.07308, section 3: two layers, Adam, no dropout."""

    num_steps: int = 200
    hidden_dim: int = 32
    model_dim: int = 16
    learning_rate: float = 0.01
    evaluate_every: int = 20  # steps between looks at the validation links, of which the best chooses the weights


PRESETS = {"smoke": Config(num_steps=4, evaluate_every=2), "cpu": Config()}
