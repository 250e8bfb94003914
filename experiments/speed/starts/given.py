"""What the programs of this folder share: they import nothing that they do not need, since imports are timed too.

    python -m experiments.speed.starts.gat_in_tgnn INPUTS.npz [WEIGHTS.npz]

Without weights a program makes its own and takes one step; with weights it takes as many as are compared. It prints the
loss of each step and ends at once.
"""

import os
import sys
from collections.abc import Callable

import numpy as np

COMPARED = 3  # steps from given weights


def main(train: Callable[[dict, dict | None, int], list[float]]) -> None:
    """Runs `train(inputs, weights or None, number of steps) -> losses`."""
    inputs, *weights = (dict(np.load(path)) for path in sys.argv[1:])
    losses = train(inputs, weights[0] if weights else None, COMPARED if weights else 1)
    print(*(float(loss) for loss in losses), flush=True)
    os._exit(0)  # what follows is no part of a start
