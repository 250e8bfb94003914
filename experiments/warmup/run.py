"""Why is training so hard? Where norms and sums stand, with and without warm-up, at several rates.

A deep and narrow language model on Tiny Shakespeare in five arrangements: post-LN, pre-LN, sandwich, GTrXL's gate and
the dynamic combination of layers. Before the first step the gradients of its layers are compared with the theory.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import jax
import numpy as np
from rich.console import Console

from experiments.common import command, seeds
from experiments.common.processes import is_first
from experiments.language import data
from experiments.language.data import Text
from experiments.warmup.config import PRESETS, Arrangement, Config
from experiments.warmup.figures import draw, draw_schedules
from experiments.warmup.model import gradient_norms, make
from experiments.warmup.report import console_table
from experiments.warmup.train import (
    batches_of,
    gradient_batch,
    has_diverged,
    key_of,
    rates_of,
    schedule_config,
    trainer,
    unigram_nats,
    validation_of,
)


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment."""

    distributes: ClassVar[str] = "seeds"
    remedy: ClassVar[str] = "go on with --resume, which keeps the seeds of each arrangement that are done"


def run(config: Config, options: Options) -> command.Outcome:
    """Every arrangement with every start and rate, for every seed."""
    try:
        text = data.load(None, config.text, options.data_dir)
    except ValueError as error:
        raise command.Mistake(str(error)) from error
    metrics: seeds.Metrics = {"unigram_nats": [unigram_nats(text)] * options.seeds}
    for arrangement in config.arrangements:  # each with its own file of seeds
        about = dataclasses.asdict(config) | {"arrangements": arrangement, "text": text.identity}
        own = dataclasses.replace(options, run_dir=options.folder / arrangement)
        metrics |= seeds.run_seeds(about, own, measurer(config, arrangement, text))
    Console().print(console_table(metrics))
    if is_first():
        draw(metrics, options.folder / f"{command.stem(options)}.png")
        shown = {start: schedule_config(start, 1.0, config.num_steps) for start, _ in config.cells}
        draw_schedules(shown, config.num_steps, options.folder / "schedules.png")
    return command.Outcome(metrics, config)


def measurer(config: Config, arrangement: Arrangement, text: Text) -> Callable[[Sequence[int]], seeds.Metrics]:
    """A function from a seed to the metrics of one arrangement; its programs serve all seeds."""
    vocab_size = len(text.vocabulary)
    train = trainer(make(config, arrangement, vocab_size))
    validation, unigram = validation_of(text, config), unigram_nats(text)
    looks = {depth: looker(config, arrangement, vocab_size, depth) for depth in config.depths}

    def measure(chunk: Sequence[int]) -> seeds.Metrics:
        seed, found = chunk[0], {}
        key, batches, began = key_of(seed), batches_of(text, config, seed), time.perf_counter()
        sample = gradient_batch(text, config, seed)
        for depth, look in looks.items():
            for layer, norm in enumerate(np.asarray(look(key, sample)), start=1):
                found[f"{arrangement}/gradient/{depth}/{layer}"] = float(norm)
        for start, rate in config.cells:
            trained = train(key, rates_of(start, rate, config.num_steps), batches, validation)
            nats = float(trained.validation)
            found[f"{arrangement}/{start}/{rate:g}/nats"] = nats
            found[f"{arrangement}/{start}/{rate:g}/diverged"] = float(has_diverged(nats, unigram))
            print(f"{arrangement}, {start}, {rate:g}, seed {seed}: {nats:.3f} nats", flush=True)
        found[f"{arrangement}/seconds"] = time.perf_counter() - began
        return {name: [value] for name, value in found.items()}

    return measure


def looker(config: Config, arrangement: Arrangement, vocab_size: int, depth: int) -> Callable:
    """The program (rng, tokens) -> gradient norms `[depth]`."""
    model = make(config, arrangement, vocab_size, depth)
    return jax.jit(lambda rng, tokens: gradient_norms(model, rng, tokens))


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("warmup", PRESETS, run, options_type=Options, argv=argv)
