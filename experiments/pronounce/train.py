"""Trains a model and measures it on words that it has never seen."""

import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from experiments.pronounce.architectures import ARCHITECTURES
from experiments.pronounce.config import Config
from experiments.pronounce.data import examples
from experiments.pronounce.scoring import error_rates
from tgnn.datasets import cmudict
from tgnn.datasets.cmudict import Pronunciations
from tgnn.train import checkpoint
from tgnn.train.schedules import warmup_cosine
from tgnn.training import TrainState, fit, init_state, make_optimizer, make_step

CONFIG = "config.json"


class Result(NamedTuple):
    """What a run leaves."""

    params: Any
    metrics: dict[str, float]  # on the test words
    test: Pronunciations
    said: list[tuple[str, ...]]  # for each test word
    seconds: float
    architecture: str


def train(config: Config, *, seed: int, run_dir: Path, resume: bool) -> Result:
    """Trains, or goes on from the last checkpoint, and says the test words.

    Raises:
        ValueError: the folder holds a run that is not to be resumed, or one of another size.
    """
    started = time.perf_counter()
    pairs = examples(cmudict.load("train"), config.train_words)
    architecture = ARCHITECTURES[config.architecture]
    batches = architecture.batches(pairs, config, seed=seed)
    validation = first(cmudict.load("validation"), config.evaluate_words)
    if resume or checkpoint.latest_step(run_dir / "checkpoints") is None:
        run_dir.mkdir(parents=True, exist_ok=True)
        (run_dir / CONFIG).write_text(json.dumps(dataclasses.asdict(config), indent=2) + "\n", encoding="utf-8")

    def evaluate(state: TrainState) -> dict[str, float]:
        rates = error_rates(architecture.say(state.params, validation.words, config.slots), validation.phonemes)
        print(f"step {int(state.step)}: {in_words(rates)} on {len(validation.words)} validation words", flush=True)
        return {f"validation_{name}": rate for name, rate in rates.items()}

    state = fit(
        initial_state(config, seed),
        make_step(architecture.make_loss(config), optimizer(config)),
        batches,
        num_steps=config.num_steps,
        evaluate=evaluate,
        evaluate_every=config.evaluate_every,
        run_dir=run_dir,
        save_every=config.save_every,
        resume=resume,
    )
    test = first(cmudict.load("test"), config.test_words)
    said = architecture.say(state.params, test.words, config.slots)
    seconds = time.perf_counter() - started
    return Result(state.params, error_rates(said, test.phonemes), test, said, seconds, config.architecture)


def restore(run_dir: Path) -> tuple[Any, Config]:
    """The weights of the newest run in a folder or in its subfolders, and the config that made them.

    Raises:
        ValueError: there is none, or its newest checkpoints are damaged.
    """
    configs = [path for path in (run_dir / CONFIG, *run_dir.glob(f"*/{CONFIG}")) if path.exists()]
    runs = [path.parent for path in configs if checkpoint.latest_step(path.parent / "checkpoints") is not None]
    if not runs:
        raise ValueError(
            f"{run_dir} holds no trained model; train one with python -m experiments.pronounce --preset quick, "
            "or name the folder of one with --run-dir"
        )
    newest = max(runs, key=lambda folder: (folder / "checkpoints").stat().st_mtime)
    config = Config(**json.loads((newest / CONFIG).read_text(encoding="utf-8")))
    target = jax.eval_shape(lambda: initial_state(config, 0))
    return checkpoint.restore(newest / "checkpoints", target)[0].params, config


def initial_state(config: Config, seed: int) -> TrainState:
    """Weights and optimizer before the first step."""
    params_rng, run_rng = jax.random.split(jax.random.key(seed))
    return init_state(run_rng, ARCHITECTURES[config.architecture].init(params_rng, config), optimizer(config))


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
