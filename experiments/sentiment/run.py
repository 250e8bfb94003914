"""Does it help to know the tree of a sentence when judging its sentiment?

Stanford Sentiment Treebank: a Tree-LSTM on the real trees, a BP-Transformer on binary partitions, a Transformer on all
pairs of words, an LSTM on chains. And is syntax the better graph? One Transformer on words and phrases, of which just
the edges differ: the real trees', all pairs, or both. All train on all labelled phrases; reported on the sentences of
the "dev" split, and of "test" where the file is present, with the weights that do best on held-out training sentences.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.console import Console

from experiments.common import command, seeds
from experiments.common.training import train_seeds
from experiments.sentiment import data
from experiments.sentiment.config import PRESETS, Config, Dataset
from experiments.sentiment.task import ON_TREES, Model, make_task


@dataclass(frozen=True)
class Options(command.Options):
    """Also: the model, the classes, and word vectors."""

    model: Model = "tree_lstm"
    """Which graph a sentence is."""
    dataset: Dataset = "fine"
    """Five classes, or two (without neutral sentences)."""
    vectors: Path | None = None
    """To start from: "glove_50d", or a file in GloVe's format, whose size the words have at least."""

    distributes: ClassVar[str] = "batch"


def run(config: Config, options: Options) -> command.Outcome:
    """Trains one model per seed."""
    on_trees = options.model in ON_TREES
    try:
        sentiment = data.load(
            config, options.dataset, trees=on_trees, vectors=options.vectors, data_dir=options.data_dir
        )
    except ValueError as error:  # a file of vectors or of sentences that is none
        raise command.Mistake(str(error)) from error
    if sentiment.vectors is not None:
        width = max(config.embedding_dim, sentiment.vectors.shape[1])
        # A Transformer's positions are pairs of sine and cosine: an odd width gets a column more, of noise.
        odd = 0 if options.model in ("lstm", "tree_lstm") else width % 2
        config = dataclasses.replace(config, embedding_dim=width + odd)
    task = make_task(options.model, config, sentiment)
    about = dataclasses.asdict(config) | {"vectors": options.vectors and options.vectors.name}
    about |= {"scored": list(sentiment.parts)}
    metrics = train_seeds(task, about, options)
    Console().print(seeds.table(f"{options.model}, {options.dataset}", metrics))
    return command.Outcome(metrics, about)


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("sentiment", PRESETS, run, options_type=Options, argv=argv)
