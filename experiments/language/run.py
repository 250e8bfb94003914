"""Which graph of the past predicts the next character best, at the same number of weights and characters?

Tiny Shakespeare or any text file, character by character; reported on the validation text, the last tenth, and
on the one of --test-file. `--model` chooses one of those in models.py, `--prompt` lets a trained one write.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import jax
from rich.console import Console

from experiments.common import command, seeds
from experiments.common.training import newest, restore, train_seeds
from experiments.language import data
from experiments.language.config import PRESETS, Config
from experiments.language.generate import generate
from experiments.language.models import MODELS, make, placed
from experiments.language.task import make_task, memories, optimizer
from tgnn.datasets.text import decode, encode

NAME = "language"


@dataclass(frozen=True)
class Options(command.Options):
    """Also: the model, the text, the context, and what to go on writing."""

    model: str = "transformer"
    """One of the models in experiments/language/models.py."""
    file: Path | None = None
    """A UTF-8 text instead of Tiny Shakespeare: the first nine tenths train, the last tenth validates."""
    test_file: Path | None = None
    """A second UTF-8 text, of the same characters, which is only scored at the end."""
    context_length: int = 0
    """Characters that a model sees instead of the preset's number; the batch shrinks so that a step costs as many."""
    prompt: str = ""
    """Do not train: go on from these characters with the newest checkpoint of the model in the run folder."""
    length: int = 300
    """How many characters to write after the prompt."""

    distributes: ClassVar[str] = "batch"


def run(config: Config, options: Options) -> command.Outcome:
    """Trains one model per seed, each in a folder of its own below the run folder."""
    try:
        config = resized(config, options.context_length)
        text = data.load(options.file, config, options.data_dir, options.test_file)
        model, config = make(options.model, config, len(text.vocabulary))
    except ValueError as error:
        raise command.Mistake(str(error)) from error
    about = {"model": options.model, "config": dataclasses.asdict(config), "text": text.identity}
    metrics = train_seeds(make_task(model, config, text), about, options)
    Console().print(seeds.table(options.model, metrics))
    return command.Outcome(metrics, dataclasses.asdict(config) | {"text": text.identity})


def resized(config: Config, context: int) -> Config:
    """The config with another context, at the same number of characters a step as far as whole sequences allow."""
    if context < 0:
        raise ValueError(f"--context-length must be at least 1, got {context}; leave it out for the preset's")
    if context == 0:
        return config
    rows = max(1, config.batch_size * config.context // context)
    return dataclasses.replace(config, context=context, batch_size=rows)


def write(options: Options) -> str:
    """The prompt and what the newest checkpoint makes of it.

    Raises:
        ValueError: there is none, or the prompt has characters that the model does not know.
    """
    folder, about = newest(options.run_dir or Path("runs") / NAME, f"*-{options.model}-*seed*")
    config, vocabulary = Config(**about["config"]), about["text"]["vocabulary"]
    model = MODELS[options.model](placed(options.model, config), len(vocabulary))
    params = restore(folder, model.init, optimizer(config), lambda: memories(model, config.batch_size))
    tokens = encode(options.prompt, vocabulary)
    said = generate(model, params, tokens, options.length, config.context, jax.random.key(options.seed))
    return options.prompt + decode(said, vocabulary)


def main(argv: list[str] | None = None) -> None:
    """Trains, or with --prompt writes."""
    options, _ = command.parse(NAME, PRESETS, options_type=Options, doc=__doc__, argv=argv)
    if not options.prompt:
        command.main(NAME, PRESETS, run, options_type=Options, argv=argv)
        return
    with command.mistakes(NAME, ValueError):
        print(write(options))
