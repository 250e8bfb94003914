"""Sizes of the runs of `protein`. The network was trained with 48 neighbours; it is never trained again here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """One comparison."""

    backbones: tuple[str, ...] = ("5L33", "6MRR")
    num_neighbors: tuple[int, ...] = (48, 32, 24, 16, 12, 8, 4)  # of each residue, itself among them
    random_graphs: int = 5  # drawn for each number, whose mean is taken
    designed: tuple[int, ...] = (48, 16, 8)  # of those, with which sequences are also designed, residue by residue


PRESETS = {
    "smoke": Config(backbones=("6MRR",), num_neighbors=(48, 8), random_graphs=1, designed=()),
    "cpu": Config(),
    "full": Config(random_graphs=20),
}
