"""The comparisons, by name: each is a baseline, the sides that are measured against it, and what the work costs."""

from collections.abc import Callable, Iterable
from pathlib import Path

from experiments.speed.cases import (
    batches,
    decoding,
    dense,
    edges,
    epochs,
    host,
    language,
    layers,
    mesh,
    own_score,
    sparse,
    starts,
    sweeps,
)
from experiments.speed.cases.case import Case
from experiments.speed.config import Config

FAMILIES: dict[str, Callable[..., Iterable[Case]]] = {
    "edges": edges.cases,
    **dict.fromkeys(("gat", "gatv2", "transformer", "gcn"), layers.cases),
    **dict.fromkeys(("complete", "causal"), dense.cases),
    "window": sparse.window,
    "blocks": sparse.blocks,
    "mesh": mesh.cases,
    "growth": sweeps.growth,
    "density": sweeps.density,
    "batches": batches.cases,
    "host": host.cases,
    "decode": decoding.cases,
    "score": own_score.cases,
    "lm": language.cases,
    "epoch": epochs.cases,
    "start": starts.cases,
}


def make(name: str, config: Config, data_dir: Path | None) -> Iterable[Case]:
    """The cases of a name such as "edges-arxiv", "causal-2048" or "growth"; an unknown one is a ValueError."""
    family, _, size = name.partition("-")
    if family not in FAMILIES:
        raise ValueError(f"unknown case {name!r}; the families are {', '.join(FAMILIES)}")
    return FAMILIES[family](family, size, config, data_dir)
