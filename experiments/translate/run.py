"""Which graph over the source is the best input of a translator?

Multi30k, English to German: an encoder–decoder whose encoder attends along a complete graph, a window, a binary
partition, both of these, a chain, or nothing but each token itself; decoder, positions, weights, batches and steps are
the same.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from rich.console import Console
from rich.table import Table

from experiments.common import cells, command
from experiments.common.training import newest, num_parameters, restore, train_seeds
from experiments.translate import data, graphs, model, report
from experiments.translate.config import PRESETS, Config
from experiments.translate.figures import save_figures
from experiments.translate.task import Result, Translating, optimizer, say

NAME = "translate"


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment, which graphs, and translate a sentence."""

    graph: tuple[str, ...] = ()
    """Only these graphs of complete, window, partition, union, chain, alone, and sinusoidal, which is complete with
    sinusoidal positions in the place of rotary ones; default all of them."""

    translate: str = ""
    """Do not train: translate this sentence, words and marks apart, with the newest checkpoint in the run folder."""

    distributes: ClassVar[str] = "batch"
    remedy: ClassVar[str] = "go on with --resume, which keeps the graphs that are done"


def run(config: Config, options: Options) -> command.Outcome:
    """Trains all graphs, each seed in a folder of its own below that of its graph."""
    if unknown := set(options.graph) - set(model.VARIANTS):
        raise command.Mistake(
            f"--graph {' '.join(sorted(unknown))}: there is no such graph; choose of {', '.join(model.VARIANTS)}"
        )
    corpus = data.load(config, options.data_dir)
    metrics: dict[str, list[float]] = {}
    result = None
    for name in options.graph or model.VARIANTS:
        print(name, flush=True)
        cell = Translating(name, config, corpus)
        metrics |= {f"{name}/{metric}": values for metric, values in train(cell, options).items()}
        for fact, value in facts(cell).items():
            metrics[f"{name}/{fact}"] = [value] * options.seeds
        result = cell.result or result
    if result is not None:  # some run was not done already
        Console().print(samples(result, corpus))
    Console().print(cells.shown("which graph is the best input?", report.rows(metrics)))
    report.draw(metrics, options.folder / f"{command.stem(options)}.png")
    return command.Outcome(metrics, config)


def train(cell: Translating, options: Options) -> dict[str, list[float]]:
    """The metrics of all seeds of a graph."""
    figures = lambda _, folder: save_figures(cell.result, cell.corpus, cell.config, folder)  # noqa: E731
    task = cell.task()._replace(figures=figures)
    own = dataclasses.replace(options, run_dir=options.folder / cell.name)
    return train_seeds(task, {"graph": cell.name} | dataclasses.asdict(cell.config), own)


def facts(cell: Translating) -> dict[str, float]:
    """What is known of a cell without training it."""
    lengths = np.array([len(pair.source) for pair in cell.corpus.pairs["validation"]])
    return {
        "edges_per_token": graphs.edges_per_token(cell.variant.graph, lengths, cell.config),
        "num_parameters": num_parameters(lambda rng: model.init(rng, cell.config)),
    }


def samples(result: Result, corpus: data.Corpus, n: int = 8) -> Table:
    """Some test sentences, what the model says, and the reference where it is another."""
    table = Table("source", "said", "reference", title=f"test sentences, encoder's graph: {result.name}")
    texts = corpus.texts["test"]
    each = list(zip(texts.english, result.said, texts.german, strict=True))
    for english, said, german in each[:: max(1, len(each) // n)][:n]:
        table.add_row(english, said, "✓" if said == german else german)
    return table


def translate_sentence(sentence: str, run_dir: Path, data_dir: Path | None) -> str:
    """What the newest model of a folder makes of a sentence."""
    folder, about = newest(run_dir, "*/*")
    name = about.pop("graph")
    config = Config(**about)
    vocabulary = data.load(config, data_dir).vocabulary
    params = restore(folder, lambda rng: model.init(rng, config), optimizer(config))
    return say(params, vocabulary.ids([sentence.lower()]), name, config, vocabulary, config.beam_size)[0]


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, or with --translate translates a sentence."""
    options, _ = command.parse(NAME, PRESETS, options_type=Options, doc=__doc__, argv=argv)
    if not options.translate:
        command.main(NAME, PRESETS, run, options_type=Options, argv=argv)
        return
    with command.mistakes(NAME, ValueError, FileNotFoundError):
        print(translate_sentence(options.translate, options.run_dir or Path("runs") / NAME, options.data_dir))
