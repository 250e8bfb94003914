"""Draws learning rates from their configs: all schedules of the library, or those of a JSON file.

python -m experiments.warmup.gallery [FILE.json] [--num-steps N] [--output schedules.png] [--log]

The file holds {"name of the curve": {"schedule": "one_cycle", "learning_rate": 1e-3, "num_steps": 300}, ...}.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from experiments.common.command import mistakes
from experiments.common.terminal import any_terminal
from experiments.warmup.figures import draw_schedules


@dataclass(frozen=True)
class Options:
    """What to draw, and where to."""

    file: Annotated[Path | None, tyro.conf.Positional] = None
    """Configs by name; default one of each schedule."""
    num_steps: int = 1000
    """Steps to draw."""
    output: Path = Path("schedules.png")
    """The picture."""
    log: bool = False
    """A logarithmic axis of rates."""


def one_of_each(num_steps: int) -> dict[str, dict[str, Any]]:
    """A config for every schedule, with a peak of 1e-3 and a tenth of the steps to warm up."""
    peak, tenth = {"learning_rate": 1e-3}, max(1, num_steps // 10)
    run = peak | {"num_steps": num_steps}
    warm = run | {"warmup_steps": tenth}
    hold = {"schedule": "warmup_stable_decay", "decay_steps": 2 * tenth}
    slow = {"decay_steps": 5 * tenth, "final_learning_rate": 1e-5, "descent": "exponential"}
    return {
        "Noam": {"schedule": "noam", "model_dim": 512, "warmup_steps": tenth, "scale": 1e-3 * (512 * tenth) ** 0.5},
        "one cycle": {"schedule": "one_cycle"} | run,
        "warm-up, cosine": {"schedule": "warmup_cosine"} | warm,
        "warm-up, hold, line": hold | warm,
        "warm-up, hold, slow decay": hold | warm | slow,
        "Compressive Transformer": {"schedule": "compressive"} | run,
    }


def main(argv: list[str] | None = None) -> None:
    """Writes the picture."""
    any_terminal()
    options = tyro.cli(Options, description=__doc__, args=argv)
    with mistakes("warmup.gallery", ValueError, OSError, TypeError):
        given = options.file
        configs = one_of_each(options.num_steps) if given is None else json.loads(given.read_text(encoding="utf-8"))
        print(draw_schedules(configs, options.num_steps, options.output, log=options.log))


if __name__ == "__main__":
    main()
