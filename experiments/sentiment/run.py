"""Does it help to know the tree of a sentence when judging its sentiment?

Stanford Sentiment Treebank: a Tree-LSTM on the real trees, a BP-Transformer on binary partitions, a Transformer on all
pairs of words, an LSTM on chains. All train on all labelled phrases; reported on the sentences of the "dev" split, with
the checkpoint that does best on held-out training sentences.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from rich.console import Console

from experiments.common import command
from experiments.common.sequences.models import Name, Task, make
from experiments.common.sequences.seeds import num_parameters, table, train_seeds
from experiments.common.sequences.train import Answers, Init, Trainer
from experiments.sentiment import data
from experiments.sentiment.config import PRESETS, Config, Dataset


@dataclass(frozen=True)
class Options(command.Options):
    """Also: the model, the classes, and word vectors."""

    model: Name = "tree_lstm"
    """Which graph a sentence is."""
    dataset: Dataset = "fine"
    """Five classes, or two (without neutral sentences)."""
    vectors: Path | None = None
    """A file of word vectors in GloVe's format, to start from; their size becomes that of the model."""


def run(config: Config, options: Options) -> dict[str, Sequence[float]]:
    """Trains one model per seed."""
    is_tree = options.model == "tree_lstm"
    sentiment = data.load(config, options.dataset, trees=is_tree, vectors=options.vectors, data_dir=options.data_dir)
    if sentiment.vectors is not None:
        config = dataclasses.replace(config, embedding_dim=sentiment.vectors.shape[1])
    examples = [*sentiment.train, *sentiment.held_out, *sentiment.test]
    task = Task(len(sentiment.words) + 1, sentiment.num_classes, 2, examples)
    classifier = make(options.model, config, task)
    init = starting_from(sentiment.vectors, classifier.init)
    trainer = Trainer(classifier, config, sentiment.train, sentiment.held_out)
    choice = f"{options.dataset}-{options.model}"
    found = train_seeds(options, choice, trainer, init, sentiment.test)
    metrics: dict[str, Sequence[float]] = {
        "accuracy": [answers.score for _, answers in found],
        "held_out_accuracy": [run.held_out_score for run, _ in found],
        "seconds": [run.seconds for run, _ in found],
        "parameters": [num_parameters(classifier.init)] * len(found),
    }
    if options.dataset == "fine":
        metrics["binary_accuracy"] = [binary_accuracy(answers) for _, answers in found]
    Console().print(table(choice, metrics))
    return metrics


def starting_from(vectors: np.ndarray | None, init: Init) -> Init:
    """Weights whose words start from their vectors, scaled to the spread that a fresh table has."""
    if vectors is None:
        return init

    def with_vectors(rng: jax.Array):
        params = init(rng)
        fresh = np.asarray(params["embedding"]["table"])
        scaled = vectors * (fresh.std() / np.nanstd(vectors))
        table = fresh.copy()  # which may have a row more, of a node that is no word
        table[: len(vectors)] = np.where(np.isnan(scaled), fresh[: len(vectors)], scaled)
        return params | {"embedding": {"table": jax.numpy.asarray(table)}}

    return with_vectors


def binary_accuracy(answers: Answers) -> float:
    """The share of sentences that are not neutral whose side is right: which two classes have more probability."""
    told = answers.labels != 2
    shares = np.exp(answers.logits[told] - answers.logits[told].max(axis=1, keepdims=True))
    positive = shares[:, 3:].sum(axis=1) > shares[:, :2].sum(axis=1)
    return float((positive == (answers.labels[told] > 2)).mean())


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("sentiment", PRESETS, run, options_type=Options, argv=argv)
