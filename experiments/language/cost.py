"""What does a pattern cost as the text grows? Time and memory of one forward and backward step.

Attention alone, four heads of 16, and the two-layer models of the preset `rank` at the largest size. Each case runs
in a fresh process, whose peak of memory is the one reported.

    python -m experiments.language.cost --json FILE --figure FILE
"""

import concurrent.futures
import dataclasses
import math
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from matplotlib.figure import Figure

from experiments.common import results
from experiments.common.failures import check_file, failures, mistakes
from experiments.common.terminal import any_terminal
from experiments.language.config import PRESETS
from tgnn import attend, patterns
from tgnn.models.sequences.bp_transformer import bp_transformer, init_bp_transformer, partition
from tgnn.nn.transformer import init_language_model, language_model
from tgnn.train.losses import cross_entropy

HEADS, HEAD_DIM = 4, 16
REACH = 128  # of the window, and of a chunk of the hashed nodes
K = 4  # nodes per level of the binary partition


def strided(n: int):
    """Both parts, at the stride of the paper, the root of n."""
    return patterns.strided_parts(n, math.isqrt(n))


def hashed(n: int):
    """One round of hashing into as many buckets as there are chunks, uniformly."""
    return patterns.lsh_buckets(n, jax.random.randint(jax.random.key(0), (n,), 0, -(-n // REACH)), chunk=REACH)


PATTERNS: dict[str, Callable] = {
    "full": patterns.causal,
    "window": lambda n: patterns.window(n, REACH),
    "strided": strided,
    "binary_partition": lambda n: patterns.binary_partition(n, K, causal=True),
    "lsh": hashed,
}
MODELS: dict[str, Callable] = {
    "window": lambda n: (init_language_model, language_model, patterns.window(n, REACH)),
    "binary_partition": lambda n: (
        partial(init_bp_transformer, max_length=n, k=K),
        bp_transformer,
        partition([n], K, causal=True),
    ),
}


@dataclass(frozen=True)
class Options:
    """Which sizes, and where the results go."""

    sizes: tuple[int, ...] = (1024, 4096, 16_384, 65_536)
    """Lengths of the text."""
    most_full: int = 16_384
    """The largest size at which every pair is computed."""
    models: tuple[str, ...] = ("window", "binary_partition")
    """Models of which one training step is measured at the largest size."""
    json: Path = field(default_factory=lambda: Path("runs/language/cost.json"))
    """File for the results."""
    figure: Path = field(default_factory=lambda: Path("runs/language/cost.png"))
    """File for the figure."""


def attention_step(name: str, n: int):
    """A compiled forward and backward pass of attention on a pattern, and its arguments."""
    layouts = PATTERNS[name](n)
    layouts = layouts if isinstance(layouts, tuple) else (layouts,)
    nodes = layouts[0].n_receivers
    query, key, value = np.random.default_rng(0).normal(size=(3, nodes, HEADS, HEAD_DIM)).astype(np.float32)

    def loss(operands, layouts):
        heads = (jnp.split(operand, len(layouts), axis=1) for operand in operands)
        return sum(attend(layout, *part).sum() for layout, *part in zip(layouts, *heads, strict=True))

    arguments = ((query, key, value), layouts)
    return jax.jit(jax.value_and_grad(loss)).lower(*arguments).compile(), arguments


def model_step(name: str, n: int):
    """A compiled gradient of a model's loss on one sequence, and its arguments."""
    sizes = PRESETS["rank"].transformer(65, max_length=None)
    init, model, graph = MODELS[name](n)
    tokens = np.random.default_rng(0).integers(0, 65, n + 1, dtype=np.int32)

    def loss(params, graph, tokens):
        return cross_entropy(model(params, graph, tokens[:-1]), tokens[1:])

    arguments = jax.jit(partial(init, config=sizes))(jax.random.key(0)), graph, tokens
    return jax.jit(jax.value_and_grad(loss)).lower(*arguments).compile(), arguments


def measure(kind: str, name: str, n: int) -> dict[str, float]:
    """Time of the fastest of three steps, memory that XLA plans, and the peak of this process."""
    step, arguments = {"attention": attention_step, "model": model_step}[kind](name, n)
    seconds, busy = [], []
    for _ in range(3):
        started, before = time.perf_counter(), time.process_time()
        jax.block_until_ready(step(*arguments))
        seconds.append(time.perf_counter() - started)
        busy.append(time.process_time() - before)
    memory = step.memory_analysis()
    return {
        "seconds": min(seconds),
        "processor_seconds": min(busy),  # of all cores together: other jobs do not count
        "temporary_bytes": memory.temp_size_in_bytes if memory else math.nan,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        * (1 if sys.platform == "darwin" else 1024),
    }


def alone(*case) -> dict[str, float]:
    """`measure` in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(measure, *case).result()


def draw(found: dict[tuple[str, int], dict[str, float]]) -> Figure:
    """Time and memory against the length of the text."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots(1, 2)
    quantities = [("seconds", 1, "seconds"), ("temporary_bytes", 2**20, "MiB of temporary memory")]
    for ax, (quantity, unit, label) in zip(axes, quantities, strict=True):
        for name in PATTERNS:
            sizes = sorted(n for pattern, n in found if pattern == name)
            ax.loglog(sizes, [found[name, n][quantity] / unit for n in sizes], marker="o", label=name)
        ax.set(xlabel="tokens", ylabel=label, title="attention, forward and backward")
    axes[0].legend()
    return figure


def main() -> None:
    """Measures every case, writes the results after the last one."""
    any_terminal()
    options = tyro.cli(Options, description=__doc__)
    with mistakes("language.cost", ValueError):
        check_file("--json", options.json)
        check_file("--figure", options.figure)
    with failures("language.cost", "nothing is kept of it: run it again"):
        run(options)


def run(options: Options) -> None:
    """What `main` does once the command line is right."""
    started, metrics, found = time.perf_counter(), {}, {}
    cases = [("attention", name, n) for name in PATTERNS for n in options.sizes]
    cases += [("model", name, max(options.sizes)) for name in options.models]
    for kind, name, n in cases:
        if name == "full" and n > options.most_full:
            continue
        record = alone(kind, name, n)
        print(kind, name, n, {key: f"{value:.4g}" for key, value in record.items()}, flush=True)
        metrics |= {f"{kind}_{name}_{n}_{key}": value for key, value in record.items()}
        if kind == "attention":
            found[name, n] = record
    config = dataclasses.asdict(options) | {"heads": HEADS, "head_dim": HEAD_DIM, "reach": REACH, "k": K}
    config = {key: value for key, value in config.items() if key not in ("json", "figure")}
    results.write(options.json, results.describe("language", config, metrics, time.perf_counter() - started))
    draw(found).savefig(options.figure, dpi=100)
    print(f"results: {options.json}, {options.figure}")


if __name__ == "__main__":
    main()
