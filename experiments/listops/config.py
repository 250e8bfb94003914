"""Sizes of the runs of `listops`."""

from dataclasses import dataclass

from experiments.common.sentences.config import Config as Sizes


@dataclass(frozen=True)
class Config(Sizes):
    """One run. Sequences are longer than `min_length` tokens and shorter than `max_length`."""

    train: int = 96_000  # sequences, as in the Long Range Arena
    held_out: int = 2_000
    test: int = 2_000
    min_length: int = 500
    max_length: int = 2_000
    max_depth: int = 10
    max_arguments: int = 10
    data_seed: int = 0


PRESETS = {
    # seconds: for tests
    "smoke": Config(
        embedding_dim=8,
        hidden_dim=8,
        num_layers=1,
        num_heads=2,
        mlp_dim=8,
        nodes=128,
        num_steps=6,
        warmup_steps=2,
        learning_rate=1e-2,
        evaluate_every=3,
        train=60,
        held_out=10,
        test=10,
        min_length=5,
        max_length=30,
    ),
    # two or three minutes for each model and seed on 2 cores
    "cpu": Config(
        embedding_dim=64,
        hidden_dim=100,  # as many weights as the Transformers
        num_layers=2,
        num_heads=4,
        mlp_dim=128,
        nodes=2048,
        num_steps=800,
        warmup_steps=80,
        learning_rate=2e-3,
        dropout_rate=0.0,
        evaluate_every=200,
        train=8_000,
        held_out=500,
        test=1_000,
        min_length=20,
        max_length=200,
    ),
    # an accelerator: lengths and numbers of sequences of the Long Range Arena, arXiv 2011.04006
    "full": Config(
        embedding_dim=512,
        hidden_dim=512,
        num_layers=6,
        num_heads=8,
        mlp_dim=2048,
        nodes=32 * 2000,
        num_steps=5000,
        warmup_steps=1000,
        learning_rate=1e-3,
        dropout_rate=0.1,
        evaluate_every=500,
    ),
}
