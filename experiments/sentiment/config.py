"""Sizes of the runs of `sentiment`."""

from dataclasses import dataclass
from typing import Literal

from experiments.common.sentences.config import Config as Sizes

Dataset = Literal["fine", "binary"]


@dataclass(frozen=True)
class Config(Sizes):
    """One run."""

    held_out: int = 500  # training sentences that choose among the checkpoints of a run
    min_count: int = 2  # words that occur less often are unknown, unless they have a vector


PRESETS = {
    # seconds: for tests
    "smoke": Config(
        embedding_dim=8,
        hidden_dim=8,
        num_layers=1,
        num_heads=2,
        mlp_dim=8,
        nodes=256,
        num_steps=6,
        warmup_steps=2,
        learning_rate=1e-2,
        evaluate_every=3,
        train_examples=60,
        test_examples=20,
        held_out=20,
    ),
    # two minutes or less for each model and seed on 2 cores, three for Transformers on trees
    "cpu": Config(
        embedding_dim=64,
        hidden_dim=64,
        num_layers=2,
        num_heads=4,
        mlp_dim=128,
        rounds=3,
        nodes=2048,
        num_steps=600,
        warmup_steps=60,
        learning_rate=4e-3,
        dropout_rate=0.3,
    ),
    # the same hardware, for a Tree-LSTM with --vectors glove_50d as Tai, Socher and Manning train it: their rates, of
    # which those of words' vectors (0.1) and of weight decay (1e-4) are turned into those of a loss that is a mean over
    # nodes and not a sum over a tree, which has 37
    "glove_recurrent": Config(
        embedding_dim=50,
        hidden_dim=100,
        num_layers=2,
        num_heads=4,
        mlp_dim=128,
        nodes=1024,
        num_steps=1000,
        warmup_steps=60,
        learning_rate=0.05,
        dropout_rate=0.3,
        optimizer="adagrad",
        embedding_rate=3.7,
        weight_decay=1e-5,
    ),
    # an accelerator, with --vectors glove.840B.300d.txt: the sizes of Tai, Socher and Manning, arXiv 1503.00075
    "full": Config(
        embedding_dim=300,
        hidden_dim=150,
        num_layers=4,
        num_heads=6,
        mlp_dim=600,
        nodes=2048,
        num_steps=6000,
        warmup_steps=300,
        learning_rate=1e-3,
        dropout_rate=0.5,
        evaluate_every=150,
    ),
}
