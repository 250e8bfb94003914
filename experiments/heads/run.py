"""Why several heads, why attention at all? Loss, and its spread over initial weights, at equal weights.

Tiny Shakespeare, character by character, from all of the past. Softmax of inner products, of Gaussians of the
distance and dynamic convolution with 1 to 16 heads, beside mean, sum and maximum.
"""

from collections.abc import Callable, Sequence
from functools import partial

from rich.console import Console

from experiments.common import cells, command
from experiments.heads import report
from experiments.heads.config import PRESETS, Config
from experiments.heads.models import BY_HEADS, OTHERS, make
from experiments.language import data
from experiments.language.grid import Cell, Options, run_grid


def grid(config: Config, vocab_size: int) -> dict[str, Callable[[], Cell]]:
    """The cells: "softmax-4" has four heads, "mean" none of its own."""
    named = {f"{name}-{heads}": (name, heads) for name in BY_HEADS for heads in config.heads}
    named |= {name: (name, 1) for name in OTHERS}
    return {cell: partial(make, *choice, config.language, vocab_size) for cell, choice in named.items()}


def run(config: Config, options: Options) -> command.Outcome:
    """Trains all cells."""
    text = data.load(None, config.language, options.data_dir)
    metrics = run_grid(grid(config, len(text.vocabulary)), text, options, config.rates)
    Console().print(cells.shown("heads", report.rows(metrics)))
    report.draw(metrics, options.folder / f"{command.stem(options)}.png")
    return command.Outcome(metrics, config)


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("heads", PRESETS, run, options_type=Options, argv=argv)
