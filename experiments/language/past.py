"""How far do they look? Bits of the same characters as the models of `rank` are shown ever more of the past.

Each character is predicted by the trained models from the last 1, 2, 4, ... characters before it: the text begins
there, and memories are empty. The characters and their order are those of every model, so that curves can be compared.

    python -m experiments.language.past --json FILE --figure FILE --readme experiments/language/README.md
"""

import dataclasses
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from matplotlib.figure import Figure

from experiments.common import results, tables
from experiments.common.failures import check_file, failures, mistakes
from experiments.common.memory import keep_memory
from experiments.common.programs import keep_programs
from experiments.common.terminal import any_terminal
from experiments.language import data
from experiments.language.config import PRESETS, Config
from experiments.language.models import MODELS
from experiments.language.signature import LanguageModel
from experiments.language.sweep import weights
from experiments.language.task import apply_rows, memories
from tgnn.train import checkpoint
from tgnn.train.losses import cross_entropy
from tgnn.typing import Array, Params

START, END = "<!-- past: written by python -m experiments.language.past -->", "<!-- end of past -->"
ROWS = 64  # characters that are predicted at once


@dataclass(frozen=True)
class Options:
    """Which models, how many characters, and where the results go."""

    models: tuple[str, ...] = ("transformer", "binary_partition", "dynamic_conv", "lstm")
    """Some that `rank` has trained."""
    preset: str = "rank"
    """The preset that they were trained with."""
    characters: int = 2048
    """How many characters of the test half are predicted."""
    seeds: int = 3
    """How many seeds there are of each model."""
    file: Path | None = None
    """The UTF-8 text that they were trained on instead of Tiny Shakespeare."""
    data_dir: Path | None = None
    """Folder of the data sets (default: the environment variable TGNN_DATA_DIR)."""
    run_dir: Path = field(default_factory=lambda: Path("runs/language/rank"))
    """Where `rank` left the weights."""
    results: Path | None = None
    """Where it left the results of each model (default: the run folder)."""
    json: Path = field(default_factory=lambda: Path("runs/language/past.json"))
    """File for the results."""
    figure: Path = field(default_factory=lambda: Path("runs/language/past.png"))
    """File for the figure."""
    readme: Path | None = None
    """A text into which the table is written, between its two comments."""


def lengths(context: int) -> list[int]:
    """1, 2, 4, ... up to the context."""
    return [2**i for i in range((context - 1).bit_length())] + [context]


def excerpts(tokens: np.ndarray, context: int, characters: int) -> np.ndarray:
    """Evenly spread places of the text, `[characters, context + 1]`: a character and the context before it."""
    ends = np.linspace(context, len(tokens) - 1, characters).astype(int)
    return tokens[ends[:, None] + np.arange(-context, 1)]


def make_measure(model: LanguageModel, context: int) -> Callable[[Params, Array, Array], Array]:
    """The compiled function (weights, excerpts, length) -> bits of their last characters, given so many before them."""

    def rows_bits(params: Params, rows: Array, length: Array) -> Array:
        # what is shown stands at the beginning, and behind it is nothing to be seen
        shown = jnp.roll(rows[:, :-1], length, axis=1)  # the last `length` columns come first
        shown = jnp.where(jnp.arange(context) < length, shown, 0)
        logits = apply_rows(model, params, memories(model, len(rows)), shown).logits[:, length - 1]
        return cross_entropy(logits, rows[:, -1]) / math.log(2)

    @jax.jit
    def measure(params: Params, batches: Array, length: Array) -> Array:
        return jax.lax.map(lambda rows: rows_bits(params, rows, length), batches).mean()

    return measure


def record_of(name: str, options: Options) -> Path:
    """The results file of a model."""
    return (options.results or options.run_dir) / f"{options.preset}-{name}.json"


