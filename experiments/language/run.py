"""Which graph of the past predicts the next character best, at the same number of weights and characters?

Tiny Shakespeare or any text file, character by character; reported on the validation text, the last tenth.
`--model` chooses one of those in models.py, `--prompt` lets a trained one write.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import jax

from experiments.common import command
from experiments.common.seeds import check_fresh
from experiments.language import data
from experiments.language.config import PRESETS, Config
from experiments.language.models import MODELS, make
from experiments.language.train import Trainer, generate, initial
from tgnn.datasets.text import decode, encode
from tgnn.train import checkpoint

NAME = "language"
CONFIG = "config.json"


@dataclass(frozen=True)
class Options(command.Options):
    """Also: the model, the text, the context, and what to go on writing."""

    model: str = "transformer"
    """One of the models in experiments/language/models.py."""
    file: Path | None = None
    """A UTF-8 text instead of Tiny Shakespeare."""
    context_length: int = 0
    """Characters that a model sees instead of the preset's number; the batch shrinks so that a step costs as many."""
    prompt: str = ""
    """Do not train: go on from these characters with the newest checkpoint of the model in the run folder."""
    length: int = 300
    """How many characters to write after the prompt."""


def run(config: Config, options: Options) -> dict[str, list[float]]:
    """Trains one model per seed, each in a folder of its own below the run folder."""
    try:
        config = resized(config, options.context_length)
        characters = data.load(options.file, config, options.data_dir)
        model, config = make(options.model, config, len(characters.vocabulary))
    except ValueError as error:
        raise command.Mistake(str(error)) from error
    trainer = Trainer(model, characters, config)
    metrics: dict[str, list[float]] = {}
    for seed in options.all_seeds:
        folder = seed_dir(options, seed)
        check_fresh(folder, options.resume)
        folder.mkdir(parents=True, exist_ok=True)
        about = {"model": options.model, "vocabulary": characters.vocabulary, "config": dataclasses.asdict(config)}
        (folder / CONFIG).write_text(json.dumps(about) + "\n", encoding="utf-8")
        _, found = trainer.train(seed, folder, options.resume)
        for name, value in found.items():
            metrics.setdefault(name, []).append(value)
        print(f"{options.model}, seed {seed}: " + ", ".join(f"{name} {value:.5g}" for name, value in found.items()))
    return metrics


def resized(config: Config, context: int) -> Config:
    """The config with another context, at the same number of characters a step as far as whole sequences allow."""
    if context < 0:
        raise ValueError(f"--context-length must be at least 1, got {context}; leave it out for the preset's")
    if context == 0:
        return config
    rows = max(1, config.batch_size * config.context // context)
    return dataclasses.replace(config, context=context, batch_size=rows)


def seed_dir(options: Options, seed: int) -> Path:
    """Runs of different models, sizes and seeds do not share checkpoints."""
    assert options.run_dir is not None  # command.complete has filled it in
    return options.run_dir / f"{options.preset}-{options.model}-seed{seed}"


def write(options: Options) -> str:
    """The prompt and what the newest checkpoint makes of it.

    Raises:
        ValueError: there is none, or the prompt has characters that the model does not know.
    """
    folders = (options.run_dir or Path("runs") / NAME).glob(f"*-{options.model}-seed*")
    trained = [folder for folder in folders if checkpoint.latest_step(folder / "checkpoints") is not None]
    if not trained:
        raise ValueError(f"no trained {options.model} in the run folder; train one, or name its folder with --run-dir")
    folder = max(trained, key=lambda found: (found / "checkpoints").stat().st_mtime)
    about = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    config, vocabulary = Config(**about["config"]), about["vocabulary"]
    model = MODELS[options.model](config, len(vocabulary))
    target = jax.eval_shape(lambda: initial(model, config, 0))
    params = checkpoint.restore(folder / "checkpoints", target)[0].train.params
    tokens = encode(options.prompt, vocabulary)
    said = generate(model, params, tokens, options.length, config.context, jax.random.key(options.seed))
    return options.prompt + decode(said, vocabulary)


def main(argv: list[str] | None = None) -> None:
    """Trains, or with --prompt writes."""
    options = command.parse(NAME, PRESETS, options_type=Options, doc=__doc__, argv=argv)
    if not options.prompt:
        command.main(NAME, PRESETS, run, options_type=Options, argv=argv)
        return
    with command.mistakes(NAME, ValueError):
        print(write(options))
