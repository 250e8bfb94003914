"""Sizes of the runs of `syntax`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """One reading of a network. What is chosen (heads, offsets) is chosen on training sentences."""

    train_sentences: int  # of the training split, that choose; drawn at random, the same in all runs
    test_sentences: int  # of the "dev" split, from its start
    untrained_sentences: int  # of those, drawn at random, that score the untrained networks
    flow_sentences: int  # of those, with at most flow_tokens, whose attention flow is computed as well
    edge_sentences: int  # of those, drawn at random, that are run again on other edges; untrained_sentences at most
    flow_tokens: int = 20
    max_tokens: int = 128  # longer sentences are left out
    batch: int = 32
    max_offset: int = 10  # of the baselines: the word that stands so many places before or after
    min_count: int = 100  # relations with fewer words in the test sentences are left out of the table


PRESETS = {
    "smoke": Config(6, 6, untrained_sentences=4, flow_sentences=2, edge_sentences=4, batch=4, min_count=1),
    "cpu": Config(400, 2001, untrained_sentences=400, flow_sentences=100, edge_sentences=100),
    "full": Config(12544, 2001, untrained_sentences=2001, flow_sentences=500, edge_sentences=2001),
}
