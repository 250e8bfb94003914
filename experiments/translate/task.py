"""Translating as a task: loss on held-out pairs, BLEU of what is said."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from experiments.common.training import Task
from experiments.translate import model
from experiments.translate.config import Config
from experiments.translate.data import Batch, Batches, Corpus, Pair, in_turn, lay_out
from experiments.translate.scoring import bleu
from experiments.translate.vocabulary import Vocabulary
from tgnn.train.optimizer import make_optimizer
from tgnn.train.schedules import warmup_cosine
from tgnn.typing import Params

LONGER = 16  # lengths of decoding are multiples of it, so that few are compiled


class Result(NamedTuple):
    """What a run leaves."""

    name: str
    params: Params
    metrics: dict[str, float]
    said: list[str]  # for each test sentence, greedily


class Translating:
    """A cell of the grid; `result` is what the last run that was scored left, for tables and figures."""

    def __init__(self, name: str, config: Config, corpus: Corpus):
        self.name, self.config, self.corpus = name, config, corpus
        self.variant = model.VARIANTS[name]
        self.loss = jax.jit(lambda params, batch: model.make_loss(config, self.variant)(params, batch, None)[0])
        self.result: Result | None = None
        self.began = 0.0

    def task(self) -> Task:
        """What is trained."""
        config = self.config
        return Task(
            init=lambda rng: model.init(rng, config),
            loss=model.make_loss(config, self.variant),
            optimizer=optimizer(config),
            batches=self.batches,
            num_steps=config.num_steps,
            score=self.score,
            evaluate=self.evaluate,
            evaluate_every=config.evaluate_every,
        )

    def batches(self, seed: int) -> Batches:
        """Those of a run that begins now."""
        self.began = time.process_time()
        return Batches(self.corpus.pairs["train"], self.variant.graph, self.config, seed=seed)

    def evaluate(self, params: Params) -> dict[str, float]:
        """Nats a piece of the validation sentences."""
        nats = count = 0.0
        for batch in in_turn(self.corpus.pairs["validation"], self.variant.graph, self.config):
            live = int((batch.targets >= 0).sum())
            nats, count = nats + live * float(self.loss(params, batch)), count + live
        return {"validation_nats": nats / count}

    def score(self, params: Params) -> dict[str, float]:
        """Loss and BLEU."""
        pairs, texts = self.corpus.pairs, self.corpus.texts
        said = {split: self.say(params, pairs[split]) for split in ("validation", "test")}
        by_beam = self.say(params, pairs["test"], self.config.beam_size)
        metrics = {
            **self.evaluate(params),
            **{f"{split}_bleu": bleu(each, texts[split].german) for split, each in said.items()},
            "test_bleu_beam": bleu(by_beam, texts["test"].german),
            "processor_seconds": time.process_time() - self.began,  # of the process that ends the run
        }
        self.result = Result(self.name, params, metrics, said["test"])
        return metrics

    def say(self, params: Params, pairs: Sequence[Pair], beam_size: int = 1) -> list[str]:
        """The translation of each source."""
        return say(params, [pair.source for pair in pairs], self.name, self.config, self.corpus.vocabulary, beam_size)


def say(
    params: Params,
    sources: Sequence[np.ndarray],
    name: str,
    config: Config,
    vocabulary: Vocabulary,
    beam_size: int = 1,
    batch_size: int = 128,
) -> list[str]:
    """Translates sources given as ids; those of like length together, and up to half as long again and 8 pieces more.

    Raises:
        ValueError: one is longer than a row.
    """
    longest = max(map(len, sources))
    if longest > config.slots:
        raise ValueError(f"a sentence has {longest} pieces but the model reads {config.slots} at most; cut it in two")
    variant = model.VARIANTS[name]
    order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
    size = min(batch_size, len(order))
    said: dict[int, str] = {}
    for start in range(0, len(order), size):
        members = order[start : start + size]
        filled = members + members[-1:] * (size - len(members))  # one shape, one compilation
        batch = alone([sources[i] for i in filled], variant.graph, config)
        room = -(-(len(sources[members[-1]]) * 3 // 2 + 8) // LONGER) * LONGER
        options = {"variant": variant, "beam_size": beam_size, "length_penalty": config.length_penalty}
        tokens = np.asarray(model.decode(params, batch, max_length=room, **options))  # [size, room]
        said |= {i: vocabulary.sentence(row) for i, row in zip(members, tokens, strict=False)}
    return [said[i] for i in range(len(sources))]


def alone(sources: Sequence[np.ndarray], graph: str, config: Config) -> Batch:
    """One source a row."""
    nothing = np.zeros(0, np.int32)
    examples = [Pair(source, nothing) for source in sources]
    return lay_out(examples, [[i] for i in range(len(examples))], config.slots, graph, config)


def optimizer(config: Config):
    """AdamW on half a cosine."""
    schedule = warmup_cosine(config.learning_rate, config.warmup_steps, config.num_steps)
    return make_optimizer(schedule, weight_decay=config.weight_decay, b2=0.98)
