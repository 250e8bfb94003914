"""Sizes of a classifier and of its training."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Config:
    """One run. A batch has about `nodes` words, or nodes of trees."""

    embedding_dim: int  # of words; the width of Transformers
    hidden_dim: int  # states of recurrent models
    num_layers: int  # of Transformers
    num_heads: int
    nodes: int
    num_steps: int
    warmup_steps: int
    learning_rate: float  # the peak; then half a cosine down to 0
    optimizer: Literal["adamw", "adagrad"] = "adamw"
    # of the words' vectors: a share of the others' rate with AdamW; beside Adagrad that of plain gradient descent
    embedding_rate: float = 1.0
    mlp_dim: int = 256  # hidden layer of Transformers
    rounds: int = 1  # how often the blocks of a Transformer on trees run, with the same weights
    k: int = 4  # nodes that a token of the BP-Transformer sees on each level and side
    dropout_rate: float = 0.3
    weight_decay: float = 0.01
    evaluate_every: int = 100  # steps between looks at the held-out training examples
    train_examples: int | None = None  # the first ones only; None: all
    test_examples: int | None = None
