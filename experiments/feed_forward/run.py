"""Is the feed-forward layer a hack? Its width, 0 to 8 times the model's, at equal depth and at equal weights.

Tiny Shakespeare, character by character. In its place also vectors that every token attends to, as many as it has
hidden features.
"""

from collections.abc import Callable, Sequence
from functools import partial

from rich.console import Console

from experiments.common import cells, command
from experiments.feed_forward import report
from experiments.feed_forward.config import PRESETS, Config
from experiments.feed_forward.models import USUAL, deep, persistent, transformer, wide
from experiments.language import data
from experiments.language.config import Config as Language
from experiments.language.grid import Cell, Options, run_grid
from experiments.language.signature import LanguageModel


def grid(config: Config, vocab_size: int) -> dict[str, Callable[[], Cell]]:
    """KIND-RATIO: `width` at equal depth and model_dim, `wide` and `deep` at equal weights, `persistent`."""
    sizes = config.language
    others = [ratio for ratio in config.ratios if ratio != USUAL]  # where all three kinds are one
    chosen = {f"width-{ratio}": (transformer, sizes, ratio) for ratio in config.ratios}
    chosen |= {f"wide-{ratio}": (transformer, wide(sizes, vocab_size, ratio), ratio) for ratio in others}
    deeper = {ratio: deep(sizes, ratio) for ratio in others}
    chosen |= {f"deep-{ratio}": (transformer, own, ratio) for ratio, own in deeper.items() if own is not None}
    chosen |= {f"persistent-{ratio}": (persistent, sizes, ratio) for ratio in config.ratios if ratio}

    def make(build: Callable[..., LanguageModel], own: Language, ratio: int) -> Cell:
        facts = {"model_dim": own.model_dim, "num_layers": own.num_layers}
        return Cell(build(own, vocab_size, ratio), own, facts)

    return {name: partial(make, *choice) for name, choice in chosen.items()}


def run(config: Config, options: Options) -> command.Outcome:
    """Trains all cells."""
    text = data.load(None, config.language, options.data_dir)
    metrics = run_grid(grid(config, len(text.vocabulary)), text, options, config.rates)
    Console().print(cells.shown("feed-forward layers", report.rows(metrics)))
    report.draw(metrics, options.folder / f"{command.stem(options)}.png")
    return command.Outcome(metrics, config)


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("feed_forward", PRESETS, run, options_type=Options, argv=argv)
