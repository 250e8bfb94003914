"""The Stanford Sentiment Treebank as a task: the accuracy on whole sentences of every part that is present."""

import jax
import numpy as np

from experiments.common.sentences.models import Corpus, Name, make
from experiments.common.sentences.task import Answers
from experiments.common.sentences.task import make_task as make_sentence_task
from experiments.common.training import Task
from experiments.sentiment.config import Config
from experiments.sentiment.data import Sentiment
from tgnn.typing import Array, Params


def make_task(model: Name, config: Config, data: Sentiment) -> Task:
    """Five classes, or two; of five also the side, as `binary_accuracy`. Of test sentences names begin with `test_`."""
    examples = [*data.train, *data.held_out, *(example for part in data.parts.values() for example in part)]
    classifier = make(model, config, Corpus(len(data.words) + 1, data.num_classes, 2, examples))
    if data.vectors is not None:
        classifier = classifier._replace(init=starting_from(data.vectors, classifier.init))

    def score(params: Params, answer) -> dict[str, float]:
        found = {}
        for part, sentences in data.parts.items():
            prefix, answers = "test_" if part == "test" else "", answer(params, sentences)
            found[f"{prefix}accuracy"] = answers.score
            if data.num_classes == 5:
                found[f"{prefix}binary_accuracy"] = binary_accuracy(answers)
        return found

    return make_sentence_task(classifier, config, data.train, data.held_out, score)


def starting_from(vectors: np.ndarray | None, init):
    """Weights whose words start from their vectors, scaled to the spread that a fresh table has."""
    if vectors is None:
        return init

    def with_vectors(rng: Array) -> Params:
        params = init(rng)
        fresh = params["embedding"]["table"]
        scaled = jax.numpy.asarray(vectors) * (fresh.std() / np.nanstd(vectors))
        rows, columns = vectors.shape  # the table may have a row more, of a node that is no word, and a column
        started = jax.numpy.where(np.isnan(vectors), fresh[:rows, :columns], scaled)
        return params | {"embedding": {"table": fresh.at[:rows, :columns].set(started)}}

    return with_vectors


def binary_accuracy(answers: Answers) -> float:
    """The share of sentences that are not neutral whose side is right: which two classes have more probability."""
    told = answers.labels != 2
    shares = np.exp(answers.logits[told] - answers.logits[told].max(axis=1, keepdims=True))
    positive = shares[:, 3:].sum(axis=1) > shares[:, :2].sum(axis=1)
    return float((positive == (answers.labels[told] > 2)).mean())
