"""Pronouncing as a task: error rates on words that the model has never seen."""

from collections.abc import Sequence
from typing import NamedTuple

from experiments.common.training import Task
from experiments.pronounce.architectures import ARCHITECTURES
from experiments.pronounce.config import Config
from experiments.pronounce.data import Example, examples
from experiments.pronounce.scoring import error_rates
from tgnn.datasets import cmudict
from tgnn.datasets.cmudict import Pronunciations
from tgnn.train.optimizer import make_optimizer
from tgnn.train.schedules import warmup_cosine
from tgnn.typing import Params


class Words(NamedTuple):
    """What is read: no word is in two of them."""

    train: list[Example]
    validation: Pronunciations
    test: Pronunciations


class Result(NamedTuple):
    """What a run leaves."""

    params: Params
    metrics: dict[str, float]  # on the test words
    test: Pronunciations
    said: list[tuple[str, ...]]  # for each test word
    architecture: str


def load(config: Config) -> Words:
    """As many words as the config wants."""
    return Words(
        examples(cmudict.load("train"), config.train_words),
        first(cmudict.load("validation"), config.evaluate_words),
        first(cmudict.load("test"), config.test_words),
    )


class Pronouncing:
    """A config's model on words.

    `results` holds what the last run that was scored left, for tables and figures.
    """

    def __init__(self, config: Config, words: Words):
        self.config, self.words = config, words
        self.architecture = ARCHITECTURES[config.architecture]
        self.result: Result | None = None

    def task(self) -> Task:
        """What is trained."""
        config, architecture = self.config, self.architecture
        return Task(
            init=lambda rng: architecture.init(rng, config),
            loss=architecture.make_loss(config),
            optimizer=optimizer(config),
            batches=lambda seed: architecture.batches(self.words.train, config, seed=seed),
            num_steps=config.num_steps,
            score=self.score,
            evaluate=self.evaluate,
            evaluate_every=config.evaluate_every,
        )

    def say(self, params: Params, words: Sequence[str]) -> list[tuple[str, ...]]:
        """The phonemes of each word."""
        return self.architecture.say(params, words, self.config.slots)

    def evaluate(self, params: Params) -> dict[str, float]:
        """Error rates on the validation words."""
        words = self.words.validation
        rates = error_rates(self.say(params, words.words), words.phonemes)
        return {f"validation_{name}": rate for name, rate in rates.items()}

    def score(self, params: Params) -> dict[str, float]:
        """Error rates on the test words."""
        test = self.words.test
        said = self.say(params, test.words)
        metrics = error_rates(said, test.phonemes)
        self.result = Result(params, metrics, test, said, self.config.architecture)
        return metrics


def optimizer(config: Config):
    """AdamW on half a cosine."""
    schedule = warmup_cosine(config.learning_rate, config.warmup_steps, config.num_steps)
    return make_optimizer(schedule, weight_decay=config.weight_decay, b2=0.98)


def first(words: Pronunciations, limit: int | None) -> Pronunciations:
    """The first words of a split; their order is alphabetical, so they are taken at even distances."""
    step = 1 if limit is None else max(1, len(words.words) // limit)
    return Pronunciations(words.words[::step][:limit], words.phonemes[::step][:limit])


def in_words(rates: dict[str, float]) -> str:
    """Both rates in per cent."""
    return f"phoneme error {rates['phoneme_error']:.1%}, word error {rates['word_error']:.1%}"


def spread(items: Sequence, n: int) -> list:
    """`n` of the items at even distances."""
    return [items[(2 * i + 1) * len(items) // (2 * n)] for i in range(min(n, len(items)))]