def curves(name: str, options: Options, text: data.Text) -> dict[int, list[float]]:
    """For each length, the bits of each seed of a model."""
    record = results.read(record_of(name, options))
    fields = {field.name for field in dataclasses.fields(Config)}
    config = Config(**{key: value for key, value in record["config"].items() if key in fields})
    model = MODELS[name](config, len(text.vocabulary))
    rows = excerpts(text.scored["test"], config.context, options.characters // ROWS * ROWS)
    batches = jnp.asarray(rows.reshape(-1, ROWS, config.context + 1))
    measure, like = make_measure(model, config.context), jax.eval_shape(model.init, jax.random.key(0))
    found: dict[int, list[float]] = {length: [] for length in lengths(config.context)}
    for seed in range(options.seeds):
        params, _ = checkpoint.restore(weights(options.run_dir, name, seed), like)
        for length, bits in found.items():
            bits.append(float(measure(params, batches, jnp.int32(length))))
        print(name, seed, {length: f"{bits[-1]:.3f}" for length, bits in found.items()}, flush=True)
    return found


def draw(metrics: dict[str, dict]) -> Figure:
    """Bits against the past that is shown, mean and standard deviation."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    ax = figure.subplots()
    for name, points in by_model(metrics).items():
        mean, deviation = (np.array([point[key] for point in points.values()]) for key in ("mean", "std"))
        line = ax.semilogx(list(points), mean, marker="o", base=2, label=name)[0]
        ax.fill_between(list(points), mean - deviation, mean + deviation, color=line.get_color(), alpha=0.2)
    ax.set(xlabel="characters of the past", ylabel="bits a character")
    ax.legend()
    return figure


def by_model(metrics: dict[str, dict]) -> dict[str, dict[int, dict]]:
    """The metrics `MODEL/LENGTH` as curves."""
    found: dict[str, dict[int, dict]] = {}
    for key, summary in metrics.items():
        name, length = key.split("/")
        found.setdefault(name, {})[int(length)] = summary
    return found


def table(record: dict) -> str:
    """A row a model, a column a length."""
    points = by_model(record["metrics"])
    columns = list(next(iter(points.values())))
    lines = ["| model | " + " | ".join(map(str, columns)) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, curve in points.items():
        lines.append(f"| `{name}` | " + " | ".join(tables.entry(curve[length]) for length in columns) + " |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, draws and writes."""
    any_terminal()
    options = tyro.cli(Options, description=__doc__, args=argv)
    with mistakes("language.past", ValueError, FileNotFoundError):
        check_file("--json", options.json)
        check_file("--figure", options.figure)
        data_dir = options.data_dir or (Path(named) if (named := os.environ.get("TGNN_DATA_DIR")) else None)
        text = data.halves(data.load(options.file, PRESETS[options.preset], data_dir))
        if options.characters < ROWS:
            raise ValueError(f"--characters must be at least {ROWS}, got {options.characters}")
        for name in options.models:
            last = weights(options.run_dir, name, options.seeds - 1)
            if not (last.is_dir() and record_of(name, options).is_file()):
                raise ValueError(
                    f"{name} has no {options.seeds} seeds in {options.run_dir}; train it with rank.py first"
                )
    keep_programs()
    keep_memory()
    with failures("language.past", "nothing is kept of it: run it again"):
        started, commit = time.perf_counter(), results.commit_of_code()
        found = {name: curves(name, options, text) for name in options.models}
        metrics = {f"{name}/{length}": bits for name, curve in found.items() for length, bits in curve.items()}
        about = {"models": options.models, "characters": options.characters, "text": text.identity}
        stated = {"preset": options.preset, "seed": 0, "commit": commit}
        record = results.describe("language", about, metrics, time.perf_counter() - started, **stated)
        results.write(options.json, record)
        draw(record["metrics"]).savefig(options.figure, dpi=100)
        print(table(record))
        if options.readme is not None:
            tables.put_into(options.readme, START, END, table(record))
    print(f"results: {options.json}, {options.figure}")


if __name__ == "__main__":
    main()
