"""Sizes of the runs of `atom_mapping`. Layer, head and factor are the published ones; nothing is chosen here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """One run."""

    layer: int = 10  # counted from 0, as are the heads
    head: int = 5
    multiplier: float = 90.0  # by which a mapped pair of atoms raises its neighbours' attention to each other
    num_reactions: int = 15
    compared_layers: tuple[int, ...] = tuple(range(12))  # every head of these is tried for comparison


PRESETS = {
    "smoke": Config(num_reactions=3, compared_layers=(10,)),
    "cpu": Config(),
    "full": Config(),
}
