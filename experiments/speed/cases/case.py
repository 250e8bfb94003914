"""What a comparison is."""

# pyright: reportMissingImports=false
# The peers are installed where they are measured.

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from experiments.speed.contestant import Contestant
from tgnn.planning.cost import Cost


class Case(NamedTuple):
    """Sides are built when they are measured; a side that cannot run here raises, and is left out with its reason."""

    name: str
    baseline: str
    sides: dict[str, Callable[[], Contestant]]
    forward: Cost  # of the attention alone
    both: Cost
    tolerance: float = 2e-5  # of the largest number of each array: all sides compute in float32, in orders of their own


def arrays(seed: int, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Normal float32 arrays."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def tensors(*xs):
    """On the device that torch has."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return [torch.from_numpy(in_numpy(x)).to(device, getattr(torch, str(x.dtype))) for x in map(np.asarray, xs)]


def in_numpy(x: np.ndarray) -> np.ndarray:
    """A copy in a type that torch takes from NumPy: not bfloat16."""
    return x.astype(np.float32) if x.dtype.name == "bfloat16" else x.copy()
