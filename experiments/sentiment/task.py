"""The Stanford Sentiment Treebank as a task: the accuracy on whole sentences of every part that is present."""

from collections.abc import Callable
from typing import Literal, get_args

import jax.numpy as jnp
import numpy as np

from experiments.common.sentences.models import Corpus, Name, make
from experiments.common.sentences.task import Answers
from experiments.common.sentences.task import make_task as make_sentence_task
from experiments.common.training import Task
from experiments.sentiment.config import Config
from experiments.sentiment.data import Sentiment
from experiments.sentiment.trees import Name as TreeName
from experiments.sentiment.trees import tree_transformer
from tgnn.typing import Array, Params

Model = Literal[Name, TreeName]
ON_TREES = ("tree_lstm", *get_args(TreeName))  # these read whole trees, the others every phrase as a sentence


def make_task(model: Model, config: Config, data: Sentiment) -> Task:
    """Five classes, or two; of five also the side, as `binary_accuracy`. Of test sentences names begin with `test_`."""
    examples = [*data.train, *data.held_out, *(example for part in data.parts.values() for example in part)]
    build = tree_transformer if model in get_args(TreeName) else make
    classifier = build(model, config, Corpus(len(data.words) + 1, data.num_classes, 2, examples))
    if data.vectors is not None:
        spread = None if model in ("lstm", "tree_lstm") else config.embedding_dim**-0.5
        classifier = classifier._replace(init=starting_from(data.vectors, classifier.init, spread))

    def score(params: Params, answer) -> dict[str, float]:
        found = {}
        for part, sentences in data.parts.items():
            prefix, answers = "test_" if part == "test" else "", answer(params, sentences)
            found[f"{prefix}accuracy"] = answers.score
            if data.num_classes == 5:
                found[f"{prefix}binary_accuracy"] = binary_accuracy(answers)
        return found

    return make_sentence_task(classifier, config, data.train, data.held_out, score)


def starting_from(vectors: np.ndarray, init: Callable[[Array], Params], spread: float | None = None):
    """Weights whose words start from their vectors, and words without one from noise of the same spread.

    Args:
        vectors: `[n, dim]`, NaN where a word has none.
        init: rng -> fresh weights, whose table may have a row more, of a node that is no word, and columns, which stay
            as they are.
        spread: standard deviation that all vectors are scaled to; None leaves them as they are.
    """
    own = float(np.nanstd(vectors))
    spread = own if spread is None else spread
    rows, columns = vectors.shape

    def with_vectors(rng: Array) -> Params:
        params = init(rng)
        fresh = params["embedding"]["table"]
        noise = fresh[:, :columns] * (spread / fresh.std())
        started = jnp.where(np.isnan(vectors), noise[:rows], vectors * (spread / own))
        noise = noise.at[:rows].set(started)
        return params | {"embedding": {"table": fresh.at[:, :columns].set(noise)}}

    return with_vectors


def binary_accuracy(answers: Answers) -> float:
    """The share of sentences that are not neutral whose side is right: which two classes have more probability."""
    told = answers.labels != 2
    shares = np.exp(answers.logits[told] - answers.logits[told].max(axis=1, keepdims=True))
    positive = shares[:, 3:].sum(axis=1) > shares[:, :2].sum(axis=1)
    return float((positive == (answers.labels[told] > 2)).mean())
