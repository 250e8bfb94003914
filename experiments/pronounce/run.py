"""How well does an encoder–decoder on three graphs say words that it has never read?

CMUdict, stress removed: a complete graph over a word's letters, a causal one over its phonemes, and every edge from the
ones to the others. Reported on the held-out test words: phoneme_error (edits over reference length) and word_error,
each against the nearest of a word's alternatives.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from experiments.common import command
from experiments.common.seeds import check_fresh
from experiments.pronounce.architectures import ARCHITECTURES
from experiments.pronounce.config import PRESETS, Config
from experiments.pronounce.figures import save_figures
from experiments.pronounce.train import Result, in_words, restore, spread, train

NAME = "pronounce"


@dataclass(frozen=True)
class Options(command.Options):
    """Also: the architecture, and say a word."""

    model: str = "transformer"
    """transformer, rotary (which sees distances too), or one of the RNNs before: rnn, bahdanau, luong."""

    say: str = ""
    """Do not train: say this word with the newest checkpoint in the run folder."""


def run(config: Config, options: Options) -> dict[str, list[float]]:
    """Trains one model per seed, each in a folder of its own below the run folder."""
    if options.model not in ARCHITECTURES:
        raise command.Mistake(f"unknown model {options.model!r}; choose one of {', '.join(ARCHITECTURES)}")
    config = dataclasses.replace(config, architecture=options.model)
    metrics: dict[str, list[float]] = {"phoneme_error": [], "word_error": []}
    for seed in options.all_seeds:
        folder = seed_dir(options, seed)
        check_fresh(folder, options.resume)
        result = train(config, seed=seed, run_dir=folder, resume=options.resume)
        report(result)
        print("figures:", *save_figures(result, folder))
        for name, value in result.metrics.items():
            metrics[name].append(value)
    return metrics


def seed_dir(options: Options, seed: int) -> Path:
    """Runs of different sizes and seeds do not share checkpoints."""
    assert options.run_dir is not None  # command.complete has filled it in
    name = options.preset if options.model == "transformer" else f"{options.preset}-{options.model}"
    return options.run_dir / (name if seed == 0 else f"{name}-seed{seed}")


def report(result: Result) -> None:
    """The error rates and some test words."""
    print(f"{in_words(result.metrics)} on {len(result.said)} test words, {result.seconds:.0f} s")
    Console().print(examples_table(result))


def examples_table(result: Result, n: int = 10) -> Table:
    """Some test words, what the model says, and what the dictionary says where that is not accepted."""
    table = Table("word", "said", "dictionary", title="held-out words")
    for word, said, accepted in spread(list(zip(result.test.words, result.said, result.test.phonemes, strict=True)), n):
        table.add_row(word, " ".join(said), "✓" if said in accepted else " ".join(accepted[0]))
    return table


def say_word(word: str, run_dir: Path) -> tuple[str, ...]:
    """What the newest model of a folder makes of a word."""
    params, config = restore(run_dir)
    return ARCHITECTURES[config.architecture].say(params, [word], config.slots)[0]


def main(argv: list[str] | None = None) -> None:
    """Trains, or with --say pronounces a word."""
    options = command.parse(NAME, PRESETS, options_type=Options, doc=__doc__, argv=argv)
    if not options.say:
        command.main(NAME, PRESETS, run, options_type=Options, argv=argv)
        return
    with command.mistakes(NAME, ValueError):
        print(f"{options.say}: {' '.join(say_word(options.say, options.run_dir or Path('runs') / NAME))}")
