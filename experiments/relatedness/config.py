"""Sizes of the runs of `relatedness`."""

from dataclasses import dataclass

from experiments.common.sentences.config import Config as Sizes


@dataclass(frozen=True)
class Config(Sizes):
    """One run; `nodes` are those of both sentences of the pairs of a batch."""

    held_out: int = 450  # training pairs that choose among the checkpoints of a run
    comparison_dim: int = 50  # hidden layer between two states and the score
    min_count: int = 2  # words that occur less often are unknown


PRESETS = {
    # seconds: for tests
    "smoke": Config(
        embedding_dim=8,
        hidden_dim=8,
        num_layers=1,
        num_heads=1,
        nodes=256,
        num_steps=6,
        warmup_steps=2,
        learning_rate=1e-2,
        evaluate_every=3,
        train_examples=60,
        test_examples=20,
        held_out=20,
        comparison_dim=4,
    ),
    # a minute for each seed on 2 cores
    "cpu": Config(
        embedding_dim=64,
        hidden_dim=64,
        num_layers=1,
        num_heads=1,
        nodes=1024,
        num_steps=1000,
        warmup_steps=50,
        learning_rate=2e-3,
        dropout_rate=0.2,
    ),
    # the sizes of Tai, Socher and Manning, arXiv 1503.00075
    "full": Config(
        embedding_dim=300,
        hidden_dim=150,
        num_layers=1,
        num_heads=1,
        nodes=1024,
        num_steps=4000,
        warmup_steps=100,
        learning_rate=1e-3,
        dropout_rate=0.2,
    ),
}
