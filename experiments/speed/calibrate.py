"""The rates that `tgnn.plan` decides by: seconds per slot of each layout, forward and with gradients.

Two sizes of a head give two equations for two numbers: seconds per slot and head (softmax, indices), and seconds per
slot, head and number (rows, products).
"""

import statistics
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import tgnn
from experiments.common import results
from experiments.speed import measure
from experiments.speed.cases.case import arrays
from experiments.speed.config import Config
from experiments.speed.contestant import from_jax
from tgnn.planning.choose import BLOCKS, WINDOWS
from tgnn.planning.timings import Timings, save

HEADS, HEAD_DIMS = 8, (16, 64)
COLUMNS = 448  # senders of a row window: about what 8 hops on a mesh have
STACKED = 32  # nodes of each graph of a stack: what `tgnn.batch` decides about is that small


def run(config: Config, path: Path) -> dict[str, list[float]]:
    """Measures every layout and writes the rates; returns them as metrics."""
    layouts = make_layouts(config.calibration_nodes)
    each = {head_dim: measure_all(layouts, head_dim, config) for head_dim in HEAD_DIMS}
    seconds = {
        name: {d: solve([each[dim][name, d] for dim in HEAD_DIMS], slots_of(layout)) for d in ("forward", "both")}
        for name, layout in layouts.items()
    }
    versions = results.versions()
    words = f"jax {versions['jax']}, one call of {config.calibration_nodes:,} nodes, commit {results.commit_of_code()}"
    save(path, jax.default_backend(), Timings(results.device(), words, seconds))
    return {f"rates/{name}/{d}": list(x) for name, each in seconds.items() for d, x in each.items()}


def slots_of(layout: tgnn.Layout) -> int:
    """Slots, of a stack those of all its graphs."""
    return layout.count_slots() * int(np.prod(graphs_of(layout)))


def graphs_of(layout: tgnn.Layout) -> tuple[int, ...]:
    """The leading axis of a stack; none of a single graph."""
    return layout.mask.shape[:-2] if isinstance(layout, tgnn.Dense) else ()  # the only one that is stacked here


def make_layouts(n: int) -> dict[str, tgnn.Layout]:
    """One of each kind on `n` nodes, without empty slots."""
    rng = np.random.default_rng(0)
    degree = max(n // 32, 2)
    receivers = np.repeat(np.arange(n), degree)
    senders = np.sort(rng.permuted(np.tile(np.arange(n), (n, 1)), axis=1)[:, :degree], axis=1).ravel()
    found: dict[str, tgnn.Layout] = {
        "EdgeList": tgnn.EdgeList.from_edges(senders, receivers, n_receivers=n),
        "Neighbors": tgnn.Neighbors.from_edges(senders, receivers, n_receivers=n),
        "Dense": tgnn.Dense.from_edges(senders, receivers, n_receivers=n),
        "Stack": tgnn.Dense(jnp.asarray(rng.random((max(n // 16, 1), STACKED, STACKED)) < 0.3)),
        "Complete": tgnn.Complete(n),
        "Causal": tgnn.Causal(n),
        "Window": tgnn.Window(n, n // 32, n // 32),
    }
    for block in BLOCKS:
        rows = max(n // block, 1)
        tiles = rng.random((rows, rows)) < 0.1
        tiles[0, 0] = True
        i, j = np.nonzero(np.kron(tiles, np.ones((block, block), bool)))
        found[f"Blocks {block}"] = tgnn.Blocks.from_edges(j, i, block, n_receivers=max(n, block))
    for size in WINDOWS:
        rows = -(-n // size)
        columns = np.sort(rng.permuted(np.tile(np.arange(n), (rows, 1)), axis=1)[:, : min(COLUMNS, n)], axis=1)
        i, j = np.arange(n)[:, None], np.repeat(columns, size, axis=0)[:n]  # each receiver sees its window's senders
        found[f"RowWindows {size}"] = tgnn.RowWindows.from_edges(
            j.ravel(), np.broadcast_to(i, j.shape).ravel(), size, n_receivers=n, order=np.arange(n)
        )
    return found


def measure_all(layouts: dict[str, tgnn.Layout], head_dim: int, config: Config) -> dict[tuple[str, str], float]:
    """Median seconds of every layout and direction."""
    sides = {}
    for name, layout in layouts.items():
        graphs = graphs_of(layout)
        *inputs, cotangent = arrays(1, *[(*graphs, layout.n_receivers, HEADS, head_dim)] * 4)
        sides[name] = from_jax(jax.vmap(tgnn.attend) if graphs else tgnn.attend, layout, inputs, cotangent)
    times = measure.time_all(sides, config)
    # Processor time does not see other programs; it is the time of one thread only where one is used.
    kind = "cpu_seconds" if jax.default_backend() == "cpu" else "seconds"
    return {(name, d): statistics.median(times[f"{name}/{d}_{kind}"]) for name in sides for d in ("forward", "both")}


def solve(seconds: list[float], slots: int) -> tuple[float, float]:
    """Two numbers, neither negative, from the times at the two sizes of a head."""
    (small, large), (first, second) = HEAD_DIMS, (x / (slots * HEADS) for x in seconds)
    slope = max((second - first) / (large - small), 0.0)
    return max(first - slope * small, 0.0), slope
