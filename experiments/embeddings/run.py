"""Which sentences are alike? MiniLM on this library's blocks, without torch, and beside it.

Sentences of SICK become unit vectors: the nearest ones of each, how well their cosines follow people's judgements of
relatedness, and, where `transformers` and torch are installed, whether the original gives the same vectors and how long
it takes for 1,000 sentences: the same tokens, the same batches sorted by length, the same number of threads.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

from experiments.common import command
from experiments.embeddings.config import PRESETS, Config
from experiments.embeddings.figures import save_figure
from experiments.embeddings.peer import load_peer
from tgnn import pretrained
from tgnn.datasets import sick

Embed = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Options(command.Options):
    """As for every experiment; nothing is random, so that one run is enough."""

    keeps_checkpoints: ClassVar[bool] = False
    remedy: ClassVar[str] = "nothing is kept of it: run it again"


def run(config: Config, options: command.Options) -> dict[str, float | Sequence[float]]:
    """Embeds, compares, and shows."""
    try:
        folder = pretrained.installed(config.package)
    except ModuleNotFoundError as error:
        raise command.Mistake(str(error)) from None
    params, model = pretrained.load(folder)
    tokenizer = pretrained.load_tokenizer(folder)
    texts = different(config.sentences, options)
    rounded, exact = config.multiple, 1
    ours = partial(embed_with, params, model, tokenizer, config.batch_size)
    sides: dict[str, Embed] = {"tgnn": partial(ours, exact), "tgnn_rounded": partial(ours, rounded)}
    peer = load_peer(folder, config.threads)
    if peer is not None:
        theirs = partial(peer, tokenizer, config.batch_size)
        sides |= {"torch": partial(theirs, exact), "torch_rounded": partial(theirs, rounded)}
    vectors, found = race(sides, texts, config.repetitions)
    cosines, judged = relatedness(partial(ours, rounded), config.pairs, options)
    found |= {"spearman": float(spearmanr(cosines, judged).statistic)}  # pyright: ignore
    Console().print(neighbors_table(texts, vectors))
    print(f"relatedness of {len(judged)} pairs: Spearman's rho {found['spearman']:.3f}")
    Console().print(speed_table(sides, found, len(texts)))
    save_figure(cosines, judged, found, options.folder)
    return found


def embed_with(params, model, tokenizer, batch_size: int, multiple: int, texts: Sequence[str]) -> np.ndarray:
    """Our vectors of texts."""
    sizes = {"batch_size": batch_size, "multiple": multiple}
    return pretrained.embed_texts(params, model, tokenizer, texts, **sizes)


def different(count: int, options: command.Options) -> list[str]:
    """The first sentences that are not the same, in the order of SICK's training pairs."""
    pairs = sick.load("train", options.data_dir)
    both = zip(pairs.first, pairs.second, strict=True)
    return list(dict.fromkeys(" ".join(words) for pair in both for words in pair))[:count]


def race(sides: dict[str, Embed], texts: list[str], repetitions: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Our vectors; the error against the original, then the seconds of each side in turn, all of them warm."""
    vectors, found = {}, {}
    for name, embed in sides.items():
        start = time.perf_counter()
        vectors[name] = embed(texts)
        found[f"{name}_first_seconds"] = time.perf_counter() - start  # with what is compiled
    if "torch" in sides:
        found["error"] = max(float(np.abs(vectors["torch"] - x).max()) for x in vectors.values())
        if not found["error"] < 1e-5:  # of unit vectors
            raise command.Mistake(f"the two sides differ by {found['error']:.1e}: no speed is compared")
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    processor: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repetitions):
        for name, embed in sides.items():
            start, cpu = time.perf_counter(), time.process_time()
            embed(texts)
            seconds[name].append(time.perf_counter() - start)
            processor[name].append(time.process_time() - cpu)
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    found |= {f"{name}_seconds": each for name, each in seconds.items()}
    found |= {f"{name}_cpu_seconds": each for name, each in processor.items()}
    for policy in ("", "_rounded") if "torch" in sides else ():  # of padding, the same on both sides
        found[f"ratio{policy}"] = medians[f"torch{policy}"] / medians[f"tgnn{policy}"]
    return vectors["tgnn"], found


def relatedness(embed: Embed, count: int, options: command.Options) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of pairs of sentences, and what people say of them, 1 to 5."""
    pairs = sick.load("validation", options.data_dir)
    first, second = ([" ".join(words) for words in side[:count]] for side in (pairs.first, pairs.second))
    both = embed([*first, *second])
    return (both[: len(first)] * both[len(first) :]).sum(1), pairs.relatedness[:count]


def neighbors_table(texts: list[str], vectors: np.ndarray, count: int = 6) -> Table:
    """A few sentences, evenly spaced, and the nearest one of each."""
    shown = Table("sentence", "nearest", "cosine", title=f"nearest of {len(texts)} sentences")
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    for i in range(0, len(texts), max(1, len(texts) // count)):
        shown.add_row(texts[i], texts[cosines[i].argmax()], f"{cosines[i].max():.3f}")
    return shown


def speed_table(sides: dict[str, Embed], found: dict[str, Any], count: int) -> Table:
    """One line a side."""
    columns = "seconds", "fastest", "processor seconds", "first call", "torch over tgnn"
    shown = Table("side", *columns, title=f"{count} sentences, medians")
    for name in sides:
        seconds, cpu = found[f"{name}_seconds"], found[f"{name}_cpu_seconds"]
        times = [statistics.median(seconds), min(seconds), statistics.median(cpu), found[f"{name}_first_seconds"]]
        ratio = found.get(name.replace("tgnn", "ratio"))
        shown.add_row(name, *(f"{x:.2f}" for x in times), "" if ratio is None else f"{ratio:.2f}")
    return shown


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    command.main("embeddings", PRESETS, run, options_type=Options, argv=argv)
