"""How well does an encoder–decoder on three graphs say words that it has never read?

CMUdict, stress removed: a complete graph over a word's letters, a causal one over its phonemes, and every edge from the
ones to the others. Reported on the held-out test words: phoneme_error (edits over reference length) and word_error,
each against the nearest of a word's alternatives.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.console import Console
from rich.table import Table

from experiments.common import command, seeds
from experiments.common.training import newest, restore, train_seeds
from experiments.pronounce.architectures import ARCHITECTURES
from experiments.pronounce.config import PRESETS, Config
from experiments.pronounce.figures import save_figures
from experiments.pronounce.task import Pronouncing, Result, load, optimizer, spread

NAME = "pronounce"


@dataclass(frozen=True)
class Options(command.Options):
    """Also: the architecture, and say a word."""

    model: str = "transformer"
    """transformer, rotary (which sees distances too), or one of the RNNs before: rnn, bahdanau, luong."""

    say: str = ""
    """Do not train: say this word with the newest checkpoint in the run folder."""

    distributes: ClassVar[str] = "batch"


def run(config: Config, options: Options) -> command.Outcome:
    """Trains one model per seed, each in a folder of its own below the run folder."""
    if options.model not in ARCHITECTURES:
        raise command.Mistake(f"unknown model {options.model!r}; choose one of {', '.join(ARCHITECTURES)}")
    config = dataclasses.replace(config, architecture=options.model)
    pronouncing = Pronouncing(config, load(config))
    task = pronouncing.task()._replace(figures=lambda _, folder: save_figures(pronouncing.result, folder))
    metrics = train_seeds(task, config, options)
    if pronouncing.result is not None:  # some seed was not done already
        Console().print(examples_table(pronouncing.result))
    Console().print(seeds.table(options.model, metrics))
    return command.Outcome(metrics, config)


def examples_table(result: Result, n: int = 10) -> Table:
    """Some test words, what the model says, and what the dictionary says where that is not accepted."""
    table = Table("word", "said", "dictionary", title="held-out words")
    for word, said, accepted in spread(list(zip(result.test.words, result.said, result.test.phonemes, strict=True)), n):
        table.add_row(word, " ".join(said), "✓" if said in accepted else " ".join(accepted[0]))
    return table


def say_word(word: str, run_dir: Path) -> tuple[str, ...]:
    """What the newest model of a folder makes of a word."""
    folder, about = newest(run_dir, "*")
    config = Config(**about)
    architecture = ARCHITECTURES[config.architecture]
    params = restore(folder, lambda rng: architecture.init(rng, config), optimizer(config))
    return architecture.say(params, [word], config.slots)[0]


def main(argv: list[str] | None = None) -> None:
    """Trains, or with --say pronounces a word."""
    options, _ = command.parse(NAME, PRESETS, options_type=Options, doc=__doc__, argv=argv)
    if not options.say:
        command.main(NAME, PRESETS, run, options_type=Options, argv=argv)
        return
    with command.mistakes(NAME, ValueError):
        print(f"{options.say}: {' '.join(say_word(options.say, options.run_dir or Path('runs') / NAME))}")
