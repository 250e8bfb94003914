"""ListOps as a task: ten classes, the values of the sequences."""

from experiments.common.sentences.models import Corpus, Name, make
from experiments.common.sentences.task import make_task as make_sentence_task
from experiments.common.training import Task
from experiments.listops.config import Config
from experiments.listops.data import VOCAB_SIZE, Splits


def make_task(model: Name, config: Config, splits: Splits) -> Task:
    """Scored on the test sequences, which are in no other split."""
    examples = [example for part in splits for example in part]
    classifier = make(model, config, Corpus(VOCAB_SIZE, 10, None, examples))

    def score(params, answer) -> dict[str, float]:
        return {"accuracy": answer(params, splits.test).score}

    return make_sentence_task(classifier, config, splits.train, splits.held_out, score)
